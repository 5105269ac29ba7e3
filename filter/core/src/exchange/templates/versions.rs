//! The version that is asked for: made, found, marked, promoted. Each step is harmless to repeat, and what was begun is found again by the next
//! request for the same.

use super::{promote, refused};
use crate::api::v1alpha1::CoderTemplateManifest;
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::requests::{self, NewVersion, Pairing, Variable};
use crate::coder::{self, ProvisionerJob, Template, TemplateVersion, Upload};
use crate::config::ControlPlane;
use crate::convert::archive::{self, Files};
use crate::convert::template_change::Next;
use crate::convert::version::{self, Tags};
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::Pending;
use crate::kube::status::{Cause, Status};

/// Jobs that are looked through, newest first, for a version that an earlier attempt has left behind.
const JOBS: u64 = 50;

/// What a version is made of.
pub(super) struct Content<'a> {
    pub(super) file: File,
    pub(super) provisioner: &'a str,
    pub(super) tags: Tags<'a>,
    pub(super) variables: Vec<Variable<'a>>,
    /// The name that says what is in it.
    pub(super) name: String,
}

/// Where its archive is.
pub(super) enum File {
    /// Yet to be uploaded.
    New(Vec<u8>),
    /// In Coder, by its id.
    Known(String),
}

/// Packs files, unless that becomes more than Coder's provisioners take.
pub(super) fn pack(cx: &Cx, files: &Files<'_>) -> Result<Vec<u8>, Status> {
    let limit = cx.filter.config.limits.template_archive();
    let refuse = |size: usize| {
        let message = format!("the files make an archive of {size} bytes, limit is {limit}");
        Err(Status::request_entity_too_large(&message))
    };
    let size = archive::size(files);
    if size > limit {
        return refuse(size);
    }
    let archive = archive::build(files);
    if archive.len() > limit { refuse(archive.len()) } else { Ok(archive) }
}

/// The variables of a manifest.
pub(super) fn variables<'a>(spec: &'a CoderTemplateManifest<'_>) -> Vec<Variable<'a>> {
    let given = spec.variables.iter().flatten();
    given.map(|variable| Variable { name: &variable.name, value: &variable.value }).collect()
}

/// Sees to it that the archive is in Coder. No object is changed by that, and the same bytes are the same file, so a failure is that of a read.
pub(super) async fn upload(
    cx: &Cx,
    plane: &ControlPlane,
    content: &mut Content<'_>,
) -> Result<(), CoderError> {
    let File::New(archive) = &mut content.file else { return Ok(()) };
    let answer = cx.coder(plane, Intent::Read, requests::upload(std::mem::take(archive))).await?;
    let upload: Upload<'_> =
        coder::parse(&answer.body).map_err(|_| CoderError::new(Intent::Read, Failure::Garbage))?;
    content.file = File::Known(upload.hash.as_str().to_owned());
    Ok(())
}

/// Makes a version, whose import begins at once. Returns Coder's answer, which can be read.
pub(super) async fn make(
    cx: &Cx,
    plane: &ControlPlane,
    organization: &str,
    template: Option<&str>,
    (name, message): (&str, &str),
    content: &Content<'_>,
) -> Result<Vec<u8>, CoderError> {
    let File::Known(file_id) = &content.file else {
        return Err(CoderError::new(Intent::Create, Failure::NotSent));
    };
    let new = NewVersion {
        name,
        message,
        template_id: template,
        storage_method: "file",
        file_id,
        provisioner: content.provisioner,
        tags: Pairing(&content.tags),
        user_variable_values: &content.variables,
    };
    let answer = cx.coder(plane, Intent::Create, requests::create_version(organization, &new)).await?;
    match coder::parse::<TemplateVersion<'_>>(&answer.body) {
        Ok(_) => Ok(answer.body),
        Err(_) => Err(CoderError::new(Intent::Create, Failure::Garbage)),
    }
}

/// Asks for a version that an earlier attempt to make this template has left behind; [`left_behind`] waits.
pub(super) fn ask_for_left_behind<'a>(cx: &'a Cx, plane: &ControlPlane, organization: &str) -> Pending<'a> {
    cx.send_to_coder(plane, requests::provisioner_jobs(organization, &[], JOBS))
}

/// The version that an earlier attempt to make the template `object` has left behind, if there is one that can be used.
pub(super) async fn left_behind(
    cx: &Cx,
    plane: &ControlPlane,
    jobs: Pending<'_>,
    name: &str,
    object: &str,
) -> Option<Vec<u8>> {
    let jobs = settled(Intent::Read, jobs).await.ok()?;
    let jobs: Vec<ProvisionerJob<'_>> = coder::parse(&jobs.body).ok()?;
    let id = jobs.iter().find_map(|job| {
        let same = job.metadata.template_version_name.as_str() == name && job.is_import();
        job.input.template_version_id.as_deref().filter(|_| same && !job.metadata.has_template())
    })?;
    let answer = cx.coder(plane, Intent::Read, requests::template_version(id)).await.ok()?;
    let version: TemplateVersion<'_> = coder::parse(&answer.body).ok()?;
    let usable = version.message.as_str() == version::made_for(object)
        && !version.has_template()
        && !version.archived
        && !matches!(version.job.status.as_str(), "failed" | "canceled" | "canceling");
    usable.then_some(answer.body)
}

/// Whether a version can become a new template of this organization.
///
/// # Errors
/// 422 saying why not.
pub(super) fn check_free(
    version: &TemplateVersion<'_>,
    organization: &str,
    name: &str,
) -> Result<(), Status> {
    let why = match () {
        () if version.organization_id.as_str() != organization => "belongs to another organization",
        () if version.has_template() => "belongs to a template already",
        () if version.archived => "is archived",
        () if matches!(version.job.status.as_str(), "failed" | "canceled" | "canceling") => {
            "has not been imported"
        }
        () => return Ok(()),
    };
    Err(refused(name, vec![Cause::invalid("spec.versionID", &version.id, why)]))
}

/// Sees to it that a template gets the version that is asked for: at once where that has been imported before, else as soon as it has been. Returns
/// Coder's answer where a version was made. No other version may become active after that, so marks on others go: first, for what is cut off in between must
/// leave none behind. Where Coder then refuses to promote the version they are set again.
pub(super) async fn reach(
    cx: &Cx,
    plane: &ControlPlane,
    template: &Template<'_>,
    versions: &[TemplateVersion<'_>],
    content: &Content<'_>,
    next: &Next,
) -> Result<Option<Vec<u8>>, CoderError> {
    let set = async |version: &TemplateVersion<'_>, message: &str| {
        cx.coder(plane, Intent::Change, requests::set_version_message(&version.id, message)).await
    };
    let marked = |but: Option<usize>| {
        versions
            .iter()
            .enumerate()
            .filter(move |(at, v)| version::is_marked(v) && Some(*at) != but)
            .map(|(_, v)| v)
    };
    let mark = version::mark(&template.active_version_id);
    match next {
        Next::Active => {
            for version in marked(None) {
                set(version, version::unmarked()).await?;
            }
        }
        Next::Promote(at) => {
            for version in marked(Some(*at)) {
                set(version, version::unmarked()).await?;
            }
            let Some(version) = versions.get(*at) else { return Ok(None) };
            let promoted =
                cx.coder(plane, Intent::Change, requests::promote(&template.id, &version.id)).await;
            if let Err(e) = promoted {
                // Refused: those that waited go on waiting.
                if !matches!(e.class, Class::OutcomeUnknown { .. }) {
                    for version in marked(Some(*at)) {
                        let _ = set(version, &version.message).await;
                    }
                }
                return Err(e);
            }
            // It is active: its mark means nothing any more.
            if version::is_marked(version) {
                let _ = set(version, version::unmarked()).await;
            }
        }
        Next::Mark(at) => {
            for version in marked(Some(*at)) {
                set(version, version::unmarked()).await?;
            }
            let Some(version) = versions.get(*at) else { return Ok(None) };
            set(version, &mark).await?;
            promote::follow(cx, plane, &template.id, &version.id);
        }
        Next::Make(name) => {
            let made =
                make(cx, plane, &template.organization_name, Some(&template.id), (name, &mark), content)
                    .await
                    .map_err(|mut e| {
                        // Of two requests for the same at the same moment one makes the version.
                        if e.class == Class::AlreadyExists {
                            e.class = Class::Conflict;
                        }
                        e
                    })?;
            // It is the newest that is marked and so the one that counts; that the others lose their marks is for the case that it loses its own.
            for version in marked(None) {
                let _ = set(version, version::unmarked()).await;
            }
            if let Ok(version) = coder::parse::<TemplateVersion<'_>>(&made) {
                promote::follow(cx, plane, &template.id, &version.id);
            }
            return Ok(Some(made));
        }
    }
    Ok(None)
}
