//! The OpenAPI v3 document of the group version, made from the types and their doc comments, in the dialect that
//! kube-apiserver speaks. Native tooling only: the module includes the committed result (`openapi/v1alpha1.json`).
//!
//! Which verbs there are is said in `paths`.

mod paths;

use super::fields::{self, Create, Field};
use super::{API_VERSION, CoderTemplate, CoderWorkspace, GROUP, VERSION};
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

const PREFIX: &str = "com.coder.aggregation.v1alpha1.";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/// Shared types, word for word as kube-apiserver publishes them: a definition that differs would be published twice.
/// `DeleteOptions` names its group, as in each document of kube-apiserver; who merges documents looks past that.
const SHARED: [&str; 2] =
    [include_str!("../../../openapi/meta.v1.json"), include_str!("../../../openapi/autoscaling.v1.json")];
const QUERY_PARAMETERS: &str = include_str!("../../../openapi/parameters.json");

/// Whose fields are which, for what a manifest cannot do without. Everything else may be left out, or is read-only.
const WRITTEN: &[(&str, &[Field], &str)] = &[
    ("CoderWorkspaceSpec", fields::WORKSPACE, "spec."),
    ("Parameter", fields::WORKSPACE, "spec.parameters[]."),
    ("CoderTemplateSpec", fields::TEMPLATE, "spec."),
    ("Variable", fields::TEMPLATE, "spec.variables[]."),
];

struct Kind {
    kind: &'static str,
    plural: &'static str,
    about: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        kind: "CoderTemplate",
        plural: "codertemplates",
        about: "CoderTemplateList is a list of CoderTemplates.",
    },
    Kind {
        kind: "CoderWorkspace",
        plural: "coderworkspaces",
        about: "CoderWorkspaceList is a list of CoderWorkspaces.",
    },
];

/// The document, ready to be served.
///
/// # Errors
/// One of the included files is not what it should be.
pub fn document() -> serde_json::Result<Value> {
    let mut schemas = definitions();
    for shared in SHARED {
        schemas.extend(serde_json::from_str::<Map<String, Value>>(shared)?);
    }
    Ok(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths::paths(&serde_json::from_str(QUERY_PARAMETERS)?),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "BearerToken": {
                    "description": "Bearer Token authentication",
                    "in": "header",
                    "name": "authorization",
                    "type": "apiKey",
                }
            },
        },
    }))
}

/// The kinds, what they consist of, and their lists.
fn definitions() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<CoderTemplate<'static>>();
    generator.subschema_for::<CoderWorkspace<'static>>();
    let mut found = Map::new();
    for (name, schema) in generator.take_definitions(true) {
        let Ok(mut schema) = Schema::try_from(schema) else { continue };
        KubeDialect.transform(&mut schema);
        let mut schema = schema.to_value();
        if let Some((_, table, prefix)) = WRITTEN.iter().find(|(of, ..)| *of == name) {
            schema["required"] = required(table, prefix).into();
        }
        found.insert(format!("{PREFIX}{name}"), schema);
    }
    for kind in &KINDS {
        if let Some(schema) = found.get_mut(&format!("{PREFIX}{}", kind.kind)) {
            add_type_meta(schema, kind.kind);
        }
        let mut list = json!({
            "type": "object",
            "description": kind.about,
            "required": ["items"],
            "properties": {
                "metadata": {
                    "description": "Standard list metadata.",
                    "allOf": [{"$ref": reference(META, "ListMeta")}],
                },
                "items": {
                    "description": "The objects.",
                    "type": "array",
                    "items": {"allOf": [{"$ref": reference(PREFIX, kind.kind)}]},
                },
            },
        });
        let name = format!("{}List", kind.kind);
        add_type_meta(&mut list, &name);
        found.insert(format!("{PREFIX}{name}"), list);
    }
    found
}

fn required(table: &[Field], prefix: &str) -> Vec<&'static str> {
    let required = table.iter().filter(|field| field.create == Create::Required);
    required.filter_map(|field| field.path.strip_prefix(prefix).filter(|rest| !rest.contains('.'))).collect()
}

/// What the writer adds to every object, and what ties the schema to its kind.
fn add_type_meta(schema: &mut Value, kind: &str) {
    let text = |description: String| json!({"type": "string", "description": description});
    schema["properties"]["apiVersion"] = text(format!(
        "APIVersion is the group and version of this representation of an object: {API_VERSION}."
    ));
    schema["properties"]["kind"] = text(format!("Kind names the type of this object: {kind}."));
    schema["x-kubernetes-group-version-kind"] = json!([{"group": GROUP, "version": VERSION, "kind": kind}]);
}

fn reference(prefix: &str, name: &str) -> String {
    format!("#/components/schemas/{prefix}{name}")
}

/// Turns what schemars writes into what kube-apiserver writes.
struct KubeDialect;

impl Transform for KubeDialect {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        // Which fields are required is said by the tables; lengths of arrays and nulls are our own business.
        for keyword in ["required", "nullable", "minItems", "maxItems", "$schema", "title"] {
            object.remove(keyword);
        }
        // An optional object: either itself or null. Subschemas have been here before, so a reference is inside allOf.
        if let Some(Value::Array(any)) = object.remove("anyOf") {
            let refs: Vec<Value> = any.into_iter().filter(|one| one.get("allOf").is_some()).collect();
            object.insert("allOf".into(), refs.into());
        }
        if let Some(Value::String(path)) = object.remove("$ref") {
            object.insert("allOf".into(), json!([{"$ref": path}]));
        }
        for one in object.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
            qualify(one);
        }
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = paragraphs(text);
        }
    }
}

/// `#/components/schemas/Agent` → `#/components/schemas/com.coder.aggregation.v1alpha1.Agent`. Undoes the wrapping of
/// a reference that was already inside `allOf`.
fn qualify(one: &mut Value) {
    if let Some(inner) = one.get_mut("allOf").and_then(|all| all.get_mut(0)).map(Value::take) {
        *one = inner;
    }
    if let Some(Value::String(path)) = one.get_mut("$ref")
        && let Some(name) = path.strip_prefix("#/components/schemas/")
        && !name.contains('.')
    {
        *path = reference(PREFIX, name);
    }
}

/// Doc comments are wrapped for the source; clients wrap for themselves.
fn paragraphs(text: &str) -> String {
    let joined = |paragraph: &str| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    text.split("\n\n").map(joined).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `UPDATE=1 cargo test -p coder-kube-core --features schema openapi` writes the file anew.
    #[test]
    fn openapi_document_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/v1alpha1.json");
        let mut expect = serde_json::to_string_pretty(&document().unwrap()).unwrap();
        expect.push('\n');
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &expect).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(
            found == expect,
            "openapi/v1alpha1.json is stale; the comment on this test says how to refresh it"
        );
    }

    fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
        see(value);
        match value {
            Value::Object(map) => map.values().for_each(|inner| visit(inner, see)),
            Value::Array(list) => list.iter().for_each(|inner| visit(inner, see)),
            _ => {}
        }
    }

    #[test]
    fn openapi_references_lead_somewhere() {
        let document = document().unwrap();
        let mut seen = 0;
        visit(&document, &mut |value| {
            if let Some(path) = value.get("$ref").and_then(Value::as_str) {
                seen += 1;
                assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
            }
        });
        assert!(seen > 20);
    }

    #[test]
    fn openapi_every_field_is_explained() {
        for (name, schema) in definitions() {
            assert!(schema["description"].is_string(), "{name}");
            for (field, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{name}.{field}");
                let typed = property["type"].is_string() || property["allOf"][0]["$ref"].is_string();
                assert!(typed, "{name}.{field}: {property}");
            }
        }
    }
}
