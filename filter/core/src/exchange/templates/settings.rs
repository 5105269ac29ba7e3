//! A template's settings: changed in one call, put back, and compared with what Coder has made of them.

use crate::coder::errors::{CoderError, Failure, Intent};
use crate::coder::{self, Template, TemplateSettings, requests};
use crate::config::ControlPlane;
use crate::convert::template_change::not_kept;
use crate::exchange::context::Cx;

/// Changes them. Returns the template as it then is; none where it was so already.
pub(super) async fn change(
    cx: &Cx,
    plane: &ControlPlane,
    template: &str,
    settings: &TemplateSettings<'_>,
) -> Result<Option<Vec<u8>>, CoderError> {
    let answer = cx.coder(plane, Intent::Change, requests::update_template(template, settings)).await?;
    if answer.status == 304 {
        return Ok(None);
    }
    let readable = coder::parse::<Template<'_>>(&answer.body).is_ok()
        && coder::parse::<TemplateSettings<'_>>(&answer.body).is_ok();
    if readable { Ok(Some(answer.body)) } else { Err(CoderError::new(Intent::Change, Failure::Garbage)) }
}

/// Tells the client what Coder has not kept of what it was asked for; `template` is Coder's answer.
pub(super) fn compare(cx: &Cx, asked: &TemplateSettings<'_>, template: &[u8]) {
    let Ok(kept) = coder::parse::<TemplateSettings<'_>>(template) else { return };
    let fields = not_kept(asked, &kept);
    if !fields.is_empty() {
        cx.warn(format!("not kept by Coder, perhaps for want of a licence: {}", fields.join(", ")));
    }
}

/// The template as it would be.
pub(super) fn projected<'a>(template: &Template<'a>, settings: &TemplateSettings<'a>) -> Template<'a> {
    let mut template = template.clone();
    for (field, text) in [
        (&mut template.display_name, &settings.display_name),
        (&mut template.description, &settings.description),
        (&mut template.icon, &settings.icon),
        (&mut template.deprecation_message, &settings.deprecation_message),
    ] {
        if let Some(text) = text {
            field.clone_from(text);
        }
    }
    template.deprecated = !template.deprecation_message.is_empty();
    template.default_ttl_ms = settings.default_ttl_ms;
    template.activity_bump_ms = settings.activity_bump_ms;
    template.allow_user_cancel_workspace_jobs = settings.allow_user_cancel_workspace_jobs;
    template.require_active_version = settings.require_active_version;
    template
}
