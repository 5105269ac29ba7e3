//! Promotion: a version that was asked for becomes the active one as soon as its import has succeeded.
//!
//! What is to be promoted is written on the versions themselves (`convert::version`), so anybody may do it, at any time, more than once: whoever made the
//! version waits for it, whoever reads the template helps (`help`), and every process looks for what was left behind (`scan`).

use crate::coder::errors::{Class, Intent};
use crate::coder::{self, Template, TemplateVersion, requests};
use crate::config::ControlPlane;
use crate::convert::{View, version};
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::quote::Quoted;
use crate::time::Millis;

/// How long an import is waited for, in milliseconds. What takes longer is found by those who look.
const PATIENCE: Millis = 3_600_000;
/// Milliseconds between two looks, at first and at most.
const FIRST: Millis = 500;
const LONGEST: Millis = 30_000;

/// What has become of what was to be promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is the active version now.
    Promoted,
    /// Its import is still under way.
    Importing,
    /// Nothing is to be promoted, or its import has failed.
    Nothing,
    /// Coder could not be asked, or refuses: try again later.
    Failed,
}

/// Promotes what a template waits for, if it is ready, and takes the mark off.
pub(super) async fn promote(cx: &Cx, plane: &ControlPlane, template: &str) -> Outcome {
    let ask = async |request| cx.coder(plane, Intent::Read, request).await;
    let template = match ask(requests::template(template)).await {
        Ok(answer) => answer.body,
        Err(e) if e.class == Class::NotFound => return Outcome::Nothing,
        Err(_) => return Outcome::Failed,
    };
    let Ok(template) = coder::parse::<Template<'_>>(&template) else { return Outcome::Failed };
    let Ok(versions) = ask(requests::template_versions(&template.id)).await else { return Outcome::Failed };
    let Ok(versions) = coder::parse::<Vec<TemplateVersion<'_>>>(&versions.body) else {
        return Outcome::Failed;
    };
    let Some(wanted) = version::wanted(&versions, &template.active_version_id) else {
        return Outcome::Nothing;
    };
    match wanted.job.status.as_str() {
        "succeeded" => {}
        _ if wanted.job.is_finished() => return Outcome::Nothing,
        _ => return Outcome::Importing,
    }
    let promoted = cx.coder(plane, Intent::Change, requests::promote(&template.id, &wanted.id)).await;
    if promoted.is_err() {
        return Outcome::Failed;
    }
    // Where this gets lost the mark does no harm: the version is active, so nothing is to be promoted.
    let _ =
        cx.coder(plane, Intent::Change, requests::set_version_message(&wanted.id, version::unmarked())).await;
    Outcome::Promoted
}

/// Waits in the background until a version has been imported, and promotes it.
pub(super) fn follow(cx: &Cx, plane: &ControlPlane, template: &str, version: &str) {
    let (namespace, template, version) = (plane.namespace.clone(), template.to_owned(), version.to_owned());
    cx.spawn(move |cx| async move {
        let Some(plane) = cx.filter.planes.plane(&namespace) else { return nothing() };
        let end = cx.now().saturating_add(PATIENCE);
        let mut pause = FIRST;
        while cx.now() < end {
            cx.port.sleep_until(cx.now().saturating_add(pause)).await;
            pause = pause.saturating_mul(2).min(LONGEST);
            match cx.coder(&plane, Intent::Read, requests::template_version(&version)).await {
                Ok(answer) => match coder::parse::<TemplateVersion<'_>>(&answer.body) {
                    Ok(version) if version.job.is_finished() => {}
                    _ => continue,
                },
                Err(e) if e.class == Class::NotFound => return nothing(),
                Err(_) => continue,
            }
            match promote(&cx, &plane, &template).await {
                Outcome::Promoted => return promoted(&namespace, &template),
                Outcome::Nothing => return nothing(),
                Outcome::Importing | Outcome::Failed => {}
            }
        }
        nothing()
    });
}

/// Promotes in the background what is ready, unless this worker is just doing so.
pub(super) fn help(cx: &Cx, plane: &ControlPlane, template: &Template<'_>, view: View<'_>) {
    let Some(wanted) = view.wanted.filter(|version| version.job.status.as_str() == "succeeded") else {
        return;
    };
    let key = [plane.namespace.as_bytes(), b"/", wanted.id.as_bytes()].concat();
    if cx.filter.promotions.get(&key, cx.now()).is_some() {
        return;
    }
    cx.filter.promotions.put(key, (), cx.now());
    let (namespace, template) = (plane.namespace.clone(), template.id.as_str().to_owned());
    cx.spawn(move |cx| async move {
        // It was asked for by whoever made the version, not by whoever happens to look.
        cx.user.replace(String::new());
        let Some(plane) = cx.filter.planes.plane(&namespace) else { return nothing() };
        match promote(&cx, &plane, &template).await {
            Outcome::Promoted => promoted(&namespace, &template),
            _ => nothing(),
        }
    });
}

/// For the log.
pub(super) fn promoted(namespace: &str, template: &str) -> Reply {
    let line = format!("Coder of namespace {}: template {template} has its new version", Quoted(namespace));
    Reply::new(200, "text/plain", line.into_bytes())
}

/// For the log, which has nothing to say.
pub(super) fn nothing() -> Reply {
    Reply::new(200, "text/plain", Vec::new())
}
