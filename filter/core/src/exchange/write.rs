//! What every verb that changes something begins with: the request's body, its options, the manifest in it, and the state of its namespace.

use super::authorize::{Refusal, authorize};
use super::caller::Caller;
use super::context::Cx;
use super::namespace::{self, Phase};
use super::request::Request;
use crate::api::v1alpha1::API_VERSION;
use crate::config::ControlPlane;
use crate::json::Read;
use crate::kube::authorization::Attributes;
use crate::kube::delete_options::{DeleteOptions, PropagationPolicy};
use crate::kube::document::Document;
use crate::kube::manifest::{Expected, Manifest};
use crate::kube::negotiation::Accepted;
use crate::kube::patch::PatchType;
use crate::kube::query::Query;
use crate::kube::request_info::{ResourceRequest, Verb};
use crate::kube::status::{Cause, GroupResource, Status};
use crate::kube::write_options::{OptionsOf, WriteOptions};

/// A request that may change something: allowed by RBAC, its body not yet read.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) cx: &'a Cx,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a Request,
    pub(super) query: &'a Query,
    pub(super) info: &'a ResourceRequest,
    pub(super) plane: &'a ControlPlane,
    /// The object; empty for a collection.
    pub(super) name: &'a str,
    /// The form of the answer.
    pub(super) accepted: &'a Accepted,
}

impl Write<'_> {
    /// The body, once it is there as a whole.
    pub(super) async fn body(&self) -> Result<Vec<u8>, Status> {
        self.cx.port.take_body().await
    }

    /// Options of create, update and patch.
    pub(super) fn options(&self) -> Result<WriteOptions, Status> {
        let of = match self.info.verb {
            Verb::Create => OptionsOf::Create,
            Verb::Patch => OptionsOf::Patch(PatchType::of(self.content_type().as_deref())?),
            _ => OptionsOf::Update,
        };
        WriteOptions::parse(self.query, of)
    }

    /// Options of delete and deletecollection of this kind, with what is never done refused.
    pub(super) async fn delete_options(&self, kind: &str) -> Result<DeleteOptions, Status> {
        let body = self.body().await?;
        let options = DeleteOptions::read(self.query, self.content_type().as_deref(), body)?;
        if options.propagation_policy == Some(PropagationPolicy::Orphan) {
            let why = "nothing is left behind in Coder: Background and Foreground are supported";
            let kind = GroupResource { resource: kind, ..self.info.group_resource() };
            return Err(Status::invalid(
                kind,
                self.name,
                vec![Cause::invalid("propagationPolicy", "Orphan", why)],
            ));
        }
        Ok(options)
    }

    /// What the body says it is.
    pub(super) fn content_type(&self) -> Option<String> {
        self.request.header("content-type")
    }

    /// The manifest in a document; what is unknown, repeated or not kept goes into warnings.
    pub(super) fn manifest<'d, T: Read<'d> + Default>(
        &self,
        document: &'d Document,
        kind: &str,
        options: &WriteOptions,
    ) -> Result<Manifest<T>, Status> {
        self.manifest_of(document, API_VERSION, kind, options)
    }

    /// As [`Write::manifest`], for a kind of another group.
    pub(super) fn manifest_of<'d, T: Read<'d> + Default>(
        &self,
        document: &'d Document,
        api_version: &str,
        kind: &str,
        options: &WriteOptions,
    ) -> Result<Manifest<T>, Status> {
        let expected = Expected {
            api_version,
            kind,
            resource: self.info.group_resource(),
            namespace: &self.plane.namespace,
            name: Some(self.name).filter(|name| !name.is_empty()),
        };
        let manifest = Manifest::read(document, &expected, options.field_validation)?;
        for warning in &manifest.warnings {
            self.cx.warn(warning);
        }
        Ok(manifest)
    }

    /// Whether the caller may do something else, too: an apply that creates is also a create.
    pub(super) async fn authorize_also(&self, verb: Verb) -> Result<(), Refusal> {
        let info = ResourceRequest { verb, ..self.info.clone() };
        authorize(self.cx, self.caller, Attributes::Resource(&info)).await
    }

    /// Whether the namespace is being deleted; asked anew each time, because a moment ago is too long ago for a deletion.
    pub(super) async fn namespace(&self) -> Result<Phase, Status> {
        namespace::phase(self.cx, self.caller, &self.plane.namespace).await
    }
}
