//! The wish that a new workspace be stopped, written down before its creation is answered: an annotation of a Lease of the filter's, which outlives
//! this process. Whoever carries it out takes it away; once a minute every process looks for those that nobody has carried out.
//!
//! Without a bell there is no such Lease, and the wish lives and dies with the process.

use super::later;
use crate::exchange::context::Cx;
use crate::exchange::watch::{bell, is_id};
use crate::json::{self, Fields, object};
use crate::time::{DAY, Millis};
use std::borrow::Cow;

/// The annotation's name, before the id of the workspace. Its value: when it was wished, the namespace, and the build that is to be followed by a stop.
const WISH: &str = "stop.aggregation.coder.com/";
/// After so long, in milliseconds, others than who has written it down carry it out as well.
const TAKEN_UP: Millis = 90_000;
/// After so long, in milliseconds, nobody will: Coder does not know the workspace any more, or does not show it.
const FORGOTTEN: Millis = 7 * DAY;

/// Writes it down.
pub(super) async fn write(cx: &Cx, namespace: &str, id: &str, build: &str) {
    cx.filter.wishes.put(id.as_bytes().to_vec(), (), cx.now());
    // What is no id must not become words of the wish, which is carried out in whichever namespace it names.
    if is_id(id) && is_id(build) {
        annotate(cx, id, Some(&format!("{} {namespace} {build}", cx.now()))).await;
    }
}

/// It has been carried out, or cannot be.
pub(super) async fn forget(cx: &Cx, id: &str) {
    if is_id(id) {
        annotate(cx, id, None).await;
    }
}

async fn annotate(cx: &Cx, id: &str, value: Option<&str>) {
    let Some(bell) = &cx.filter.config.watch.bell else { return };
    // Where it cannot be written down it is carried out all the same, as long as this process lives.
    let _ = bell::patch(cx, bell, &bell.poller_lease, bell::annotation(&[WISH, id].concat(), value)).await;
}

#[derive(Default)]
struct Lease<'a> {
    metadata: Metadata<'a>,
}

object!(Lease<'a> { metadata } {});

#[derive(Default)]
struct Metadata<'a> {
    annotations: Fields<Cow<'a, str>, Cow<'a, str>>,
}

object!(Metadata<'a> {} { annotations });

/// Carries out what others have not.
pub(in crate::exchange) async fn take_up(cx: &Cx) {
    let Some(bell) = &cx.filter.config.watch.bell else { return };
    let Ok(answer) = bell::send(cx, bell, "GET", &bell.poller_lease, Vec::new()).await else { return };
    let Ok(lease) = json::read::<Lease<'_>>(&answer.body) else { return };
    for (name, value) in &lease.metadata.annotations.0 {
        let mut words = value.split(' ');
        let (Some(id), Some(wished), Some(namespace), Some(build)) =
            (name.strip_prefix(WISH), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let age = wished.parse::<Millis>().map_or(0, |wished| cx.now().saturating_sub(wished));
        if age > FORGOTTEN {
            forget(cx, id).await;
            continue;
        }
        let old = age > TAKEN_UP;
        if let Some(plane) = cx.filter.planes.plane(namespace)
            && old
            && cx.filter.wishes.get(id.as_bytes(), cx.now()).is_none()
        {
            cx.filter.wishes.put(id.as_bytes().to_vec(), (), cx.now());
            later::stop(cx, &plane, id, build);
        }
    }
}
