//! Looks for versions that are to be promoted and that nobody waits for any more: whoever made them has been restarted. Cheap while there are none:
//! one call for each organization, and the versions of a template only where one of ours was imported of late or is being imported.

use super::promote::{Outcome, promote};
use crate::coder::errors::Intent;
use crate::coder::{self, Organization, ProvisionerJob, requests};
use crate::config::ControlPlane;
use crate::convert::version;
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::exchange::workspaces;
use crate::kube::quote::Quoted;

/// Jobs that are looked through in each organization, newest first.
const JOBS: u64 = 200;

/// Looks through every Coder. The reply is for the log: a line for each template that has got its version.
pub(in crate::exchange) async fn scan(cx: Cx) -> Reply {
    workspaces::wish::take_up(&cx).await;
    let mut log = String::new();
    for place in cx.filter.planes.all().iter() {
        let plane = &place.plane;
        for template in look(&cx, plane).await.unwrap_or_default() {
            log.push_str(if log.is_empty() { "" } else { "\n" });
            let namespace = Quoted(&plane.namespace);
            log.push_str(&format!("Coder of namespace {namespace}: template {template} has its new version"));
        }
    }
    Reply::new(200, "text/plain", log.into_bytes())
}

/// Promotes what can be promoted; returns the templates. What Coder does not tell is looked for the next time.
async fn look(cx: &Cx, plane: &ControlPlane) -> Option<Vec<String>> {
    let organizations = cx.coder(plane, Intent::Read, requests::organizations()).await.ok()?;
    let organizations: Vec<Organization<'_>> = coder::parse(&organizations.body).ok()?;
    let mut promoted = Vec::new();
    for organization in &organizations {
        let jobs = requests::provisioner_jobs(&organization.id, &[], JOBS);
        let Ok(jobs) = cx.coder(plane, Intent::Read, jobs).await else { continue };
        let Ok(jobs) = coder::parse::<Vec<ProvisionerJob<'_>>>(&jobs.body) else { continue };
        let key = |job: &ProvisionerJob<'_>| [plane.namespace.as_bytes(), b"/", job.id.as_bytes()].concat();
        let mut templates: Vec<&str> = Vec::new();
        for job in jobs.iter().filter(|job| is_candidate(job)) {
            let template = job.metadata.template_id.as_str();
            if !templates.contains(&template) && cx.filter.judged_imports.get(&key(job), cx.now()).is_none() {
                templates.push(template);
            }
        }
        for template in templates {
            let outcome = promote(cx, plane, template).await;
            if outcome == Outcome::Promoted {
                promoted.push(template.to_owned());
            }
            if matches!(outcome, Outcome::Promoted | Outcome::Nothing) {
                let of_it = |job: &&ProvisionerJob<'_>| job.metadata.template_id.as_str() == template;
                for job in jobs.iter().filter(of_it).filter(|job| job.is_finished()) {
                    cx.filter.judged_imports.put(key(job), (), cx.now());
                }
            }
        }
    }
    Some(promoted)
}

/// Whether a job imports, or has imported, a version of ours that may be on its way.
fn is_candidate(job: &ProvisionerJob<'_>) -> bool {
    job.is_import()
        && job.metadata.has_template()
        && version::is_ours(&job.metadata.template_version_name)
        && !matches!(job.status.as_str(), "failed" | "canceled")
}
