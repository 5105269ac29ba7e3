//! What becomes of each field that a client may write: the one place where it is said. The reference (`docs/api.md`) shows these
//! tables, the schema takes its required fields from them, and tests hold both, and the doc comments of the kinds, to them.
//!
//! `null` is the same as absent everywhere. Nothing here is part of the module.

/// What becomes of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path, such as `spec.running`; in a list `spec.parameters[].name`.
    pub path: &'static str,
    /// On create.
    pub create: Create,
    /// On update: PUT, and the result of a patch.
    pub update: Update,
    /// In what is read.
    pub read: Read,
}

/// What becomes of a field when an object is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// 422 without it.
    Required,
    /// Taken. The words say what holds when it is absent.
    Optional(&'static str),
    /// Not looked at.
    Ignored,
    /// Not kept; a warning says so.
    Warned,
}

/// What becomes of a field when an object is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Taken. The words say what a new value does.
    Changes(&'static str, Absent),
    /// Taken, and 422 without it. The words say what a new value does.
    Required(&'static str),
    /// Another value is 422.
    Immutable,
    /// Says which object or entry is meant, and, in the words, what happens when it means another.
    Identity(&'static str),
    /// Not looked at.
    Ignored,
    /// Not kept; a warning says so.
    Warned,
}

/// What an update does to a field that it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// There is none afterwards.
    Cleared,
    /// It stays as it is.
    Kept,
}

/// Where a field is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Wherever whole objects are, also when it is empty, 0 or false.
    Always,
    /// The same, unless it is empty.
    WhenSet,
    /// When one object is read; lists leave it out.
    GetOnly,
    /// Nowhere.
    Never,
}

use Absent::{Cleared, Kept};
use Create::{Ignored, Optional, Required};
use Read::{Always, GetOnly, Never, WhenSet};
use Update::{Changes, Immutable};

const fn field(path: &'static str, create: Create, update: Update, read: Read) -> Field {
    Field { path, create, update, read }
}

/// What Coder has no place for.
const fn warned(path: &'static str, read: Read) -> Field {
    field(path, Create::Warned, Update::Warned, read)
}

/// What the server sets.
const fn of_the_server(path: &'static str, read: Read) -> Field {
    field(path, Ignored, Update::Ignored, read)
}

/// Metadata of both kinds.
pub const METADATA: &[Field] = &[
    field(
        "metadata.name",
        Optional("made from `generateName`; 422 without either"),
        Update::Identity("400 unless it is the request's; 400 without it"),
        Always,
    ),
    field("metadata.generateName", Optional("`name` is needed"), Update::Ignored, Never),
    field(
        "metadata.namespace",
        Optional("the request's; another is 400"),
        Update::Identity("400 unless it is the request's"),
        Always,
    ),
    field("metadata.uid", Ignored, Update::Identity("409 unless it is the object's"), Always),
    field(
        "metadata.resourceVersion",
        Ignored,
        Update::Identity("409 Conflict when lists show something else by now"),
        Always,
    ),
    warned("metadata.labels", Always),
    warned("metadata.annotations", Never),
    warned("metadata.ownerReferences", Never),
    warned("metadata.finalizers", WhenSet),
    of_the_server("metadata.creationTimestamp", Always),
    of_the_server("metadata.deletionTimestamp", WhenSet),
    of_the_server("metadata.deletionGracePeriodSeconds", Never),
    of_the_server("metadata.generation", WhenSet),
    of_the_server("metadata.managedFields", Never),
    of_the_server("metadata.selfLink", Never),
];

/// The rest of a `CoderWorkspace`.
pub const WORKSPACE: &[Field] = &[
    field("spec.organization", Required, Immutable, Always),
    field("spec.templateName", Required, Immutable, Always),
    field(
        "spec.templateVersionID",
        Optional("the template's active version"),
        Changes("one build with that version", Kept),
        WhenSet,
    ),
    field("spec.templateVersionPreset", Optional("no preset"), Update::Warned, Never),
    field("spec.running", Optional("true"), Changes("a start or stop build", Kept), Always),
    field("spec.ttlMillis", Optional("the template's default"), Changes("set at once", Cleared), WhenSet),
    field("spec.autostartSchedule", Optional("none"), Changes("set at once", Cleared), WhenSet),
    field("spec.automaticUpdates", Optional("`never`"), Changes("set at once", Kept), Always),
    field(
        "spec.dormant",
        Optional("false; true is 422"),
        Changes("set at once; true is 422 unless `running` is false", Kept),
        Always,
    ),
    field(
        "spec.parameters",
        Optional("the preset's values, else the template's defaults"),
        Changes("one build with the new values; by name, unnamed ones stay", Kept),
        GetOnly,
    ),
    field("spec.parameters[].name", Required, Update::Identity("says which parameter"), GetOnly),
    field("spec.parameters[].value", Required, Update::Required("one build with the new values"), GetOnly),
    of_the_server("status", Always),
];

/// The rest of a `CoderTemplate`.
pub const TEMPLATE: &[Field] = &[
    field("spec.organization", Required, Immutable, Always),
    field("spec.versionID", Optional("a version is made of `files`"), Immutable, Always),
    field(
        "spec.files",
        Optional("422, unless `versionID` is given"),
        Changes("a new version, promoted when its import succeeds; as a whole", Kept),
        GetOnly,
    ),
    field("spec.provisioner", Optional("`terraform`"), Changes("a new version", Kept), WhenSet),
    field("spec.tags", Optional("none"), Changes("a new version", Kept), GetOnly),
    field(
        "spec.variables",
        Optional("the defaults in the files"),
        Changes("handed to a new version; alone it makes none, with a warning", Kept),
        Never,
    ),
    field("spec.variables[].name", Required, Update::Identity("says which variable"), Never),
    field("spec.variables[].value", Required, Update::Required("as `variables`"), Never),
    field("spec.displayName", Optional("none"), Changes("set at once", Cleared), WhenSet),
    field("spec.description", Optional("none"), Changes("set at once", Cleared), WhenSet),
    field("spec.icon", Optional("none"), Changes("set at once", Cleared), WhenSet),
    field("spec.deprecationMessage", Optional("none"), Changes("set at once", Cleared), WhenSet),
    field("spec.defaultTTLMillis", Optional("0"), Changes("set at once", Kept), Always),
    field("spec.activityBumpMillis", Optional("3600000"), Changes("set at once", Kept), Always),
    field("spec.allowUserCancelWorkspaceJobs", Optional("false"), Changes("set at once", Kept), Always),
    field("spec.requireActiveVersion", Optional("false"), Changes("set at once", Kept), Always),
    field("spec.running", Create::Warned, Update::Warned, Never),
    of_the_server("status", Always),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn schema(name: &str) -> Value {
        let document: Value =
            serde_json::from_slice(include_bytes!("../../../openapi/v1alpha1.json")).unwrap();
        document["components"]["schemas"][name].clone()
    }

    /// The tables name the schema's fields below `prefix`, all of them and no others.
    fn check(table: &[Field], prefix: &str, name: &str) {
        let schema = schema(name);
        let mut expect: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(|k| &**k).collect();
        let below = |field: &Field| field.path.strip_prefix(prefix).filter(|rest| !rest.contains('.'));
        let mut found: Vec<&str> = table.iter().filter_map(below).collect();
        found.sort_unstable();
        expect.sort_unstable();
        assert_eq!(found, expect, "{name}");
        let required: Vec<&str> =
            table.iter().filter(|field| field.create == Required).filter_map(below).collect();
        let said: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(required, said, "{name}");
    }

    #[test]
    fn every_field_is_in_its_table() {
        const OURS: &str = "com.coder.aggregation.v1alpha1.";
        check(METADATA, "metadata.", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
        check(WORKSPACE, "spec.", &format!("{OURS}CoderWorkspaceSpec"));
        check(WORKSPACE, "spec.parameters[].", &format!("{OURS}Parameter"));
        check(TEMPLATE, "spec.", &format!("{OURS}CoderTemplateSpec"));
        check(TEMPLATE, "spec.variables[].", &format!("{OURS}Variable"));
    }

    /// `kubectl explain` and the tables agree.
    #[test]
    fn descriptions_say_what_the_tables_say() {
        for (table, name) in [(WORKSPACE, "CoderWorkspaceSpec"), (TEMPLATE, "CoderTemplateSpec")] {
            let schema = schema(&format!("com.coder.aggregation.v1alpha1.{name}"));
            for field in table {
                let Some(property) = field.path.strip_prefix("spec.").filter(|path| !path.contains('.'))
                else {
                    continue;
                };
                let text = schema["properties"][property]["description"].as_str().unwrap().to_lowercase();
                for (word, expect) in [
                    ("immutable", field.update == Immutable),
                    ("clears it", matches!(field.update, Changes(_, Cleared))),
                    ("left out of lists", field.read == GetOnly),
                    ("never shown", field.read == Never),
                    ("a warning", field.update == Update::Warned || property == "variables"),
                ] {
                    assert_eq!(text.contains(word), expect, "{name}.{property}: {word}: {text}");
                }
            }
        }
    }
}
