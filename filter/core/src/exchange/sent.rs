//! What an update or a patch sent, and what it comes to over the object that is there.

use super::write::Write;
use crate::kube::document::{self, Document};
use crate::kube::patch::{self, Merge, PatchType};
use crate::kube::request_info::Verb;
use crate::kube::status::Status;

/// What who applies should know: others would own what they applied.
const NO_OWNERS: &str = "who owns which field is not kept: what an apply no longer names stays as it is";

/// See the module.
pub(super) enum Sent {
    /// The object as it should be.
    Whole(Document),
    /// What should change about it.
    Patch(PatchType, Vec<u8>),
}

impl Sent {
    /// Waits for it.
    pub(super) async fn receive(write: Write<'_>) -> Result<Self, Status> {
        let content_type = write.content_type();
        if write.info.verb != Verb::Patch {
            return Ok(Self::Whole(document::read(content_type.as_deref(), write.body().await?)?));
        }
        let patch_type = PatchType::of(content_type.as_deref())?;
        if patch_type == PatchType::Apply {
            write.cx.warn(NO_OWNERS);
        }
        Ok(Self::Patch(patch_type, write.body().await?))
    }

    /// The whole, where that was sent.
    pub(super) fn whole(&self) -> Option<&Document> {
        match self {
            Self::Whole(document) => Some(document),
            Self::Patch(..) => None,
        }
    }

    /// Whether it makes what is not there.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Patch(PatchType::Apply, _))
    }

    /// The object as it should be; `base` is the object as it is, as JSON.
    pub(super) fn over(
        self,
        base: impl FnOnce() -> Result<Vec<u8>, Status>,
        rules: &[(&str, Merge)],
    ) -> Result<Document, Status> {
        match self {
            Self::Whole(document) => Ok(document),
            Self::Patch(patch_type, body) => patch::patch(patch_type, body, &base()?, rules),
        }
    }
}
