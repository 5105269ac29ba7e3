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
    /// The version where that is not of what is shown: of a single object more may be shown than of many.
    pub(super) version: Option<u64>,
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
            Err(Status::timeout(&format!("Too large resource version: {version}, current: {newest}"))
                .with_details(details))
        }
        _ => Ok(()),
    }
}

/// Writes the page of a complete reading that the client asked for: by namespace, then name.
pub(super) fn page<T: Object>(
    cx: &Cx,
    accepted: &Accepted,
    options: &ListOptions,
    objects: &[Listed<T>],
) -> Result<Reply, Status> {
    let (shown, meta) = cut(cx, options, places(objects));
    let guess = shown.len().saturating_mul(2048).saturating_add(1024);
    let mut writer = ListWriter::new::<T>(accepted.form, &meta, cx.now(), Vec::with_capacity(guess))?;
    for listed in shown.iter().filter_map(|place| objects.get(place.index)) {
        let version = |hash| listed.version.unwrap_or_else(|| resource_version(listed.newest, hash));
        writer.push(&listed.object, version)?;
    }
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(writer.finish(), accepted)))
}

/// Names of the objects on the page that the client asked for, and what the page says of itself.
pub(super) fn names<T: Object>(
    cx: &Cx,
    options: &ListOptions,
    objects: &[Listed<T>],
) -> (Vec<String>, ListMeta) {
    let (chosen, meta) = cut(cx, options, places(objects));
    (chosen.iter().map(|place| place.name.to_owned()).collect(), meta)
}

fn places<T: Object>(objects: &[Listed<T>]) -> Vec<Place<'_>> {
    objects
        .iter()
        .enumerate()
        .map(|(index, listed)| {
            let ObjectMeta { namespace, name, .. } = listed.object.metadata();
            Place { namespace, name, newest: listed.newest, index }
        })
        .collect()
}

/// An object in a list, whatever its kind.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
    newest: Millis,
    /// Where the object itself is.
    index: usize,
}

/// Sorts, and keeps what is on the page.
fn cut<'a>(cx: &Cx, options: &ListOptions, mut places: Vec<Place<'a>>) -> (Vec<Place<'a>>, ListMeta) {
    places.sort_unstable_by(|a, b| (a.namespace, a.name, a.index).cmp(&(b.namespace, b.name, b.index)));
    let newest = places.iter().fold(cx.now(), |newest, place| newest.max(place.newest));
    let token = options.continue_token.as_ref();
    if let Some(token) = token {
        let start = places.partition_point(|place| !token.is_before(place.namespace, place.name));
        places.drain(..start.min(places.len()));
    }
    let limit = options.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let left = places.len().saturating_sub(limit.unwrap_or(usize::MAX));
    places.truncate(limit.unwrap_or(usize::MAX));

    let version = token.map_or_else(|| list_resource_version(newest, []), |token| token.resource_version);
    let mut meta = ListMeta { resource_version: version, continue_token: None, remaining_item_count: None };
    if let (Some(last), true) = (places.last(), left > 0) {
        let (namespace, name) = (last.namespace.to_owned(), last.name.to_owned());
        meta.continue_token = Some(ContinueToken { resource_version: version, namespace, name }.encode());
        if !options.has_selector() {
            meta.remaining_item_count = u64::try_from(left).ok();
        }
    }
    (places, meta)
}
