//! A workspace of Coder's becomes a `CoderWorkspace`.

use super::{conditions, lower};
use crate::api::v1alpha1::{
    Agent, App, AppStatus, CoderWorkspace, CoderWorkspaceSpec, CoderWorkspaceStatus, DashboardUrl, FINALIZER,
    LABEL_ORGANIZATION, LABEL_OWNER, LABEL_TEMPLATE, LatestBuild, Parameter,
};
use crate::coder;
use crate::coder::requests::Values;
use crate::kube::meta::{ObjectMeta, StringMap};
use crate::names;
use crate::time::{Millis, Timestamp};
use std::borrow::Cow;

/// Use is shown in steps of ten minutes, so that a workspace in use does not change all the time.
const LAST_USED_STEP: Millis = 600_000;

/// The LIST form: everything but details. `dashboard` is where people reach Coder, without a slash at the end.
/// `None` when Coder's names do not follow Coder's own rule: such a workspace cannot be named here.
pub fn workspace<'a>(
    w: &'a coder::Workspace<'a>,
    namespace: &'a str,
    dashboard: &'a str,
) -> Option<CoderWorkspace<'a>> {
    let build = &w.latest_build;
    let name = names::join(&[&w.organization_name, &w.owner_name, &w.name])?;
    let deleting = build.transition.as_str() == "delete";
    Some(CoderWorkspace {
        metadata: ObjectMeta {
            name: Cow::Owned(name),
            namespace: Cow::Borrowed(namespace),
            uid: w.id.cow(),
            generation: build.build_number,
            creation_timestamp: Some(w.created_at),
            deletion_timestamp: deleting.then_some(build.created_at),
            labels: StringMap(vec![
                (Cow::Borrowed(LABEL_ORGANIZATION), lower(&w.organization_name)),
                (Cow::Borrowed(LABEL_OWNER), lower(&w.owner_name)),
                (Cow::Borrowed(LABEL_TEMPLATE), lower(&w.template_name)),
            ]),
            annotations: StringMap::default(),
            finalizers: if deleting { vec![Cow::Borrowed(FINALIZER)] } else { Vec::new() },
        },
        spec: CoderWorkspaceSpec {
            organization: w.organization_name.cow(),
            template_name: w.template_name.cow(),
            template_version_id: build.template_version_id.non_empty(),
            template_version_preset: None,
            running: runs(build),
            ttl_millis: w.ttl_ms.filter(|ttl| *ttl > 0),
            autostart_schedule: w.autostart_schedule.as_ref().and_then(coder::Text::non_empty),
            automatic_updates: w.automatic_updates.non_empty().unwrap_or(Cow::Borrowed("never")),
            dormant: w.dormant_at.is_some(),
            parameters: None,
        },
        status: CoderWorkspaceStatus {
            id: w.id.cow(),
            owner_name: w.owner_name.cow(),
            owner_id: w.owner_id.cow(),
            organization_name: w.organization_name.cow(),
            template_name: w.template_name.cow(),
            latest_build_id: build.id.cow(),
            latest_build_status: build.status.cow(),
            latest_build: latest_build(build),
            // Coder keeps the deadline of one that has stopped.
            auto_shutdown: shown(build.deadline).filter(|_| build.transition.as_str() == "start"),
            next_start_at: shown(w.next_start_at),
            last_used_at: shown(w.last_used_at).map(|moment| moment.floor(LAST_USED_STEP)),
            dormant_at: shown(w.dormant_at),
            deleting_at: shown(w.deleting_at),
            outdated: w.outdated,
            healthy: w.health.healthy,
            is_prebuild: w.is_prebuild,
            agents: build.agents().map(agent).collect(),
            app_status: w.latest_app_status.as_ref().map(|status| AppStatus {
                state: status.state.cow(),
                message: status.message.cow(),
                uri: status.uri.cow(),
                updated_at: status.created_at,
            }),
            url: DashboardUrl { dashboard, owner: &w.owner_name, workspace: &w.name },
            observed_generation: conditions::observed_generation(build),
            conditions: conditions::workspace(w),
        },
    })
}

/// Adds a detail: the parameters of the latest build, sorted by name (Coder gives them in changing order; of
/// duplicates it takes the last).
pub fn parameters<'a>(object: &mut CoderWorkspace<'a>, parameters: &'a Values) {
    let mut sorted: Vec<Parameter<'a>> = Vec::with_capacity(parameters.0.len());
    for p in parameters.0.iter().rev() {
        // There are few; inserting is less code than sorting.
        if let Err(at) = sorted.binary_search_by(|earlier| (*earlier.name).cmp(p.name.as_str())) {
            sorted.insert(at, Parameter { name: Cow::Borrowed(&p.name), value: Cow::Borrowed(&p.value) });
        }
    }
    object.spec.parameters = Some(sorted);
}

/// The newest moment of the LIST form, in milliseconds: what Coder stamped, without heartbeats and without
/// moments that lie ahead (deadlines).
pub(super) fn newest(w: &coder::Workspace<'_>) -> Millis {
    let job = &w.latest_build.job;
    let moments = [
        Some(w.latest_build.created_at),
        Some(job.since()),
        job.started_at,
        w.last_used_at.map(|moment| moment.floor(LAST_USED_STEP)),
        w.dormant_at,
        w.latest_app_status.as_ref().map(|status| status.created_at),
    ];
    let agents = w.latest_build.agents().map(coder::Agent::since);
    moments.into_iter().flatten().chain(agents).fold(w.created_at, Ord::max).millis()
}

/// `spec.running`: what was last asked for and may still be had. A start that failed reads false, so that it can
/// be asked for again; a stop that failed reads true for the same reason.
pub(super) fn runs(build: &coder::Build<'_>) -> bool {
    match build.transition.as_str() {
        "start" => matches!(build.job.status.as_str(), "pending" | "running" | "succeeded"),
        "stop" => matches!(build.job.status.as_str(), "failed" | "canceled"),
        _ => false,
    }
}

/// Go's zero time means "never".
fn shown(moment: Option<Timestamp>) -> Option<Timestamp> {
    moment.filter(|moment| !moment.is_zero())
}

fn latest_build<'a>(build: &'a coder::Build<'a>) -> LatestBuild<'a> {
    LatestBuild {
        id: build.id.cow(),
        number: build.build_number,
        transition: build.transition.cow(),
        status: build.status.cow(),
        reason: build.reason.cow(),
        initiator_name: build.initiator_name.cow(),
        template_version_name: build.template_version_name.cow(),
        created_at: build.created_at,
        started_at: shown(build.job.started_at),
        completed_at: shown(build.job.completed_at),
        error: Cow::Borrowed(conditions::bounded(&build.job.error)),
        error_code: build.job.error_code.cow(),
    }
}

fn agent<'a>(agent: &'a coder::Agent<'a>) -> Agent<'a> {
    Agent {
        name: agent.name.cow(),
        id: agent.id.cow(),
        status: agent.status.cow(),
        lifecycle_state: agent.lifecycle_state.cow(),
        operating_system: agent.operating_system.cow(),
        architecture: agent.architecture.cow(),
        version: agent.version.cow(),
        apps: agent.apps.iter().map(app).collect(),
        healthy: agent.health.healthy,
        reason: agent.health.reason.cow(),
    }
}

fn app<'a>(app: &'a coder::App<'a>) -> App<'a> {
    App { slug: app.slug.cow(), display_name: app.display_name.cow(), health: app.health.cow() }
}
