//! `list` of templates: two calls for each Coder (deprecated ones have a query of their own) and one for each organization that
//! occurs, for imports that have not succeeded. No call for a single template.

use super::{failed, garbage, promote, read};
use crate::api::v1alpha1::CoderTemplate;
use crate::coder::errors::{Class, Intent};
use crate::coder::query::TemplateQuery;
use crate::coder::{self, ProvisionerJob, Template, requests};
use crate::config::ControlPlane;
use crate::convert::resource_version::newest_of_template;
use crate::convert::selectable::template_matches;
use crate::convert::{self, Import};
use crate::exchange::collection::{Listed, Listing, page};
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::Pending;
use crate::exchange::reply::Reply;
use crate::json::Raw;
use crate::kube::list_options::ListOptions;
use crate::kube::negotiation::Accepted;
use crate::kube::query::Query;
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::kube::status::Status;
use crate::watch::{Kind, pack_template};

/// Unsuccessful jobs that are asked for, newest first, in each organization.
const JOBS: u64 = 200;

/// What Coder answered about one control plane.
pub(super) struct Reading<'a> {
    plane: &'a ControlPlane,
    templates: [Vec<u8>; 2],
    /// Unsuccessful jobs by organization; none where Coder does not show them to us.
    jobs: Vec<(String, Option<Vec<u8>>)>,
}

/// Answers with the templates of these Coders; none is an empty list.
pub(in crate::exchange) async fn list(
    cx: &Cx,
    planes: &[&ControlPlane],
    query: &Query,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let options = Listing::begin(cx, Kind::Templates, planes, query)?;
    if let ([plane], Some(name)) = (planes, options.field_selector.exact("metadata.name")) {
        return one(cx, plane, name, &options, accepted).await;
    }
    let readings = read_all(cx, planes, &options).await?;
    let parsed = parse_all(&readings)?;
    page(cx, accepted, &options, &select(&parsed, &options))
}

/// The list of one object, which is how `kubectl wait` looks at it: it takes no more calls to say of it what a get says (but for the files).
async fn one(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    options: &ListOptions,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let namespace = plane.namespace.as_str();
    let nothing = || page::<CoderTemplate<'_>>(cx, accepted, options, &[]);
    let template = match read::template(cx, plane, name).await {
        Err(absent) if absent.code == 404 => return nothing(),
        found => found?,
    };
    let template = match read::named(&template, namespace, name) {
        Err(absent) if absent.code == 404 => return nothing(),
        found => found?,
    };
    let versions = match read::versions(cx, plane, &template.id, name).await {
        Err(absent) if absent.code == 404 => return nothing(),
        found => found?,
    };
    let versions = read::parse_versions(&versions, namespace, name)?;
    let view = read::view(&template, &versions, namespace, name)?;
    promote::help(cx, plane, &template, view);
    let log = read::log(cx, plane, view).await;
    let (mut object, version) = read::list_form(&template, view.active, namespace, name)?;
    convert::conditions_of(&mut object, view, &log);
    if !template_matches(&object, &options.label_selector, &options.field_selector) {
        return nothing();
    }
    let newest = newest_of_template(&template, Import::from_job(&view.active.job));
    page(cx, accepted, options, &[Listed { object, newest, version: Some(version) }])
}

/// Everything of a Coder, for those who watch: the JSON of each with that of its import.
pub(in crate::exchange) async fn parts(cx: &Cx, plane: &ControlPlane) -> Result<Vec<Vec<u8>>, Status> {
    let mut parts = Vec::new();
    for reading in &read_all(cx, &[plane], &ListOptions::default()).await? {
        let jobs = jobs(reading)?;
        let mut raw = Vec::new();
        for body in &reading.templates {
            raw.extend(coder::parse::<Vec<Raw<'_>>>(body).map_err(|_| garbage(&plane.namespace, ""))?);
        }
        for (template, json) in templates(reading)?.iter().zip(raw) {
            let known = jobs.iter().find(|(name, _)| *name == template.organization_name.as_str());
            let import = Import::from_jobs(template, known.and_then(|(_, jobs)| jobs.as_deref()));
            let mut job = "";
            if let Import::Job(of_it) = import
                && let Some(body) = reading.jobs.iter().find_map(|(name, body)| {
                    body.as_ref().filter(|_| *name == template.organization_name.as_str())
                })
            {
                let jobs = coder::parse::<Vec<Raw<'_>>>(body).unwrap_or_default();
                let is_it = |json: &&Raw<'_>| {
                    coder::parse(json.0.as_bytes()).is_ok_and(|job: ProvisionerJob<'_>| job.id == of_it.id)
                };
                job = jobs.iter().find(is_it).map_or("", |json| json.0);
            }
            parts.push(pack_template(json.0, import, job));
        }
    }
    Ok(parts)
}

/// Reads the templates of these Coders, to be given to [`parse_all`].
pub(super) async fn read_all<'a>(
    cx: &Cx,
    planes: &[&'a ControlPlane],
    options: &ListOptions,
) -> Result<Vec<Reading<'a>>, Status> {
    let search = |deprecated| search(&options.label_selector, &options.field_selector, deprecated);
    // All Coders are asked before the first is waited for.
    let asked: Vec<_> = planes
        .iter()
        .map(|plane| {
            [false, true].map(|deprecated| cx.send_to_coder(plane, requests::templates(&search(deprecated))))
        })
        .collect();
    let mut read = Vec::with_capacity(planes.len());
    for (plane, [current, deprecated]) in planes.iter().zip(asked) {
        let templates = [
            receive(plane, &search(false), current).await?,
            receive(plane, &search(true), deprecated).await?,
        ];
        let jobs = ask_jobs(cx, plane, organizations(plane, &templates)?);
        read.push((*plane, templates, jobs));
    }
    let mut readings = Vec::with_capacity(planes.len());
    for (plane, templates, jobs) in read {
        readings.push(Reading { plane, templates, jobs: unsuccessful_jobs(plane, jobs).await? });
    }
    Ok(readings)
}

/// The templates that were read, to be given to [`select`].
pub(super) fn parse_all<'a>(readings: &'a [Reading<'_>]) -> Result<Vec<Parsed<'a>>, Status> {
    let mut parsed = Vec::with_capacity(readings.len());
    for reading in readings {
        parsed.push(Parsed { plane: reading.plane, templates: templates(reading)?, jobs: jobs(reading)? });
    }
    Ok(parsed)
}

/// Those that the selectors let through.
pub(super) fn select<'a>(parsed: &'a [Parsed<'_>], options: &ListOptions) -> Vec<Listed<CoderTemplate<'a>>> {
    let mut objects = Vec::new();
    for Parsed { plane, templates, jobs } in parsed {
        for template in templates {
            let jobs = jobs.iter().find(|(name, _)| *name == template.organization_name.as_str());
            let jobs = jobs.and_then(|(_, jobs)| jobs.as_deref());
            let import = Import::from_jobs(template, jobs);
            let Some(object) = convert::template(template, &plane.namespace, import) else { continue };
            if template_matches(&object, &options.label_selector, &options.field_selector) {
                objects.push(Listed { object, newest: newest_of_template(template, import), version: None });
            }
        }
    }
    objects
}

/// What Coder can filter by itself: the organization.
fn search(labels: &LabelSelector, fields: &FieldSelector, deprecated: bool) -> TemplateQuery {
    let mut query = TemplateQuery::default();
    query.deprecated = deprecated;
    let label = labels.exact(crate::api::v1alpha1::LABEL_ORGANIZATION);
    if let Some(organization) = label.or(fields.exact("spec.organization")) {
        query.organization(organization);
    }
    query
}

async fn receive(
    plane: &ControlPlane,
    search: &TemplateQuery,
    pending: Pending<'_>,
) -> Result<Vec<u8>, Status> {
    match settled(Intent::Read, pending).await {
        Ok(answer) => Ok(answer.body),
        // An organization that Coder does not know is a 400, and holds nothing.
        Err(e) if e.class == Class::BadRequest && search.names_organization() => Ok(b"[]".to_vec()),
        Err(e) => Err(failed(&e, &plane.namespace, "")),
    }
}

/// The organizations that occur, each once.
fn organizations(plane: &ControlPlane, bodies: &[Vec<u8>; 2]) -> Result<Vec<String>, Status> {
    let mut names: Vec<String> = Vec::new();
    for body in bodies {
        let templates: Vec<Template<'_>> = coder::parse(body).map_err(|_| garbage(&plane.namespace, ""))?;
        for template in &templates {
            if !names.iter().any(|name| *name == template.organization_name.as_str()) {
                names.push(template.organization_name.as_str().to_owned());
            }
        }
    }
    Ok(names)
}

fn ask_jobs<'a>(cx: &'a Cx, plane: &ControlPlane, organizations: Vec<String>) -> Vec<(String, Pending<'a>)> {
    let ask = |name: String| {
        let pending = cx.send_to_coder(plane, requests::unsuccessful_jobs(&name, JOBS));
        (name, pending)
    };
    organizations.into_iter().map(ask).collect()
}

async fn unsuccessful_jobs(
    plane: &ControlPlane,
    asked: Vec<(String, Pending<'_>)>,
) -> Result<Vec<(String, Option<Vec<u8>>)>, Status> {
    let mut jobs = Vec::with_capacity(asked.len());
    for (name, pending) in asked {
        let body = match settled(Intent::Read, pending).await {
            Ok(answer) => Some(answer.body),
            Err(e) if matches!(e.class, Class::NotFound | Class::Forbidden) => None,
            Err(e) => return Err(failed(&e, &plane.namespace, "")),
        };
        jobs.push((name, body));
    }
    Ok(jobs)
}

fn templates<'a>(reading: &'a Reading<'_>) -> Result<Vec<Template<'a>>, Status> {
    let mut all = Vec::new();
    for body in &reading.templates {
        all.extend(
            coder::parse::<Vec<Template<'a>>>(body).map_err(|_| garbage(&reading.plane.namespace, ""))?,
        );
    }
    Ok(all)
}

/// A [`Reading`] that has been read.
pub(super) struct Parsed<'a> {
    plane: &'a ControlPlane,
    templates: Vec<Template<'a>>,
    jobs: Jobs<'a>,
}

type Jobs<'a> = Vec<(&'a str, Option<Vec<ProvisionerJob<'a>>>)>;

fn jobs<'a>(reading: &'a Reading<'_>) -> Result<Jobs<'a>, Status> {
    let parse = |body: &'a Vec<u8>| coder::parse(body).map_err(|_| garbage(&reading.plane.namespace, ""));
    let entries =
        reading.jobs.iter().map(|(name, body)| Ok((name.as_str(), body.as_ref().map(parse).transpose()?)));
    entries.collect()
}
