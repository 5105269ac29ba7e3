//! `update` and `patch` of `codertemplates`: the object is read, what should be is compared with it, and the difference is made: the settings at
//! once, another version in the background.

use super::versions::{self, Content, File};
use super::{KIND, create, failed, invalid, read, settings};
use crate::api::v1alpha1::{CoderTemplateManifest, TEMPLATES};
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::{self, Template, TemplateSettings, TemplateVersion, Text};
use crate::convert::archive::{self, Files};
use crate::convert::template_change::{self as change, Next};
use crate::convert::{View, files, template_check, version};
use crate::exchange::authorize::Refusal;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::sent::Sent;
use crate::exchange::write::Write;
use crate::kube::manifest::Manifest;
use crate::kube::negotiation::Form;
use crate::kube::object_writer::write_object;
use crate::kube::patch::Merge;
use crate::kube::request_info::Verb;
use crate::kube::status::Status;
use crate::kube::write_options::WriteOptions;
use crate::time::Timestamp;

/// How an apply merges what is no plain object.
const RULES: &[(&str, Merge)] = &[("spec.files", Merge::Atomic), ("spec.variables", Merge::ByKey("name"))];

/// Makes the template as it should be. 200 and the object, and 201 where an apply made it.
pub(in crate::exchange) async fn update(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, name, .. } = write;
    let namespace = plane.namespace.as_str();
    let options = write.options()?;
    let sent = Sent::receive(write).await?;
    // What can be said without Coder is said first.
    let whole: Option<Manifest<CoderTemplateManifest<'_>>> = match sent.whole() {
        Some(document) => Some(write.manifest(document, KIND, &options)?),
        None => None,
    };
    invalid(name, whole.iter().flat_map(|manifest| template_check::check(&manifest.spec)).collect())?;
    let template_body = match read::template(cx, plane, name).await {
        Err(absent) if absent.code == 404 && sent.creates() => None,
        // What is there under an alias is not it.
        Ok(other) if sent.creates() && is_other(&other, namespace, name) => None,
        found => Some(found?),
    };
    let Some(template_body) = template_body else {
        write.authorize_also(Verb::Create).await?;
        let document = sent.over(|| Ok(b"{}".to_vec()), RULES)?;
        let manifest: Manifest<CoderTemplateManifest<'_>> = write.manifest(&document, KIND, &options)?;
        Precondition::from(&manifest.metadata).check_absent(TEMPLATES, name)?;
        return create::make(write, &options, &manifest).await;
    };
    let template = read::named(&template_body, namespace, name)?;
    let versions_body = read::versions(cx, plane, &template.id, name).await?;
    let versions = read::parse_versions(&versions_body, namespace, name)?;
    let view = read::view(&template, &versions, namespace, name)?;
    let (archive, log) = read::content(cx, plane, view, name).await?;
    // An archive that cannot be read has no files that could stay.
    let present = archive::read(&archive);
    let shown = present.as_ref().ok().map(files::text);
    let (object, version) = read::get_form(&template, view, namespace, shown, &log, name)?;

    let document;
    let manifest = match whole {
        Some(manifest) => manifest,
        None => {
            document = sent.over(|| write_object(Form::Object, &object, version, cx.now()), RULES)?;
            write.manifest(&document, KIND, &options)?
        }
    };
    Precondition::from(&manifest.metadata).check(TEMPLATES, name, &template.id, version)?;
    if let Some(warning) = manifest.metadata.not_kept(Some(&object.metadata)) {
        cx.warn(warning);
    }
    let state = State {
        write,
        body: &template_body,
        template: &template,
        versions: &versions,
        view,
        present: present.unwrap_or_default(),
        archive: &archive,
        log: &log,
    };
    Ok(state.update(&manifest.spec, &options).await?)
}

fn is_other(body: &[u8], namespace: &str, name: &str) -> bool {
    read::named(body, namespace, name).is_err_and(|absent| absent.code == 404)
}

/// A template as it is.
struct State<'a> {
    write: Write<'a>,
    /// Coder's answer, and what was read from it.
    body: &'a [u8],
    template: &'a Template<'a>,
    versions: &'a [TemplateVersion<'a>],
    view: View<'a>,
    /// The files of the version that is shown.
    present: Files<'a>,
    archive: &'a [u8],
    log: &'a str,
}

/// Another version that there has to be.
struct Wish<'a> {
    content: Content<'a>,
    next: Next,
}

impl State<'_> {
    async fn update(
        &self,
        spec: &CoderTemplateManifest<'_>,
        options: &WriteOptions,
    ) -> Result<Reply, Status> {
        let Write { cx, plane, name, .. } = self.write;
        let mut causes = template_check::check(spec);
        causes.extend(change::immutable(self.template, spec));
        let files = match &spec.files {
            Some(asked) => change::files(&self.present, &asked.0).unwrap_or_else(|bad| {
                causes.extend(bad);
                None
            }),
            None => None,
        };
        invalid(name, causes)?;
        let current: TemplateSettings<'_> = coder::parse(self.body).map_err(|_| self.failed(&garbage()))?;
        let changed = change::settings(&current, spec);
        let mut wish = self.wish(spec, files.as_ref())?;
        if spec.running.is_some() {
            cx.warn("spec.running has no effect on a template");
        }
        let makes = matches!(&wish, Some(Wish { next: Next::Make(_), .. }));
        if spec.variables.as_ref().is_some_and(|variables| !variables.is_empty()) && !makes {
            cx.warn("spec.variables alone make no new version: they are only taken together with other files, tags or another provisioner");
        }
        let shown = files.as_ref().unwrap_or(&self.present);
        if options.dry_run {
            let template = changed.as_ref().map(|changed| settings::projected(self.template, changed));
            return self.answer(template.as_ref().unwrap_or(self.template), wish.as_ref(), None, shown);
        }
        if let Some(wish) = &mut wish
            && matches!(wish.next, Next::Make(_))
        {
            versions::upload(cx, plane, &mut wish.content).await.map_err(|e| self.failed(&e))?;
        }
        let mut updated = None;
        if let Some(changed) = &changed {
            let answer = settings::change(cx, plane, &self.template.id, changed).await;
            updated = answer.map_err(|e| self.failed(&e))?;
            settings::compare(cx, changed, updated.as_deref().unwrap_or(self.body));
        }
        let mut made = None;
        if let Some(Wish { content, next }) = &wish {
            match versions::reach(cx, plane, self.template, self.versions, content, next).await {
                Ok(answer) => made = answer,
                Err(e) => return Err(self.stopped(&e, &current, changed.is_some()).await),
            }
        }
        let updated: Option<Template<'_>> = match &updated {
            Some(body) => Some(coder::parse(body).map_err(|_| self.failed(&garbage()))?),
            None => None,
        };
        self.answer(updated.as_ref().unwrap_or(self.template), wish.as_ref(), made.as_deref(), shown)
    }

    /// The version that there has to be, where that is another one than is shown.
    fn wish<'a>(
        &'a self,
        spec: &'a CoderTemplateManifest<'_>,
        files: Option<&Files<'_>>,
    ) -> Result<Option<Wish<'a>>, Status> {
        let shown = self.view.shown();
        let (present_provisioner, present_tags) = version::asked(shown, self.template);
        let provisioner = spec.provisioner.as_deref().unwrap_or(present_provisioner);
        let tags = change::tags(spec).unwrap_or_else(|| present_tags.clone());
        if files.is_none() && provisioner == present_provisioner && tags == present_tags {
            return Ok(None);
        }
        let packed = files.map(|files| versions::pack(self.write.cx, files)).transpose()?;
        let version_name = version::name(packed.as_deref().unwrap_or(self.archive), provisioner, &tags);
        if version::has_name(shown, &version_name) {
            return Ok(None);
        }
        let file = packed.map_or_else(|| File::Known(shown.job.file_id.as_str().to_owned()), File::New);
        let next = change::next(self.versions, &self.template.active_version_id, &version_name);
        let variables = versions::variables(spec);
        let content = Content { file, provisioner, tags, variables, name: version_name };
        Ok(Some(Wish { content, next }))
    }

    /// The template as it is (or would be) now. `made` is Coder's answer about a new version.
    fn answer(
        &self,
        template: &Template<'_>,
        wish: Option<&Wish<'_>>,
        made: Option<&[u8]>,
        files: &Files<'_>,
    ) -> Result<Reply, Status> {
        let Write { cx, plane, name, accepted, .. } = self.write;
        let mut template = template.clone();
        let mut versions = self.versions.to_vec();
        let mark = version::mark(&self.template.active_version_id);
        let now = Timestamp::from_millis(cx.now());
        let wanted = match wish.map(|wish| &wish.next) {
            None => None,
            Some(Next::Active) => Some(None),
            Some(Next::Promote(at)) => {
                template.active_version_id =
                    versions.get(*at).map(|version| version.id.clone()).unwrap_or_default();
                Some(None)
            }
            Some(Next::Mark(at)) => Some(Some(*at)),
            Some(Next::Make(version_name)) => {
                let made = made.map(coder::parse::<TemplateVersion<'_>>).transpose();
                let made = made.map_err(|_| self.failed(&garbage()))?;
                versions.push(made.unwrap_or_else(|| pending(version_name, now)));
                Some(versions.len().checked_sub(1))
            }
        };
        if let Some(wanted) = wanted {
            for (at, version) in versions.iter_mut().enumerate() {
                if Some(at) == wanted {
                    version.message = Text::from(mark.as_str());
                } else if version::is_marked(version) {
                    version.message = Text::from(version::unmarked());
                }
            }
        }
        let view = read::view(&template, &versions, &plane.namespace, name)?;
        let log = if wish.is_none() { self.log } else { "" };
        let files = Some(files::text(files)).filter(|files| !files.is_empty());
        let (mut object, version) = read::get_form(&template, view, &plane.namespace, files, log, name)?;
        if let Some(Wish { content, .. }) = wish {
            create::show_asked(&mut object, content);
        }
        read::answer(cx, accepted, 200, &(object, version))
    }

    /// The version did not come off: settings that were changed before are put back, unless it is unknown what has happened.
    async fn stopped(&self, e: &CoderError, settings: &TemplateSettings<'_>, changed: bool) -> Status {
        let Write { cx, plane, .. } = self.write;
        let mut status = self.failed(e);
        if changed {
            let said = match e.class {
                Class::OutcomeUnknown { .. } => "; the settings were changed",
                _ => match settings::change(cx, plane, &self.template.id, settings).await {
                    Ok(_) => "",
                    Err(_) => "; the settings were changed all the same and could not be put back",
                },
            };
            status.message.push_str(said);
        }
        status
    }

    fn failed(&self, e: &CoderError) -> Status {
        failed(e, &self.write.plane.namespace, self.write.name)
    }
}

fn garbage() -> CoderError {
    CoderError::new(Intent::Read, Failure::Garbage)
}

/// A version that is yet to be made.
pub(super) fn pending(name: &str, now: Timestamp) -> TemplateVersion<'_> {
    let mut version =
        TemplateVersion { name: Text::from(name), created_at: now, ..TemplateVersion::default() };
    version.job.created_at = now;
    version.job.status = Text::from("pending");
    version
}
