//! A change is made: its settings one after the other, then its build. What was made is undone when what follows is refused, and where an
//! outcome is unknown nothing more is done and the answer says which part that is.

use super::builds;
use crate::coder::errors::{Class, CoderError, Intent};
use crate::coder::requests::{self, Setting, Transition};
use crate::config::ControlPlane;
use crate::convert::workspace_change::{Change, Changed};
use crate::exchange::context::Cx;
use crate::exchange::port::Answer;
use crate::kube::status::Status;

/// Which workspace is changed.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) cx: &'a Cx,
    pub(super) plane: &'a ControlPlane,
    pub(super) name: &'a str,
    /// Coder's.
    pub(super) id: &'a str,
}

/// Makes it. Returns the workspace as it then is, where Coder says so.
///
/// # Errors
/// What Coder refused, with everything as it was before, or what is known of a change that was made in part.
pub(super) async fn carry_out(of: Subject<'_>, change: &Change) -> Result<Option<Answer>, Status> {
    for (place, changed) in change.settings.iter().enumerate() {
        if let Err(e) = of.set(&changed.to).await {
            let (made, rest) = change.settings.split_at(place);
            let rest =
                rest.iter().skip(1).map(Changed::field).chain(change.build.as_ref().map(|_| "the build"));
            return Err(of.stopped(&e, changed.field(), made, rest.collect()).await);
        }
    }
    let Some(build) = &change.build else {
        return Ok(match builds::look(of.cx, of.plane, of.id).await {
            builds::Now::There(answer) => Some(answer),
            builds::Now::Gone | builds::Now::Unknown => None,
        });
    };
    match builds::queue(of.cx, of.plane, of.id, build).await {
        // A delete brings nothing back.
        Ok(answer) if build.transition == Transition::Delete => Ok(Some(answer)),
        Ok(_) => builds::after(of.cx, of.plane, of.name, of.id).await,
        Err(e) => Err(of.stopped(&e, "the build", &change.settings, Vec::new()).await),
    }
}

impl Subject<'_> {
    async fn set(&self, setting: &Setting) -> Result<Answer, CoderError> {
        self.cx.coder(self.plane, Intent::Change, requests::set(self.id, setting)).await
    }

    /// What to say when one part did not come off, once those before it are undone if they can be.
    async fn stopped(&self, e: &CoderError, part: &str, made: &[Changed], rest: Vec<&str>) -> Status {
        let mut status = builds::refused(e, self.plane, self.name);
        if matches!(e.class, Class::OutcomeUnknown { .. }) {
            let made = made.iter().map(Changed::field).collect();
            add(&mut status, &[("unknown: ", vec![part]), ("changed: ", made), ("not changed: ", rest)]);
            return status;
        }
        let (mut left, mut unknown) = (Vec::new(), Vec::new());
        for changed in made.iter().rev() {
            match self.set(&changed.from).await {
                Ok(_) => {}
                Err(e) if matches!(e.class, Class::OutcomeUnknown { .. }) => unknown.push(changed.field()),
                Err(_) => left.push(changed.field()),
            }
        }
        let said = [("changed all the same: ", left), ("changed and perhaps not put back: ", unknown)];
        add(&mut status, &said);
        status
    }
}

/// Adds lists to the message, those that are not empty.
fn add(status: &mut Status, lists: &[(&str, Vec<&str>)]) {
    for (what, fields) in lists.iter().filter(|(_, fields)| !fields.is_empty()) {
        status.message.push_str("; ");
        status.message.push_str(what);
        status.message.push_str(&fields.join(", "));
    }
}
