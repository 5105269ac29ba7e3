//! What lists of both kinds share: order, pages, versions.

use super::context::Cx;
use super::reply::Reply;
use crate::convert::resource_version::{HASH_MASK, list_resource_version, resource_version};
use crate::kube::continue_token::ContinueToken;
use crate::kube::encoding::encode;
use crate::kube::list_options::{ListOptions, ResourceVersion};
use crate::kube::list_writer::ListWriter;
use crate::kube::meta::{ListMeta, ObjectMeta};
use crate::kube::negotiation::Accepted;
use crate::kube::object_writer::Object;
use crate::kube::status::{Cause, CauseType, Details, Status};
use crate::time::Millis;

/// How far a client's version may be ahead of our clock before we say so: clocks of replicas differ.
const CLOCK_SKEW: Millis = 5_000;

/// A selected object, and the newest moment that Coder stamped on it.
pub(super) struct Listed<T> {
    pub(super) object: T,
    pub(super) newest: Millis,
}

/// Refuses a version from the future: what it stands for has not happened yet.
pub(super) fn check_version(cx: &Cx, options: &ListOptions) -> Result<(), Status> {
    let newest = resource_version(cx.now().saturating_add(CLOCK_SKEW), HASH_MASK);
    match options.resource_version {
        ResourceVersion::At(version) if version > newest => {
            let cause = Cause {
                cause_type: Some(CauseType::ResourceVersionTooLarge),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            };
            let details = Details { causes: vec![cause], retry_after_seconds: 1, ..Details::default() };
            Err(Status::timeout(&format!("Too large resource version: {version}, current: {newest}")).with_details(details))
        }
        _ => Ok(()),
    }
}

/// Writes the page of a complete reading that the client asked for: by namespace, then name.
pub(super) fn page<T: Object>(
    cx: &Cx,
    accepted: &Accepted,
    options: &ListOptions,
    mut objects: Vec<Listed<T>>,
) -> Result<Reply, Status> {
    fn place<'m>(meta: &'m ObjectMeta<'_>) -> (&'m str, &'m str) {
        (&meta.namespace, &meta.name)
    }
    objects.sort_by(|a, b| place(a.object.metadata()).cmp(&place(b.object.metadata())));
    let newest = objects.iter().fold(cx.now(), |newest, listed| newest.max(listed.newest));

    let token = options.continue_token.as_ref();
    let start = token.map_or(0, |token| {
        objects.partition_point(|listed| {
            let (namespace, name) = place(listed.object.metadata());
            !token.is_before(namespace, name)
        })
    });
    let rest = objects.get(start..).unwrap_or_default();
    let limit = options.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let (shown, left) = rest.split_at_checked(limit.unwrap_or(rest.len())).unwrap_or((rest, &[]));

    let version = token.map_or_else(|| list_resource_version(newest, []), |token| token.resource_version);
    let mut meta = ListMeta { resource_version: version, continue_token: None, remaining_item_count: None };
    if let (Some(last), false) = (shown.last(), left.is_empty()) {
        let (namespace, name) = place(last.object.metadata());
        let token = ContinueToken { resource_version: version, namespace: namespace.to_owned(), name: name.to_owned() };
        meta.continue_token = Some(token.encode());
        if !options.has_selector() {
            meta.remaining_item_count = u64::try_from(left.len()).ok();
        }
    }
    let guess = shown.len().saturating_mul(2048).saturating_add(1024);
    let mut writer = ListWriter::new::<T>(accepted.form, &meta, cx.now(), Vec::with_capacity(guess))?;
    for listed in shown {
        writer.push(&listed.object, |hash| resource_version(listed.newest, hash))?;
    }
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(writer.finish(), accepted)))
}
