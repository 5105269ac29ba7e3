//! At start: what may the users of Coder do whose tokens Envoy adds? Said in the log, because a user with fewer rights than an Owner sees
//! fewer objects, and Kubernetes' clients would take those for deleted.

use super::context::{Cx, settled};
use super::reply::Reply;
use crate::coder::errors::{Class, Intent};
use crate::coder::{self, requests};
use crate::config::ControlPlane;
use crate::json::object;
use crate::kube::quote::Quoted;

/// Coder's answer to [`requests::authcheck`].
#[derive(Default)]
struct Rights {
    workspaces: bool,
    templates: bool,
    jobs: bool,
}

object!(Rights { workspaces, templates, jobs } {});

/// Asks every Coder. The reply is for the log, a line for each: 200 when all is well, 403 when rights are missing or credentials are not
/// accepted, 503 when one could not be asked and should be asked again.
pub(super) async fn check(cx: Cx) -> Reply {
    // Those that are discovered are asked when that happens.
    let all = cx.filter.planes.all();
    let fixed = all.iter().map(|mapping| &*mapping.plane).filter(|plane| plane.egress.is_none());
    let (code, log) = ask(&cx, &fixed.collect::<Vec<_>>()).await;
    Reply::new(code, "text/plain", log.into_bytes())
}

/// What is to be said of these Coders, and the worst of it.
pub(super) async fn ask(cx: &Cx, planes: &[&ControlPlane]) -> (u16, String) {
    let planes = planes.iter();
    let asked: Vec<_> = planes.map(|plane| (plane, cx.send_to_coder(plane, requests::authcheck()))).collect();
    let (mut code, mut log) = (200, String::new());
    for (plane, pending) in asked {
        let (status, said) = match settled(Intent::Read, pending).await {
            Ok(answer) => match coder::parse::<Rights>(&answer.body) {
                Ok(rights) => judge(&rights),
                Err(_) => (503, "gave no answer of use to the check of its token".to_owned()),
            },
            Err(e) if e.class == Class::Credentials => (403, "does not accept its token".to_owned()),
            Err(_) => (503, "could not be asked what its token allows".to_owned()),
        };
        code = code.max(status);
        log.push_str(if log.is_empty() { "" } else { "\n" });
        log.push_str(&format!("Coder of namespace {} {said}", Quoted(&plane.namespace)));
    }
    (code, log)
}

fn judge(rights: &Rights) -> (u16, String) {
    let missing: Vec<&str> = [
        ("workspaces", rights.workspaces),
        ("templates", rights.templates),
        ("provisioner jobs", rights.jobs),
    ]
    .into_iter()
    .filter_map(|(name, allowed)| (!allowed).then_some(name))
    .collect();
    match missing.is_empty() {
        true => (200, "accepts its token, which may read and change everything".to_owned()),
        false => (
            403,
            format!(
                "does not let its token read and change all {}: it should be an Owner's",
                missing.join(", ")
            ),
        ),
    }
}
