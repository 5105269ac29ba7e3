//! ObjectMeta as clients write it: every field is known by name, and kept where it means something here.

use crate::json::{Field, Fields, Object, Parts, Read, Skip, object};
use crate::kube::meta::{ObjectMeta, StringMap};
use crate::kube::quote::Quoted;
use std::borrow::Cow;

/// What kubectl notes for itself with every apply; to say each time that it is not kept would only make noise.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The metadata that a client wrote; what the server sets is read only to be compared.
#[derive(Clone, Debug, Default)]
pub struct ManifestMeta {
    /// Name; empty when the server is to make one up.
    pub name: String,
    /// Beginning of the name that the server makes up.
    pub generate_name: String,
    /// Namespace; empty means that of the request.
    pub namespace: String,
    /// The uid that the object must have, if any.
    pub uid: String,
    /// The version that the object must have, if any.
    pub resource_version: String,
    /// Labels.
    pub labels: Fields<String, String>,
    /// Annotations.
    pub annotations: Fields<String, String>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// Whose objects this one depends on.
    pub owner_references: Vec<OwnerReference>,
    /// What only the server sets.
    server_set: Skip,
}

/// `metav1.OwnerReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerReference {
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    api_version: String,
    uid: String,
    controller: Option<bool>,
    block_owner_deletion: Option<bool>,
}

object!(OwnerReference {} {
    kind, name, api_version as "apiVersion", uid, controller, block_owner_deletion as "blockOwnerDeletion"
});

impl<'de> Read<'de> for ManifestMeta {
    fn expected(&self) -> &'static str {
        "a map"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Object(self)
    }
}

impl<'de> Object<'de> for ManifestMeta {
    fn field(&mut self, name: &Cow<'de, str>) -> Option<Field<'_, 'de>> {
        let target: &mut dyn Read<'de> = match &**name {
            "name" => &mut self.name,
            "generateName" => &mut self.generate_name,
            "namespace" => &mut self.namespace,
            "uid" => &mut self.uid,
            "resourceVersion" => &mut self.resource_version,
            "labels" => &mut self.labels,
            "annotations" => &mut self.annotations,
            "finalizers" => &mut self.finalizers,
            "ownerReferences" => &mut self.owner_references,
            "selfLink"
            | "generation"
            | "creationTimestamp"
            | "deletionTimestamp"
            | "deletionGracePeriodSeconds"
            | "managedFields" => &mut self.server_set,
            _ => return None,
        };
        Some(Field { target, required: None })
    }
}

impl ManifestMeta {
    /// A warning that names which labels, annotations, finalizers and owner references are not kept: Coder has no place for them. None
    /// where all are what the object shows anyway; `current` is its metadata, after the change where there is one.
    #[must_use]
    pub fn not_kept(&self, current: Option<&ObjectMeta<'_>>) -> Option<String> {
        let labels = foreign(&self.labels, current.map(|meta| &meta.labels));
        let annotations = foreign(&self.annotations, current.map(|meta| &meta.annotations));
        let finalizers = self
            .finalizers
            .iter()
            .filter(|&name| !current.is_some_and(|meta| meta.finalizers.iter().any(|known| known == name)));
        let named: Vec<String> = labels
            .map(|name| format!("label {}", Quoted(name)))
            .chain(
                annotations
                    .filter(|name| *name != LAST_APPLIED)
                    .map(|name| format!("annotation {}", Quoted(name))),
            )
            .chain(finalizers.map(|name| format!("finalizer {}", Quoted(name))))
            .chain(
                self.owner_references
                    .iter()
                    .map(|owner| format!("owner reference to {} {}", owner.kind, Quoted(&owner.name))),
            )
            .collect();
        if named.is_empty() {
            return None;
        }
        Some(format!("not kept, Coder has no place for it: {}", named.join(", ")))
    }
}

/// Names of what was written and is not shown with that very value.
fn foreign<'a>(
    written: &'a Fields<String, String>,
    shown: Option<&'a StringMap<'_>>,
) -> impl Iterator<Item = &'a str> {
    written
        .0
        .iter()
        .filter(move |(name, value)| shown.and_then(|shown| shown.get(name)) != Some(value))
        .map(|(name, _)| name.as_str())
}
