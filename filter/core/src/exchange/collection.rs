//! What lists of both kinds share: order, pages, versions.

use super::context::Cx;
use super::reply::Reply;
use super::watch::{LINGER, selector};
use crate::config::ControlPlane;
use crate::convert::resource_version::{HASH_MASK, resource_version};
use crate::convert::selectable::{TEMPLATE_FIELDS, WORKSPACE_FIELDS};
use crate::kube::continue_token::ContinueToken;
use crate::kube::encoding::encode;
use crate::kube::list_options::{ListOptions, ResourceVersion};
use crate::kube::list_writer::ListWriter;
use crate::kube::meta::{ListMeta, ObjectMeta};
use crate::kube::negotiation::Accepted;
use crate::kube::object_writer::Object;
use crate::kube::query::Query;
use crate::kube::status::{Cause, CauseType, Details, Status};
use crate::sort::sort_by;
use crate::time::Millis;
use crate::watch::{Kind, Page, Seed, SeedEntry, Subject, moment};

/// How far a client's version may be ahead of our clock before we say so: clocks of replicas differ.
const CLOCK_SKEW: Millis = 5_000;

/// A selected object, and the newest moment that Coder stamped on it.
pub(super) struct Listed<T> {
    pub(super) object: T,
    pub(super) newest: Millis,
    /// The version where that is not of what is shown: of a single object more may be shown than of many.
    pub(super) version: Option<u64>,
}

/// A list that is being made: the state that it stands for is no older than its beginning.
#[derive(Debug)]
pub(super) struct Listing {
    version: u64,
    subjects: Vec<Subject>,
    selector: String,
}

impl Listing {
    /// Reads how a list is asked for, before Coder is asked: whatever changes from now on gets a later version than its first page.
    pub(super) fn begin(
        cx: &Cx,
        kind: Kind,
        planes: &[&ControlPlane],
        query: &Query,
    ) -> Result<ListOptions, Status> {
        let options = options(cx, kind, query)?;
        let version = match &options.continue_token {
            // What its first page has shown had a Coder behind it.
            Some(_) if planes.is_empty() => {
                return Err(Status::expired(
                    "the list cannot be continued: no Coder stands behind it any more",
                ));
            }
            Some(token) => token.resource_version,
            None if planes.is_empty() => cx.filter.watching.hub.clock.nowhere_version(cx.now()),
            None => cx.filter.watching.hub.clock.list_version(cx.now()),
        };
        let subjects = planes.iter().map(|plane| Subject { namespace: plane.namespace.clone(), kind });
        let listing = Self { version, subjects: subjects.collect(), selector: selector(query) };
        cx.listing.replace(Some(listing));
        Ok(options)
    }
}

/// How a list or a watch is asked for.
pub(super) fn options(cx: &Cx, kind: Kind, query: &Query) -> Result<ListOptions, Status> {
    let options = ListOptions::parse(query, fields(kind))?;
    check_version(cx, &options)?;
    Ok(options)
}

/// The fields that selectors may name.
const fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Workspaces => WORKSPACE_FIELDS,
        Kind::Templates => TEMPLATE_FIELDS,
    }
}

/// Refuses a version from the future: what it stands for has not happened yet. From any other on versions only grow, though another replica's clock may have
/// been ahead when it gave that one out.
fn check_version(cx: &Cx, options: &ListOptions) -> Result<(), Status> {
    let clock = &cx.filter.watching.hub.clock;
    let newest = resource_version(cx.now().saturating_add(CLOCK_SKEW), HASH_MASK).max(clock.newest());
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
        ResourceVersion::At(version) => {
            clock.at_least(version);
            Ok(())
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
    if options.continue_token.is_none() {
        raise(cx, objects);
    }
    let (shown, meta) = cut(cx, options, places(objects));
    let next = meta.continue_token.clone().unwrap_or_default();
    // Of the pages that follow a first one, objects may be newer than the list.
    let limit = if options.continue_token.is_none() { meta.resource_version } else { u64::MAX };
    let newest = moment(limit).saturating_sub(1);
    let mut hashes = vec![None; objects.len()];
    let guess = shown.len().saturating_mul(2048).saturating_add(1024);
    let mut writer = ListWriter::new::<T>(accepted.form, &meta, cx.now(), Vec::with_capacity(guess))?;
    for place in &shown {
        let Some(listed) = objects.get(place.index) else { continue };
        let version = |hash| {
            if let Some(known) = hashes.get_mut(place.index) {
                *known = Some(hash);
            }
            let version = listed.version.unwrap_or_else(|| resource_version(listed.newest, hash));
            if version < limit { version } else { resource_version(newest, version) }
        };
        writer.push(&listed.object, version)?;
    }
    remember(cx, options, (&shown, &next), objects, &hashes);
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(writer.finish(), accepted)))
}

/// A list is not older than what it shows: where something has changed while it was read, or Coder's clock is a little ahead of ours, it gets a later
/// version. Not so where the history has told of other changes meanwhile, which the list may lack: then those who go on from it are told of all of them.
fn raise<T: Object>(cx: &Cx, objects: &[Listed<T>]) {
    let newest = objects.iter().map(|listed| listed.newest).fold(Millis::MIN, Millis::max);
    if let Some(listing) = cx.listing.borrow_mut().as_mut()
        && (moment(listing.version)..cx.now().saturating_add(CLOCK_SKEW)).contains(&newest)
    {
        listing.version = cx.filter.watching.hub.raised(listing.version, newest);
    }
}

/// Remembers what a list has said, for the watch that mostly comes next. The pages of a list have the version of the first, and what they show is newer.
fn remember<T: Object>(
    cx: &Cx,
    options: &ListOptions,
    (shown, next): (&[Place<'_>], &str),
    objects: &[Listed<T>],
    hashes: &[Option<u64>],
) {
    let hub = &cx.filter.watching.hub;
    let Some(listing) = cx.listing.take() else { return };
    let whole = listing.selector.is_empty() && listing.subjects.len() == 1 && shown.len() == objects.len();
    for subject in &listing.subjects {
        let of_it = shown.iter().filter(|place| place.namespace == subject.namespace);
        let entries = of_it.filter_map(|place| {
            let id = objects.get(place.index)?.object.metadata().uid.to_string();
            let hash = hashes.get(place.index).copied().flatten().unwrap_or_default();
            Some(SeedEntry { id, name: place.name.to_owned(), hash })
        });
        let (entries, selector): (Vec<_>, _) = (entries.collect(), listing.selector.clone());
        if let Some(token) = &options.continue_token {
            let page = Page { token: &token.encode(), next, entries: &entries };
            hub.remember_more(token.resource_version, subject, &selector, &page);
            continue;
        }
        let followed = hub.is_followed(subject, cx.now(), LINGER);
        let (version, subject, next) = (listing.version, subject.key(), next.to_owned());
        hub.remember(Seed { version, subject, selector, entries, next, followed, same_at: None }, whole);
    }
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
            Place { namespace, name, index }
        })
        .collect()
}

/// An object in a list, whatever its kind.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
    /// Where the object itself is.
    index: usize,
}

/// Sorts, and keeps what is on the page.
fn cut<'a>(cx: &Cx, options: &ListOptions, mut places: Vec<Place<'a>>) -> (Vec<Place<'a>>, ListMeta) {
    sort_by(&mut places, |a, b| (a.namespace, a.name).cmp(&(b.namespace, b.name)));
    let token = options.continue_token.as_ref();
    if let Some(token) = token {
        let start = places.partition_point(|place| !token.is_before(place.namespace, place.name));
        places.drain(..start.min(places.len()));
    }
    let limit = options.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let left = places.len().saturating_sub(limit.unwrap_or(usize::MAX));
    places.truncate(limit.unwrap_or(usize::MAX));

    let begun = cx.listing.borrow().as_ref().map(|listing| listing.version);
    let version = begun.or(token.map(|token| token.resource_version));
    let version = version.unwrap_or_else(|| cx.filter.watching.hub.clock.list_version(cx.now()));
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
