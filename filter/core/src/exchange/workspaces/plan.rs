//! A workspace that is to be made: who and what its name and spec mean is asked of Coder, and everything is checked, before anything is made.

use super::find::garbage;
use super::versions::{self, Use, not_found};
use super::{evaluate, failed, invalid, refused};
use crate::api::v1alpha1::CoderWorkspaceManifest;
use crate::coder::errors::{Class, Intent};
use crate::coder::requests::{NewBuild, NewWorkspace, Transition, Values};
use crate::coder::{self, Organization, Preset, Template, TemplateVersion, Text, User, Workspace, requests};
use crate::convert::parameter_check::Asked;
use crate::convert::workspace_change::queued;
use crate::exchange::authorize::Refusal;
use crate::exchange::context::settled;
use crate::exchange::namespace::{self, Phase};
use crate::exchange::port::{Answer, Pending};
use crate::exchange::write::Write;
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, Status};
use crate::names::{TemplateName, WorkspaceName};
use crate::time::Timestamp;

/// Everything about it, checked.
pub(super) struct Plan {
    /// What Coder is asked for.
    pub(super) request: NewWorkspace,
    /// Name of the version that is built.
    pub(super) version_name: String,
    /// What its parameters will be.
    pub(super) values: Values,
    user: Answer,
    template: Answer,
}

/// Asks and checks.
///
/// # Errors
/// 403 in a namespace that is being deleted, 422 with every field that will not do, 409 while the version is imported.
pub(super) async fn plan(
    write: Write<'_>,
    name: &WorkspaceName,
    spec: &CoderWorkspaceManifest,
) -> Result<Plan, Refusal> {
    let Write { cx, plane, .. } = write;
    let full_name = name.to_string();
    let broken = || garbage(Intent::Read, &plane.namespace, &full_name);
    let failed = |e| failed(&e, &plane.namespace, &full_name);
    // All that does not depend on each other is on its way before the first is waited for.
    let user = cx.send_to_coder(plane, requests::user(&name.user));
    let template_name = spec.template_name.as_deref().unwrap_or_default().to_ascii_lowercase();
    let template = TemplateName { organization: name.organization.clone(), template: template_name };
    let template_asked = cx.send_to_coder(plane, requests::template_by_name(&template));
    let given = spec.template_version_id.as_deref();
    let version = given.map(|id| cx.send_to_coder(plane, requests::template_version(id)));
    if write.namespace().await? == Phase::Terminating {
        return Err(namespace::terminating(&plane.namespace, write.info.group_resource(), &full_name).into());
    }

    let mut causes = Vec::new();
    let user = match settled(Intent::ReadByUser, user).await {
        Err(e) if e.class == Class::NotFound => Err(not_found("metadata.name", &name.user)),
        other => Ok(other.map_err(failed)?),
    };
    let template_found = match settled(Intent::Read, template_asked).await {
        Err(e) if e.class == Class::NotFound => Err(absent(write, &template, &full_name).await?),
        other => Ok(other.map_err(failed)?),
    };
    let (user, template) = match (user, template_found) {
        (Ok(user), Ok(template)) => (user, template),
        (user, template) => {
            causes.extend(user.err());
            causes.extend(template.err());
            return Err(refused(&full_name, causes).into());
        }
    };
    let owner: User<'_> = coder::parse(&user.body).map_err(|_| broken())?;
    let found: Template<'_> = coder::parse(&template.body).map_err(|_| broken())?;
    if !owner.username.eq_ignore_ascii_case(&name.user) {
        causes.push(alias(&full_name, "the user", &name.user, &owner.username));
    }
    if !found.organization_name.eq_ignore_ascii_case(&name.organization) {
        causes.push(alias(&full_name, "the organization", &name.organization, &found.organization_name));
    }
    let template_field = spec.template_name.as_deref().unwrap_or_default();
    if !found.name.eq_ignore_ascii_case(template_field) {
        causes.push(not_found("spec.templateName", template_field));
    }
    if found.deprecated {
        let why = format!("is deprecated: {}", &*found.deprecation_message);
        causes.push(Cause::invalid("spec.templateName", template_field, &why));
    }
    invalid(&full_name, causes)?;

    let version_id = given.unwrap_or(&found.active_version_id);
    let version = version.unwrap_or_else(|| cx.send_to_coder(plane, requests::template_version(version_id)));
    let given_values = values(spec);
    let preset_asked = spec.template_version_preset.as_deref();
    let presets = preset_asked.map(|_| cx.send_to_coder(plane, requests::presets(version_id)));
    let ask = |inputs: &Values| evaluate::ask(cx, plane, version_id, &owner.id, inputs);
    let mut evaluation = presets.is_none().then(|| ask(&given_values));

    let version = match settled(Intent::Read, version).await {
        Err(e) if e.class == Class::NotFound => {
            return Err(refused(&full_name, vec![versions::unknown(version_id)]).into());
        }
        other => other.map_err(failed)?,
    };
    let version: TemplateVersion<'_> = coder::parse(&version.body).map_err(|_| broken())?;
    let field = if given.is_some() { "spec.templateVersionID" } else { "spec.templateName" };
    versions::check(&version, &found.id, Use::New, field, &full_name)?;

    let mut preset = None;
    if let (Some(presets), Some(asked)) = (presets, preset_asked) {
        let (id, preset_values) = choose(write, presets, asked, &full_name).await?;
        evaluation = Some(ask(&evaluate::merged(&given_values, &preset_values)));
        preset = Some((id, preset_values));
    }
    let asked = Asked {
        values: &given_values,
        kept: &[],
        preset: preset_asked.zip(preset.as_ref().map(|(_, values)| values)),
        previous: None,
    };
    let evaluation = evaluation.unwrap_or_else(|| ask(&given_values));
    let values = evaluate::receive(plane, &full_name, evaluation, asked).await?;

    let request = NewWorkspace {
        template_version_id: version.id.as_str().to_owned(),
        name: name.workspace.clone(),
        ttl_ms: spec.ttl_millis,
        autostart_schedule: spec.autostart_schedule.clone().filter(|text| !text.is_empty()),
        automatic_updates: spec.automatic_updates.clone(),
        rich_parameter_values: given_values,
        template_version_preset_id: preset.map(|(id, _)| id),
    };
    let version_name = version.name.as_str().to_owned();
    Ok(Plan { request, version_name, values, user, template })
}

impl Plan {
    /// The workspace as it would be, for who only wants to know.
    pub(super) fn show<T>(
        &self,
        workspace: &str,
        user: &str,
        now: Timestamp,
        show: impl FnOnce(&Workspace<'_>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let unreadable = |_| Status::internal_error("what was read can no longer be read");
        let owner: User<'_> = coder::parse(&self.user.body).map_err(unreadable)?;
        let template: Template<'_> = coder::parse(&self.template.body).map_err(unreadable)?;
        let build = NewBuild {
            template_version_id: Some(self.request.template_version_id.clone()),
            ..NewBuild::new(Transition::Start)
        };
        let mut after = Workspace {
            created_at: now,
            owner_id: owner.id.clone(),
            owner_name: owner.username.clone(),
            organization_name: template.organization_name.clone(),
            template_id: template.id.clone(),
            template_name: template.name.clone(),
            template_active_version_id: template.active_version_id.clone(),
            latest_build: queued(&coder::Build::default(), &build, user, now),
            outdated: *self.request.template_version_id != *template.active_version_id,
            name: Text::from(workspace),
            autostart_schedule: self.request.autostart_schedule.as_deref().map(Text::from),
            ttl_ms: self.request.ttl_ms.or(Some(template.default_ttl_ms)),
            last_used_at: Some(now),
            automatic_updates: Text::from(self.request.automatic_updates.as_deref().unwrap_or("never")),
            ..Workspace::default()
        };
        after.health.healthy = true;
        after.latest_build.template_version_name = Text::from(self.version_name.as_str());
        show(&after)
    }
}

fn values(spec: &CoderWorkspaceManifest) -> Values {
    let mut values = Values::default();
    for parameter in spec.parameters.iter().flatten() {
        values.push(&parameter.name, &parameter.value);
    }
    values
}

/// Coder takes more for a name than the name.
fn alias(full_name: &str, what: &str, named: &str, is: &str) -> Cause {
    let why =
        format!("{what} that Coder calls {} has no other name here, such as {}", Quoted(is), Quoted(named));
    Cause::invalid("metadata.name", full_name, &why)
}

/// What it is that Coder does not have: the template, or its organization already.
async fn absent(write: Write<'_>, template: &TemplateName, full_name: &str) -> Result<Cause, Status> {
    let Write { cx, plane, .. } = write;
    match cx.coder(plane, Intent::Read, requests::organization(&template.organization)).await {
        Err(e) if e.class == Class::NotFound => Ok(not_found("metadata.name", &template.organization)),
        Err(e) => Err(failed(&e, &plane.namespace, full_name)),
        Ok(answer) => {
            let organization: Organization<'_> =
                coder::parse(&answer.body).map_err(|_| garbage(Intent::Read, &plane.namespace, full_name))?;
            Ok(match organization.name.eq_ignore_ascii_case(&template.organization) {
                true => not_found("spec.templateName", &template.template),
                false => alias(full_name, "the organization", &template.organization, &organization.name),
            })
        }
    }
}

/// The preset of that name: its id and values.
async fn choose(
    write: Write<'_>,
    presets: Pending<'_>,
    asked: &str,
    full_name: &str,
) -> Result<(String, Values), Status> {
    let namespace = &write.plane.namespace;
    let answer = settled(Intent::Evaluate, presets).await.map_err(|e| failed(&e, namespace, full_name))?;
    let presets: Option<Vec<Preset<'_>>> =
        coder::parse(&answer.body).map_err(|_| garbage(Intent::Read, namespace, full_name))?;
    let presets = presets.unwrap_or_default();
    let Some(preset) = presets.iter().find(|preset| *preset.name == *asked) else {
        let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
        let cause = Cause::not_supported("spec.templateVersionPreset", asked, &names);
        return Err(refused(full_name, vec![cause]));
    };
    let mut values = Values::default();
    preset.parameters.iter().for_each(|parameter| values.push(&parameter.name, &parameter.value));
    Ok((preset.id.as_str().to_owned(), values))
}
