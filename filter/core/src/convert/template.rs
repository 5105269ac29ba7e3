//! A template of Coder's becomes a `CoderTemplate`.

use super::{conditions, lower};
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

/// Adds details: the active version's name and tags, and the newest version. Of the tags those that Coder itself
/// adds to every job (`scope`, `owner`) are left out.
pub fn version_details<'a>(
    object: &mut CoderTemplate<'a>,
    active: &'a coder::TemplateVersion<'a>,
    latest: &'a coder::TemplateVersion<'a>,
) {
    object.status.active_version_name = Some(active.name.cow());
    object.status.latest_version = Some(LatestVersion {
        id: latest.id.cow(),
        name: latest.name.cow(),
        status: latest.job.status.cow(),
        error: Cow::Borrowed(conditions::bounded(&latest.job.error)),
        created_at: latest.created_at,
    });
    let own = active.job.tags().into_iter().filter(|(key, _)| !matches!(&**key, "scope" | "owner"));
    object.spec.tags = Some(StringMap(own.map(|(key, value)| (key, value.into_cow())).collect()));
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
