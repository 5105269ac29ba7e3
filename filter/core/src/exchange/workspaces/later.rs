//! What is done after a request was answered, because Coder takes one build at a time: the stop that follows a new workspace's start, and
//! the deletion of what a late build has brought back.
//!
//! It lives in this process; the wish for a stop is written down as well ([`wish`]). Nothing is held up by it.

use super::builds::{self, Now};
use super::wish;
use crate::coder::errors::Class;
use crate::coder::requests::{NewBuild, Transition};
use crate::coder::{self, Workspace};
use crate::config::ControlPlane;
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::quote::Quoted;
use crate::time::Millis;

/// How long is waited for a build to end.
const GIVE_UP: Millis = 3_600_000;
/// First and longest pause between two looks.
const PAUSE: (Millis, Millis) = (1_000, 30_000);

/// Pauses that grow, until it is time to give up.
struct Patience {
    pause: Millis,
    until: Millis,
}

impl Patience {
    fn new(cx: &Cx) -> Self {
        Self { pause: PAUSE.0, until: cx.now().saturating_add(GIVE_UP) }
    }

    /// Pauses, or says that it has been long enough.
    async fn wait(&mut self, cx: &Cx) -> bool {
        let next = cx.now().saturating_add(self.pause);
        if next > self.until {
            return false;
        }
        cx.port.sleep_until(next).await;
        self.pause = self.pause.saturating_mul(2).min(PAUSE.1);
        true
    }
}

/// What it came to, for the log.
fn said(code: u16, id: &str, what: &str) -> Reply {
    Reply::new(code, "text/plain", format!("workspace {} {what}", Quoted(id)).into_bytes())
}

/// Stops a new workspace as soon as its first build has started it, unless somebody else has asked for another build by then.
pub(super) fn stop(cx: &Cx, plane: &ControlPlane, id: &str, build: &str) {
    let (plane, id, build) = (plane.clone(), id.to_owned(), build.to_owned());
    cx.spawn(|cx| async move {
        let reply = stopped(&cx, &plane, &id, &build).await;
        // What was not done in time stays wished for: some process takes it up again.
        if reply.status != 504 {
            wish::forget(&cx, &id).await;
        }
        reply
    });
}

async fn stopped(cx: &Cx, plane: &ControlPlane, id: &str, build: &str) -> Reply {
    let mut patience = Patience::new(cx);
    while patience.wait(cx).await {
        let answer = match builds::look(cx, plane, id).await {
            Now::There(answer) => answer,
            Now::Gone => return said(200, id, "is gone, and need not be stopped"),
            Now::Unknown => continue,
        };
        let Ok(workspace) = coder::parse::<Workspace<'_>>(&answer.body) else { continue };
        let latest = &workspace.latest_build;
        if *latest.id != *build {
            return said(200, id, "is left as it is: there is a later build than its first");
        }
        match latest.job.status.as_str() {
            "pending" | "running" | "canceling" => {}
            "succeeded" => {
                match builds::queue(cx, plane, id, &NewBuild::new(Transition::Stop)).await {
                    Ok(_) => {
                        let _ = builds::after(cx, plane, "", id).await;
                        return said(200, id, "is being stopped, as it was asked for when it was made");
                    }
                    // Whether this is so, or whether the stop is under way all the same, the next look tells.
                    Err(e)
                        if matches!(
                            e.class,
                            Class::OutcomeUnknown { .. }
                                | Class::Unavailable
                                | Class::TooManyRequests { .. }
                                | Class::Conflict
                        ) => {}
                    Err(e) => return said(500, id, &format!("could not be stopped: {}", e.text())),
                }
            }
            _ => return said(200, id, "has failed to start, and is not stopped"),
        }
    }
    said(504, id, "was not stopped: its first build did not end in time, or Coder could not be asked")
}

/// Deletes what was gone already, once the build that came too late has ended.
pub(super) fn delete(cx: &Cx, plane: &ControlPlane, id: &str) {
    let (plane, id) = (plane.clone(), id.to_owned());
    cx.spawn(|cx| async move {
        let mut patience = Patience::new(&cx);
        loop {
            match builds::queue(&cx, &plane, &id, &NewBuild::new(Transition::Delete)).await {
                Ok(_) => return said(200, &id, "is deleted again: a build came after its deletion"),
                Err(e) if e.class == Class::NotFound => return said(200, &id, "is gone"),
                Err(_) => {}
            }
            if !patience.wait(&cx).await {
                return said(504, &id, "was not deleted again, though a build came after its deletion");
            }
        }
    });
}
