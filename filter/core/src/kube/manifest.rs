//! An object as a client wrote it: type, metadata and a typed spec, with what is unknown or repeated in it.

use super::document::Document;
use super::status::{GroupResource, Status};
use super::write_options::FieldValidation;
use crate::json::{self, Fields, Raw, Read, object};

/// Which object a manifest must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Group and version, as `g.example.com/v1`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Resource, for messages.
    pub resource: GroupResource<'a>,
    /// Namespace of the request.
    pub namespace: &'a str,
    /// Name of the request; none on create.
    pub name: Option<&'a str>,
}

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
}

object!(ManifestMeta {} {
    name, generate_name as "generateName", namespace, uid, resource_version as "resourceVersion", labels, annotations, finalizers
});

/// A manifest whose spec is a `T`.
#[derive(Debug, Default)]
pub struct Manifest<T> {
    /// Its metadata.
    pub metadata: ManifestMeta,
    /// What is asked for.
    pub spec: T,
    /// For those who should know: what is unknown or repeated, where that is no error.
    pub warnings: Vec<String>,
}

#[derive(Default)]
struct Wire<'a> {
    api_version: String,
    kind: String,
    metadata: ManifestMeta,
    spec: Raw<'a>,
    status: Raw<'a>,
}

object!(Wire<'a> {} { api_version as "apiVersion", kind, metadata, spec, status });

impl<T> Manifest<T> {
    /// Reads and checks it: type, namespace and name must be those of the request.
    ///
    /// # Errors
    /// 400 as kube-apiserver words it.
    pub fn read<'a>(
        document: &'a Document,
        _expected: &Expected<'_>,
        _: FieldValidation,
    ) -> Result<Self, Status>
    where
        T: Read<'a> + Default,
    {
        let broken = |e: json::Error| Status::bad_request(e.to_string());
        let wire: Wire<'a> = json::read(&document.json).map_err(broken)?;
        let spec = if wire.spec.0.is_empty() {
            T::default()
        } else {
            json::read(wire.spec.0.as_bytes()).map_err(broken)?
        };
        Ok(Self { metadata: wire.metadata, spec, warnings: Vec::new() })
    }
}
