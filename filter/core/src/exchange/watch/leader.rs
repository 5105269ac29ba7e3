//! Which replica looks for changes in Coder. Its name stands in a Lease of its own, because renewing it must not wake everybody.
//!
//! The others follow: they read what the bell names. What they want to have watched they write into the same Lease, with the moment until which it
//! holds.

use super::super::context::Cx;
use super::{LINGER, SAID, bell, subjects};
use crate::config::Bell;
use crate::json::{self, Fields, object};
use crate::time::{self, Millis};
use crate::watch::{Subject, Want};
use std::borrow::Cow;

/// How long a holder is believed to be there after a sign of life, in milliseconds.
const LEASE: Millis = 15_000;
/// How often the holder gives one, and others look.
const RENEWED: Millis = 5_000;
/// How often it is tried to change a Lease that somebody else changes in the same moment.
const TRIES: u32 = 4;
/// A holder that has not reached Coder for so long gives way, if there are others, and for so long leaves it to them.
const FAILING: Millis = 15_000;
/// What a process wants to have watched: this, and its name.
const WANTS: &str = "wants.aggregation.coder.com/";

#[derive(Default)]
struct Lease<'a> {
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

object!(Lease<'a> { metadata } { spec });

#[derive(Default)]
struct Metadata<'a> {
    version: Cow<'a, str>,
    annotations: Fields<Cow<'a, str>, Cow<'a, str>>,
}

object!(Metadata<'a> { version as "resourceVersion" } { annotations });

#[derive(Default)]
struct Spec<'a> {
    holder: Cow<'a, str>,
    renewed: Cow<'a, str>,
}

object!(Spec<'a> {} { holder as "holderIdentity", renewed as "renewTime" });

/// A process's part in the election.
#[derive(Default)]
pub(super) struct Election {
    next: Millis,
    /// The Lease's version when the holder's last sign of life was seen, and when that was by our clock.
    seen: (String, Millis),
    holds: bool,
    /// The Lease says so, too.
    has_said: bool,
    /// When this process last gave way; 0 when it never has.
    gave_way: Millis,
}

impl Election {
    /// Looks, when it is time, whether there is a leader, and becomes it if there is none.
    pub(super) async fn go_on(&mut self, cx: &Cx, bell: &Bell) {
        if time::has_come(self.next, cx.now(), RENEWED) {
            self.next = cx.now().saturating_add(RENEWED);
            for _ in 0..TRIES {
                if self.look(cx, bell).await {
                    return;
                }
            }
            cx.filter.watching.leads.set(Some(self.holds));
        }
    }

    /// Whether that is all. It is not when somebody else has changed the Lease meanwhile; then nothing is known yet.
    async fn look(&mut self, cx: &Cx, bell: &Bell) -> bool {
        let watching = &cx.filter.watching;
        let me = watching.hub.process();
        let answer = bell::send(cx, bell, "GET", &bell.poller_lease, Vec::new()).await;
        let now = cx.now();
        let lease = answer.as_ref().ok().filter(|answer| answer.status == 200);
        let Some(lease) = lease.and_then(|answer| json::read::<Lease<'_>>(&answer.body).ok()) else {
            // Who cannot ask leads: better twice than not at all.
            if self.is_silent(now) {
                watching.leads.set(Some(true));
            }
            return true;
        };
        let others = self.hear_wants(cx, &lease, &me);
        watching.hub.alone(Some(!others));
        let sign = [&*lease.spec.holder, " ", &lease.spec.renewed].concat();
        if self.seen.0 != sign {
            // A sign of life that was already old when it was first seen is none.
            let renewed = time::parse(&lease.spec.renewed).unwrap_or_default();
            let old = self.seen.0.is_empty() && now.saturating_sub(renewed) > LEASE;
            self.seen = (sign, if old { 0 } else { now });
        }
        let free = lease.spec.holder.is_empty() || self.is_silent(now);
        let (mine, failing) = (lease.spec.holder == me, &watching.failing_since);
        let gives_way = mine && others && failing.get() != 0 && now.saturating_sub(failing.get()) > FAILING;
        if gives_way {
            self.gave_way = now;
        }
        let leaves_it = (0..=FAILING).contains(&now.saturating_sub(self.gave_way));
        let held = self.holds;
        self.holds = (mine && !gives_way) || (free && !(others && leaves_it));
        if self.holds && !held {
            // How Coder is now will be seen.
            failing.set(0);
        }
        if !self.holds && lease.spec.holder != me && !self.must_say(cx, &lease, &me, now) {
            watching.leads.set(Some(false));
            return true;
        }
        let holder = if self.holds {
            &me
        } else if lease.spec.holder == me {
            ""
        } else {
            &*lease.spec.holder
        };
        let body = self.body(cx, &lease, &me, holder);
        let status = bell::patch(cx, bell, &bell.poller_lease, body).await.map_or(0, |answer| answer.status);
        if status == 409 {
            self.holds &= mine;
            return false;
        }
        self.has_said = self.holds && status == 200;
        // Who cannot say that he leads does so all the same, as long as nobody else says so.
        watching.leads.set(Some(self.holds));
        true
    }

    /// Whether nobody who holds the Lease is believed to be there. A clock that was set back must not make him live longer.
    fn is_silent(&self, now: Millis) -> bool {
        now.saturating_sub(self.seen.1).unsigned_abs() > LEASE.unsigned_abs()
    }

    /// What others want to have watched is watched here, too. Whether there are others.
    fn hear_wants(&self, cx: &Cx, lease: &Lease<'_>, me: &str) -> bool {
        let mut others = false;
        for (name, value) in &lease.metadata.annotations.0 {
            let Some(process) = name.strip_prefix(WANTS) else { continue };
            let mut words = value.split(' ');
            let until = words.next().and_then(|until| until.parse::<Millis>().ok()).unwrap_or_default();
            if process != me && until > cx.now() {
                others = true;
                for subject in words.filter_map(Subject::parse) {
                    let want = Want { watched_at: cx.now(), ..Want::default() };
                    cx.filter.watching.hub.wants.want(&subject, want);
                }
            }
        }
        others
    }

    /// Whether what this process wants to have watched must be said again.
    fn must_say(&self, cx: &Cx, lease: &Lease<'_>, me: &str, now: Millis) -> bool {
        let said = lease.metadata.annotations.0.iter().find(|(name, _)| name.strip_prefix(WANTS) == Some(me));
        let Some((_, said)) = said else { return true };
        let mut words = said.split(' ');
        let until = words.next().and_then(|until| until.parse::<Millis>().ok()).unwrap_or_default();
        let said: Vec<&str> = words.collect();
        time::has_come(until.saturating_sub(LINGER / 2), now, LINGER / 2)
            || wanted(cx, now).iter().any(|subject| !said.contains(&subject.key().as_str()))
    }

    fn body(&self, cx: &Cx, lease: &Lease<'_>, me: &str, holder: &str) -> Vec<u8> {
        let now = cx.now();
        let mut annotations = String::new();
        // Whoever has gone takes nothing along.
        for (name, value) in &lease.metadata.annotations.0 {
            let until = value.split(' ').next().and_then(|until| until.parse::<Millis>().ok());
            let gone = until.is_none_or(|until| until < now);
            if name.strip_prefix(WANTS).is_some_and(|process| process != me) && gone {
                annotations.push_str(&bell::quoted(name));
                annotations.push_str(":null,");
            }
        }
        let mut wants = now.saturating_add(LINGER).to_string();
        for subject in wanted(cx, now) {
            wants.push(' ');
            wants.push_str(&subject.key());
        }
        annotations.push_str(&bell::quoted(&[WANTS, me].concat()));
        annotations.push(':');
        annotations.push_str(&bell::quoted(&wants));
        let renewed = if holder == me {
            format!(r#","renewTime":"{}","leaseDurationSeconds":15"#, micro_time(now))
        } else {
            String::new()
        };
        let (version, holder) = (bell::quoted(&lease.metadata.version), bell::quoted(holder));
        let body = format!(
            r#"{{"metadata":{{"resourceVersion":{version},"annotations":{{{annotations}}}}},"spec":{{"holderIdentity":{holder}{renewed}}}}}"#
        );
        body.into_bytes()
    }

    /// Gives way at once, so that another replica need not wait: unless one has taken its place already.
    pub(super) async fn resign(self, cx: &Cx, bell: &Bell) {
        // Nor has another worker of this process, which goes by the same name.
        if !self.has_said || cx.filter.watching.hub.take_turn(cx.now()).is_none() {
            return;
        }
        let Ok(answer) = bell::send(cx, bell, "GET", &bell.poller_lease, Vec::new()).await else { return };
        let Ok(lease) = json::read::<Lease<'_>>(&answer.body) else { return };
        if lease.spec.holder == cx.filter.watching.hub.process() {
            let version = bell::quoted(&lease.metadata.version);
            let body =
                format!(r#"{{"metadata":{{"resourceVersion":{version}}},"spec":{{"holderIdentity":""}}}}"#);
            let _ = bell::patch(cx, bell, &bell.poller_lease, body.into_bytes()).await;
        }
    }
}

/// What all workers of this process have streams of.
fn wanted(cx: &Cx, now: Millis) -> Vec<Subject> {
    let wants = &cx.filter.watching.hub.wants;
    subjects(&cx.filter.planes.all()).filter(|subject| wants.of(subject).is_watched_here(now, SAID)).collect()
}

/// `metav1.MicroTime`.
fn micro_time(now: Millis) -> String {
    format!("{}.{:03}000Z", time::format(now).trim_end_matches('Z'), now.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_times_have_six_digits() {
        assert_eq!(micro_time(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(micro_time(1_795_255_200_123), "2026-11-21T10:00:00.123000Z");
    }
}
