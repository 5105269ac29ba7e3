//! `list` of workspaces: a complete reading of each Coder that is asked for, filtered, sorted and cut into pages here.
//!
//! Coder's own paging skips and repeats when something starts or stops in between, so a reading of several pages counts only when
//! the distinct ids are as many as Coder says there are.

use super::find::garbage;
use super::subject;
use crate::api::v1alpha1::CoderWorkspace;
use crate::coder::errors::{Class, Intent};
use crate::coder::query::WorkspaceQuery;
use crate::coder::{self, Workspace, WorkspaceList, requests};
use crate::config::ControlPlane;
use crate::convert::resource_version::newest_of_workspace;
use crate::convert::selectable::{push_down, workspace_matches};
use crate::convert::{self, errors};
use crate::exchange::collection::{Listed, Listing, page};
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::Pending;
use crate::exchange::reply::Reply;
use crate::exchange::watch::LINGER;
use crate::json::{Names, Raw, object};
use crate::kube::list_options::{ListOptions, ResourceVersion};
use crate::kube::negotiation::Accepted;
use crate::kube::query::Query;
use crate::kube::status::Status;
use crate::time::Millis;
use crate::watch::{Kind, Subject};

/// How often a reading that did not come out whole is begun again.
const ATTEMPTS: u32 = 3;

/// How old what is known may be where any state will do, in milliseconds.
const KNOWN: Millis = 600_000;

/// What Coder answers where nothing matches.
const NOTHING: &[u8] = br#"{"workspaces":[],"count":0}"#;

/// Answers with the workspaces of these Coders; none is an empty list.
pub(in crate::exchange) async fn list(
    cx: &Cx,
    planes: &[&ControlPlane],
    query: &Query,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let options = Listing::begin(cx, Kind::Workspaces, planes, query)?;
    if options.resource_version == ResourceVersion::Any
        && let Some(reply) = known(cx, planes, &options, accepted)?
    {
        return Ok(reply);
    }
    let Some(search) = push_down(&options.label_selector, &options.field_selector) else {
        return page::<CoderWorkspace<'_>>(cx, accepted, &options, &[]);
    };
    read_all(cx, planes, &search, |lists, _| {
        let mut objects = Vec::new();
        for (plane, pages) in planes.iter().zip(lists) {
            select(plane, pages, &options, &mut objects);
        }
        page(cx, accepted, &options, &objects)
    })
    .await
}

/// What is known to those who watch, where any state will do: that costs Coder nothing.
fn known(
    cx: &Cx,
    planes: &[&ControlPlane],
    options: &ListOptions,
    accepted: &Accepted,
) -> Result<Option<Reply>, Status> {
    let subjects: Vec<Subject> = planes
        .iter()
        .map(|plane| Subject { namespace: plane.namespace.clone(), kind: Kind::Workspaces })
        .collect();
    let ages = (KNOWN, LINGER);
    let Some(known) = cx.filter.watching.hub.known(&subjects, cx.now(), ages) else { return Ok(None) };
    let mut parsed = Vec::with_capacity(known.len());
    for (namespace, version, json) in &known {
        let plane = planes.iter().find(|plane| plane.namespace == *namespace);
        if let (Some(plane), Ok(workspace)) = (plane, coder::parse::<Workspace<'_>>(json)) {
            parsed.push((*plane, *version, workspace));
        }
    }
    let mut objects = Vec::with_capacity(parsed.len());
    for (plane, version, workspace) in &parsed {
        let object = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url);
        let Some(object) = object else { continue };
        if workspace_matches(&object, &options.label_selector, &options.field_selector) {
            objects.push(Listed { object, newest: newest_of_workspace(workspace), version: Some(*version) });
        }
    }
    page(cx, accepted, options, &objects).map(Some)
}

/// Everything of a Coder as the JSON of each, for those who watch.
pub(in crate::exchange) async fn parts(cx: &Cx, plane: &ControlPlane) -> Result<Vec<Vec<u8>>, Status> {
    #[derive(Default)]
    struct Page<'a> {
        workspaces: Vec<Raw<'a>>,
    }
    object!(Page<'a> {} { workspaces });
    read_all(cx, &[plane], &WorkspaceQuery::default(), |lists, readings| {
        let mut parts = Vec::new();
        let bodies = readings.iter().flat_map(|(_, pages)| pages);
        for (body, list) in bodies.zip(lists.iter().flatten()) {
            let page: Page<'_> =
                coder::parse(body).map_err(|_| garbage(Intent::Read, &plane.namespace, ""))?;
            // What a page repeats of the one before is not in the list any more.
            let repeated = page.workspaces.len().saturating_sub(list.workspaces.len());
            parts.extend(page.workspaces.iter().skip(repeated).map(|json| json.0.as_bytes().to_vec()));
        }
        Ok(parts)
    })
    .await
}

/// The pages of each Coder.
type Lists<'a> = &'a [Vec<WorkspaceList<'a>>];

/// Their bodies.
type Readings<'a> = &'a [(&'a ControlPlane, Vec<Vec<u8>>)];

/// Reads each of these Coders completely, and hands the pages of each, in the order of the Coders, to who wants them, with their bodies.
pub(super) async fn read_all<T>(
    cx: &Cx,
    planes: &[&ControlPlane],
    search: &WorkspaceQuery,
    mut then: impl FnMut(Lists<'_>, Readings<'_>) -> Result<T, Status>,
) -> Result<T, Status> {
    let mut outcome = None;
    read_pages(cx, planes, search, &mut |lists, readings| outcome = Some(then(lists, readings))).await?;
    outcome.unwrap_or_else(|| Err(Status::internal_error("a list was not read")))
}

/// As [`read_all`], with its code there once, whatever comes of it.
async fn read_pages(
    cx: &Cx,
    planes: &[&ControlPlane],
    search: &WorkspaceQuery,
    then: &mut dyn FnMut(Lists<'_>, Readings<'_>),
) -> Result<(), Status> {
    // All Coders are asked before the first is waited for.
    let first_pages: Vec<_> = planes.iter().map(|plane| ask(cx, plane, search, 0)).collect();
    let mut readings = Vec::with_capacity(planes.len());
    for (plane, first) in planes.iter().zip(first_pages) {
        readings.push((*plane, vec![receive(plane, search, first).await?]));
    }
    let mut attempts = 1;
    loop {
        let lists =
            readings.iter().map(|(plane, pages)| parse(plane, pages)).collect::<Result<Vec<_>, _>>()?;
        let lacking: Vec<Option<Missing>> = lists.iter().map(|pages| missing(pages)).collect();
        if lacking.iter().all(Option::is_none) {
            then(&lists, &readings);
            return Ok(());
        }
        let anew = lacking.iter().zip(&readings).find(|(missing, _)| matches!(missing, Some(Missing::Some)));
        if let Some((_, (plane, _))) = anew {
            if attempts >= ATTEMPTS {
                return Err(Status::service_unavailable(format!(
                    "the workspaces of namespace \"{}\" changed while they were read, {ATTEMPTS} times over; please try again",
                    plane.namespace
                )));
            }
            attempts = attempts.saturating_add(1);
        }
        // Again all Coders that are to be asked are asked before the first is waited for.
        let asked: Vec<_> = readings
            .iter_mut()
            .zip(lacking)
            .filter_map(|((plane, pages), missing)| {
                let offset = match missing? {
                    Missing::From(offset) => offset,
                    Missing::Some => {
                        pages.clear();
                        0
                    }
                };
                Some((*plane, ask(cx, plane, search, offset), pages))
            })
            .collect();
        for (plane, pending, pages) in asked {
            pages.push(receive(plane, search, pending).await?);
        }
    }
}

/// Adds what the selectors let through.
pub(super) fn select<'a>(
    plane: &'a ControlPlane,
    pages: &'a [WorkspaceList<'a>],
    options: &ListOptions,
    objects: &mut Vec<Listed<CoderWorkspace<'a>>>,
) {
    for workspace in pages.iter().flat_map(|page| &page.workspaces) {
        let Some(object) = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url) else {
            continue;
        };
        if workspace_matches(&object, &options.label_selector, &options.field_selector) {
            objects.push(Listed { object, newest: newest_of_workspace(workspace), version: None });
        }
    }
}

fn ask<'a>(cx: &'a Cx, plane: &ControlPlane, search: &WorkspaceQuery, offset: u64) -> Pending<'a> {
    let limit = u64::from(cx.filter.config.limits.list_page_size);
    // A page begins with the last of the one before: by that is seen whether anything has moved meanwhile.
    let repeated = u64::from(offset > 0);
    let request =
        requests::workspaces(search, limit.saturating_add(repeated), offset.saturating_sub(repeated));
    cx.send_to_coder(plane, request)
}

async fn receive(
    plane: &ControlPlane,
    search: &WorkspaceQuery,
    pending: Pending<'_>,
) -> Result<Vec<u8>, Status> {
    match settled(Intent::Read, pending).await {
        Ok(answer) => Ok(answer.body),
        // An organization that Coder does not know is a 400, and holds nothing.
        Err(e) if e.class == Class::BadRequest && search.names_organization() => Ok(NOTHING.to_vec()),
        Err(e) => Err(errors::status(&e, subject(&plane.namespace, ""))),
    }
}

fn parse<'a>(plane: &ControlPlane, pages: &'a [Vec<u8>]) -> Result<Vec<WorkspaceList<'a>>, Status> {
    let mut lists: Vec<WorkspaceList<'a>> = Vec::with_capacity(pages.len());
    for page in pages {
        let mut list: WorkspaceList<'a> =
            coder::parse(page).map_err(|_| garbage(Intent::Read, &plane.namespace, ""))?;
        let before = lists.last().and_then(|list| list.workspaces.last());
        match (before, list.workspaces.first()) {
            (Some(before), Some(first)) if before.id == first.id => drop(list.workspaces.remove(0)),
            // Something has moved: it is a page of another list, and as if that were shorter.
            (Some(_), _) => list.count = 0,
            (None, _) => {}
        }
        lists.push(list);
    }
    Ok(lists)
}

/// What a reading lacks.
enum Missing {
    /// The pages from that offset on.
    From(u64),
    /// Something was skipped or repeated in between.
    Some,
}

/// What this reading lacks; nothing when it is whole. One answer is one state of Coder's; between several, whatever comes or moves up
/// shows as a repeat, whatever goes as a smaller count, and both at once as a page that does not begin with the end of the one
/// before.
fn missing(pages: &[WorkspaceList<'_>]) -> Option<Missing> {
    let last = pages.last()?;
    let read = pages.iter().map(|page| page.workspaces.len()).fold(0, usize::saturating_add);
    if pages.len() > 1 {
        let (mut ids, mut names) = (Names::default(), Names::default());
        for workspace in pages.iter().flat_map(|page| &page.workspaces) {
            ids.insert(&workspace.id);
            // One that was renamed meanwhile may have left its name to another.
            names.insert(&[&*workspace.owner_name, "/", &*workspace.name].concat());
        }
        if ids.count() < read || names.count() < read || pages.iter().any(|page| page.count > last.count) {
            return Some(Missing::Some);
        }
    }
    let read = u64::try_from(read).unwrap_or(u64::MAX);
    if read < last.count && !last.workspaces.is_empty() {
        return Some(Missing::From(read));
    }
    (read != last.count).then_some(Missing::Some)
}
