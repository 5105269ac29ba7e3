//! `create` of `codertemplates`: everything is checked, then files become a version and the version becomes a template. Nothing waits for the
//! import: how that ends shows in the conditions.

use super::update::pending;
use super::versions::{self, Content, File};
use super::{KIND, failed, garbage, read, refused, settings};
use crate::api::v1alpha1::{CoderTemplate, CoderTemplateManifest, TEMPLATES};
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::requests::{self, NewTemplate};
use crate::coder::{self, Organization, Template, TemplateSettings, TemplateVersion, Text};
use crate::convert::archive::Files;
use crate::convert::version::{self, Tags};
use crate::convert::{View, files, paths, template_change, template_check};
use crate::exchange::authorize::Refusal;
use crate::exchange::context::settled;
use crate::exchange::made_up::MadeUp;
use crate::exchange::namespace::{self, Phase};
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::document;
use crate::kube::manifest::{Manifest, ManifestMeta};
use crate::kube::meta::StringMap;
use crate::kube::status::{Cause, Status};
use crate::kube::write_options::WriteOptions;
use crate::names::TemplateName;
use crate::time::Timestamp;

/// The provisioner where none is named.
const PROVISIONER: &str = "terraform";

/// Coder's activity bump where none is named, in milliseconds.
const ACTIVITY_BUMP: i64 = 3_600_000;

/// Makes the template that is sent. 201 and the object.
pub(in crate::exchange) async fn create(write: Write<'_>) -> Result<Reply, Refusal> {
    let options = write.options()?;
    let body = write.body().await?;
    let document = document::read(write.content_type().as_deref(), body)?;
    let manifest: Manifest<CoderTemplateManifest<'_>> = write.manifest(&document, KIND, &options)?;
    make(write, &options, &manifest).await
}

/// As [`create`], from a manifest that was read; an apply that finds nothing comes here, too.
pub(super) async fn make(
    write: Write<'_>,
    options: &WriteOptions,
    manifest: &Manifest<CoderTemplateManifest<'_>>,
) -> Result<Reply, Refusal> {
    let Write { cx, plane, .. } = write;
    let namespace = plane.namespace.as_str();
    let (meta, spec) = (&manifest.metadata, &manifest.spec);
    let full_name = match meta.name.as_str() {
        "" if meta.generate_name.is_empty() => {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(refused("", vec![cause]).into());
        }
        "" => &MadeUp::new(write, &meta.generate_name).next(),
        name => name,
    };
    let mut causes = template_check::check(spec);
    let name = TemplateName::parse(full_name);
    match &name {
        Ok(name) => causes.extend(template_check::check_new(name, spec)),
        Err(why) => causes.push(Cause::invalid("metadata.name", full_name, &why.to_string())),
    }
    let files = match spec.files.as_ref().map(|files| paths::clean(&files.0)) {
        None => None,
        Some(Ok(files)) if files.is_empty() => {
            causes.push(Cause::required("spec.files", "a template must have files"));
            None
        }
        Some(Ok(files)) => Some(files),
        Some(Err(bad)) => {
            causes.extend(bad);
            None
        }
    };
    let name = match name {
        Ok(name) if causes.is_empty() => name,
        _ => return Err(refused(full_name, causes).into()),
    };
    let content = files.as_ref().map(|files| content(write, spec, files)).transpose()?;

    // All that does not depend on each other is on its way before the first is waited for.
    let organization = cx.send_to_coder(plane, requests::organization(&name.organization));
    let taken = cx.send_to_coder(plane, requests::template_by_name(&name));
    let given = spec.version_id.as_deref().map(|id| cx.send_to_coder(plane, requests::template_version(id)));
    // Variables cannot be compared, so a version is only taken up again where there are none.
    let repeats = content.as_ref().filter(|content| content.variables.is_empty() && !options.dry_run);
    let jobs = repeats.map(|_| versions::ask_for_left_behind(cx, plane, &name.organization));
    if write.namespace().await? == Phase::Terminating {
        return Err(namespace::terminating(namespace, TEMPLATES, full_name).into());
    }
    let organization = match settled(Intent::Read, organization).await {
        Err(e) if e.class == Class::NotFound => {
            let why = format!("there is no organization {} in Coder", name.organization);
            return Err(refused(full_name, vec![Cause::invalid("metadata.name", full_name, &why)]).into());
        }
        other => other.map_err(|e| failed(&e, namespace, full_name))?,
    };
    let organization: Organization<'_> =
        coder::parse(&organization.body).map_err(|_| garbage(namespace, full_name))?;
    if !organization.name.eq_ignore_ascii_case(&name.organization) {
        let why = format!("Coder calls the organization {}", organization.name.to_ascii_lowercase());
        return Err(refused(full_name, vec![Cause::invalid("metadata.name", full_name, &why)]).into());
    }
    match settled(Intent::Read, taken).await {
        Ok(taken) => {
            read::named(&taken.body, namespace, full_name)?;
            if meta.name.is_empty() {
                return Err(Status::generate_name_conflict(TEMPLATES, full_name).into());
            }
            return Err(Status::already_exists(TEMPLATES, full_name).into());
        }
        Err(e) if e.class == Class::NotFound => {}
        Err(e) => return Err(failed(&e, namespace, full_name).into()),
    }
    let mut version = None;
    if let (Some(given), Some(id)) = (given, spec.version_id.as_deref()) {
        let answer = match settled(Intent::Read, given).await {
            Err(e) if e.class == Class::NotFound => {
                let cause = Cause::invalid("spec.versionID", id, "there is no such version in Coder");
                return Err(refused(full_name, vec![cause]).into());
            }
            other => other.map_err(|e| failed(&e, namespace, full_name))?,
        };
        let parsed: TemplateVersion<'_> =
            coder::parse(&answer.body).map_err(|_| garbage(namespace, full_name))?;
        versions::check_free(&parsed, &organization.id, full_name)?;
        version = Some(answer.body);
    } else if let (Some(jobs), Some(content)) = (jobs, &content) {
        version = versions::left_behind(cx, plane, jobs, &content.name, full_name).await;
    }
    if spec.running.is_some() {
        cx.warn("spec.running has no effect on a template");
    }
    let making = Making { write, name: &name, full_name, meta, spec, files };
    Ok(if options.dry_run {
        making.rehearse(version.as_deref(), content.as_ref()).await?
    } else {
        making.make(version, content).await?
    })
}

/// What the first version is made of.
fn content<'a>(
    write: Write<'_>,
    spec: &'a CoderTemplateManifest<'_>,
    files: &Files<'_>,
) -> Result<Content<'a>, Status> {
    let provisioner = spec.provisioner.as_deref().unwrap_or(PROVISIONER);
    let tags: Tags<'a> = template_change::tags(spec).unwrap_or_default();
    let archive = versions::pack(write.cx, files)?;
    let name = version::name(&archive, provisioner, &tags);
    Ok(Content { file: File::New(archive), provisioner, tags, variables: versions::variables(spec), name })
}

/// Shows the provisioner and the tags that were asked for, which a version that Coder has just made does not tell by itself.
pub(super) fn show_asked<'a>(object: &mut CoderTemplate<'a>, content: &Content<'a>) {
    object.spec.provisioner = content.provisioner.into();
    object.spec.tags = Some(StringMap(content.tags.clone()));
}

/// A template that may be made: everything has been checked.
struct Making<'a> {
    write: Write<'a>,
    name: &'a TemplateName,
    full_name: &'a str,
    meta: &'a ManifestMeta,
    spec: &'a CoderTemplateManifest<'a>,
    files: Option<Files<'a>>,
}

impl Making<'_> {
    /// Makes the version, unless there is one, and the template of it.
    async fn make(&self, version: Option<Vec<u8>>, content: Option<Content<'_>>) -> Result<Reply, Status> {
        let Write { cx, plane, .. } = self.write;
        let (mut content, mut made) = (content, None);
        if let (None, Some(content)) = (&version, &mut content) {
            versions::upload(cx, plane, content).await.map_err(|e| self.failed(&e))?;
            let message = version::made_for(self.full_name);
            let names = (content.name.as_str(), message.as_str());
            let organization = self.name.organization.as_str();
            let answer = versions::make(cx, plane, organization, None, names, content).await;
            made = Some(answer.map_err(|e| self.failed(&e))?);
        }
        let version = version.or(made).unwrap_or_default();
        let version: TemplateVersion<'_> = coder::parse(&version).map_err(|_| self.failed(&garbled()))?;
        let request = requests::create_template(&self.name.organization, &self.request(&version.id));
        let answer = cx.coder(plane, Intent::Create, request).await.map_err(|e| self.failed(&e))?;
        let template = self.complete(answer.body).await?;
        let template: Template<'_> = coder::parse(&template).map_err(|_| self.failed(&garbled()))?;
        self.answer(&template, version, content.as_ref()).await
    }

    fn request<'a>(&'a self, version: &'a str) -> NewTemplate<'a> {
        let spec = self.spec;
        NewTemplate {
            name: &self.name.template,
            template_version_id: version,
            display_name: spec.display_name.as_deref().unwrap_or_default(),
            description: spec.description.as_deref().unwrap_or_default(),
            icon: spec.icon.as_deref().unwrap_or_default(),
            default_ttl_ms: spec.default_ttl_millis,
            activity_bump_ms: spec.activity_bump_millis,
            allow_user_cancel_workspace_jobs: spec.allow_user_cancel_workspace_jobs,
            require_active_version: spec.require_active_version.unwrap_or_default(),
        }
    }

    /// Sets what cannot be set when a template is made, and says what Coder has not kept. The template is there, so nothing of this is an error.
    async fn complete(&self, template: Vec<u8>) -> Result<Vec<u8>, Status> {
        let Write { cx, plane, .. } = self.write;
        let kept: TemplateSettings<'_> = coder::parse(&template).map_err(|_| self.failed(&garbled()))?;
        let parsed: Template<'_> = coder::parse(&template).map_err(|_| self.failed(&garbled()))?;
        let Some(missing) = template_change::settings(&kept, self.spec) else { return Ok(template) };
        let mut updated = None;
        if missing.deprecation_message.is_some() {
            match settings::change(cx, plane, &parsed.id, &missing).await {
                Ok(answer) => updated = answer,
                Err(e) => cx.warn(format!(
                    "spec.deprecationMessage was perhaps not set: {}",
                    self.failed(&e).message
                )),
            }
        }
        settings::compare(cx, &missing, updated.as_deref().unwrap_or(&template));
        Ok(updated.unwrap_or(template))
    }

    /// Shows the template as it would be.
    async fn rehearse(&self, version: Option<&[u8]>, content: Option<&Content<'_>>) -> Result<Reply, Status> {
        let now = Timestamp::from_millis(self.write.cx.now());
        let version = match version {
            Some(version) => coder::parse(version).map_err(|_| self.failed(&garbled()))?,
            None => pending(content.map_or("", |content| &content.name), now),
        };
        let spec = self.spec;
        let text = |text| Text::from(Option::<&str>::unwrap_or_default(text));
        let template = Template {
            created_at: now,
            updated_at: now,
            organization_name: text(spec.organization.as_deref()),
            name: Text::from(self.name.template.as_str()),
            display_name: text(spec.display_name.as_deref()),
            provisioner: Text::from(spec.provisioner.as_deref().unwrap_or(PROVISIONER)),
            active_version_id: version.id.clone(),
            active_user_count: -1,
            description: text(spec.description.as_deref()),
            deprecated: spec.deprecation_message.as_deref().is_some_and(|text| !text.is_empty()),
            deprecation_message: text(spec.deprecation_message.as_deref()),
            icon: text(spec.icon.as_deref()),
            default_ttl_ms: spec.default_ttl_millis.unwrap_or_default(),
            activity_bump_ms: spec.activity_bump_millis.unwrap_or(ACTIVITY_BUMP),
            allow_user_cancel_workspace_jobs: spec.allow_user_cancel_workspace_jobs.unwrap_or_default(),
            require_active_version: spec.require_active_version.unwrap_or_default(),
            ..Template::default()
        };
        self.answer(&template, version.clone(), content).await
    }

    /// Shows the template. Files of a version that was there before have to be fetched; should that fail, they are not shown.
    async fn answer(
        &self,
        template: &Template<'_>,
        version: TemplateVersion<'_>,
        content: Option<&Content<'_>>,
    ) -> Result<Reply, Status> {
        let Write { cx, plane, accepted, .. } = self.write;
        let fetched = match self.files {
            Some(_) => None,
            None => cx.coder(plane, Intent::Read, requests::file(&version.job.file_id)).await.ok(),
        };
        let files = match (&self.files, &fetched) {
            (Some(files), _) => Some(files::text(files)),
            (None, Some(answer)) => files::files(&answer.body).ok(),
            (None, None) => None,
        };
        let versions = [version];
        let view = View::of(template, &versions).ok_or_else(|| self.failed(&garbled()))?;
        let (mut object, number) =
            read::get_form(template, view, &plane.namespace, files, "", self.full_name)?;
        if let Some(content) = content {
            show_asked(&mut object, content);
        }
        if let Some(warning) = self.meta.not_kept(Some(&object.metadata)) {
            cx.warn(warning);
        }
        read::answer(cx, accepted, 201, &(object, number))
    }

    fn failed(&self, e: &CoderError) -> Status {
        failed(e, &self.write.plane.namespace, self.full_name)
    }
}

/// What a write is when Coder's answer to it cannot be read.
fn garbled() -> CoderError {
    CoderError::new(Intent::Create, Failure::Garbage)
}
