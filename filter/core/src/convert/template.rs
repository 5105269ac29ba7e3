//! A template of Coder's becomes a `CoderTemplate`.

use super::{conditions, lower, version};
use crate::api::v1alpha1::{
    CoderTemplate, CoderTemplateSpec, CoderTemplateStatus, LABEL_ORGANIZATION, LABEL_TEMPLATE, LatestVersion,
};
use crate::coder;
use crate::kube::meta::{ObjectMeta, StringMap};
use crate::names;
use crate::time::Millis;
use std::borrow::Cow;

/// What is known of the import of a template's active version. `GET /templates` says nothing about it.
#[derive(Clone, Copy, Debug)]
pub enum Import<'a> {
    /// Coder does not let us read provisioner jobs.
    Unknown,
    /// It succeeded.
    Succeeded,
    /// It has not succeeded (yet).
    Job(&'a coder::ProvisionerJob<'a>),
}

impl<'a> Import<'a> {
    /// What the organization's unsuccessful jobs (`coder::requests::unsuccessful_jobs`) say about a template: no job
    /// means that the import succeeded. `None` when Coder answered that call with 403 or 404.
    pub fn from_jobs(template: &coder::Template<'_>, jobs: Option<&'a [coder::ProvisionerJob<'a>]>) -> Self {
        let Some(jobs) = jobs else { return Self::Unknown };
        let of_active = |job: &&coder::ProvisionerJob<'_>| {
            job.kind.as_str() == "template_version_import"
                && job.input.template_version_id.as_ref() == Some(&template.active_version_id)
        };
        jobs.iter().find(of_active).map_or(Self::Succeeded, Self::from_job)
    }

    /// What a version's own job says (`GET /templateversions/{id}`); the same as [`Import::from_jobs`] would find.
    pub fn from_job(job: &'a coder::ProvisionerJob<'a>) -> Self {
        if job.status.as_str() == "succeeded" { Self::Succeeded } else { Self::Job(job) }
    }
}

/// The LIST form: everything but details. `None` when Coder's names do not follow Coder's own rule: such a template
/// cannot be named here.
pub fn template<'a>(
    t: &'a coder::Template<'a>,
    namespace: &'a str,
    import: Import<'a>,
) -> Option<CoderTemplate<'a>> {
    let name = names::join(&[&t.organization_name, &t.name])?;
    Some(CoderTemplate {
        metadata: ObjectMeta {
            name: Cow::Owned(name),
            namespace: Cow::Borrowed(namespace),
            uid: t.id.cow(),
            creation_timestamp: Some(t.created_at),
            labels: StringMap(vec![
                (Cow::Borrowed(LABEL_ORGANIZATION), lower(&t.organization_name)),
                (Cow::Borrowed(LABEL_TEMPLATE), lower(&t.name)),
            ]),
            ..ObjectMeta::default()
        },
        spec: CoderTemplateSpec {
            organization: t.organization_name.cow(),
            version_id: t.active_version_id.cow(),
            display_name: t.display_name.cow(),
            description: t.description.cow(),
            icon: t.icon.cow(),
            files: None,
            provisioner: t.provisioner.cow(),
            tags: None,
            variables: None,
            deprecation_message: t.deprecation_message.cow(),
            default_ttl_millis: t.default_ttl_ms,
            activity_bump_millis: t.activity_bump_ms,
            allow_user_cancel_workspace_jobs: t.allow_user_cancel_workspace_jobs,
            require_active_version: t.require_active_version,
            running: None,
        },
        status: CoderTemplateStatus {
            id: t.id.cow(),
            organization_name: t.organization_name.cow(),
            active_version_id: t.active_version_id.cow(),
            active_version_name: None,
            latest_version: None,
            deprecated: t.deprecated,
            updated_at: t.updated_at,
            active_user_count: Some(t.active_user_count).filter(|count| *count >= 0),
            auto_shutdown: None,
            conditions: conditions::template(t, import),
        },
    })
}

/// A template's versions, as far as they matter: the one that is active, the one that is asked for and not active yet, the newest.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What new builds take.
    pub active: &'a coder::TemplateVersion<'a>,
    /// What is to be promoted once it is imported; also when that has failed.
    pub wanted: Option<&'a coder::TemplateVersion<'a>>,
    /// The newest, whoever made it.
    pub latest: &'a coder::TemplateVersion<'a>,
}

impl<'a> View<'a> {
    /// Looks through all versions of a template, oldest first. `None` when the active one is not among them.
    pub fn of(t: &coder::Template<'_>, versions: &'a [coder::TemplateVersion<'a>]) -> Option<Self> {
        Some(Self {
            active: versions.iter().find(|version| version.id == t.active_version_id)?,
            wanted: version::wanted(versions, &t.active_version_id),
            latest: versions.iter().rfind(|version| !version.archived).or(versions.last())?,
        })
    }

    /// The version whose files and tags are shown: what is asked for.
    pub fn shown(&self) -> &'a coder::TemplateVersion<'a> {
        self.wanted.unwrap_or(self.active)
    }
}

/// Adds details: what was asked for (provisioner, tags), the names of versions, and conditions that speak of the version that is asked for.
/// `log` is the end of its import's log, where that has failed.
pub fn details<'a>(object: &mut CoderTemplate<'a>, t: &'a coder::Template<'a>, view: View<'a>, log: &str) {
    let View { active, latest, .. } = view;
    object.status.active_version_name = Some(active.name.cow());
    object.status.latest_version = Some(LatestVersion {
        id: latest.id.cow(),
        name: latest.name.cow(),
        status: latest.job.status.cow(),
        error: Cow::Borrowed(conditions::bounded(&latest.job.error)),
        created_at: latest.created_at,
    });
    let (provisioner, tags) = version::asked(view.shown(), t);
    object.spec.provisioner = Cow::Borrowed(provisioner);
    object.spec.tags = Some(StringMap(tags));
    conditions_of(object, view, log);
}

/// Conditions that speak of the version that is asked for. `log` is the end of its import's log, where that has failed.
pub fn conditions_of<'a>(object: &mut CoderTemplate<'a>, view: View<'a>, log: &str) {
    if let Some(wanted) = view.wanted {
        object.status.conditions = conditions::wanted(&wanted.job);
    }
    conditions::add_log(&mut object.status.conditions, log);
}

/// The newest moment of the LIST form, in milliseconds.
pub(super) fn newest(t: &coder::Template<'_>, import: Import<'_>) -> Millis {
    let newest = t.created_at.max(t.updated_at);
    match import {
        Import::Job(job) => newest.max(job.since()),
        Import::Unknown | Import::Succeeded => newest,
    }
    .millis()
}
