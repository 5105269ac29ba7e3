//! `deletecollection` of `coderworkspaces`.

use crate::api::v1alpha1::WORKSPACES;
use crate::exchange::authorize::Refusal;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::status::Status;

/// Not served yet.
pub(in crate::exchange) async fn delete_collection(write: Write<'_>) -> Result<Reply, Refusal> {
    let _ = (write.body().await?, write.options()?);
    Err(Status::method_not_supported(WORKSPACES, "deletecollection").into())
}
