//! When a kind is read in full: at once where somebody waits for it or something may have been missed, and else as often as Coder's time allows.
//!
//! Reads nothing itself.

use super::super::super::context::Cx;
use crate::config::Watch;
use crate::time::Millis;
use crate::watch::Kind;

/// How much later than the leader others read everything, in milliseconds.
const FOLLOWING: Millis = 300_000;
/// How long what is known is kept for those who come back, at least, in milliseconds.
const FORGOTTEN: Millis = 300_000;

/// A kind's full readings.
pub(super) struct Schedule {
    pub(super) kind: Kind,
    /// When one is to be made, if nobody wants one before; 0 before the first.
    next: Millis,
    /// None is made before.
    not_before: Millis,
    /// When that was said. Where it is later than the present, the clock was set back.
    said_at: Millis,
    /// One is to be made as soon as may be.
    pub(super) due: bool,
    /// Whether the last one was made as the leader, and nothing was missed since. Who begins to lead does not know what others have been told, nor what his
    /// predecessor had yet to tell.
    pub(super) led: bool,
    /// Whether the kind has been wanted ever since the last one.
    followed: bool,
}

impl Schedule {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, next: 0, not_before: 0, said_at: 0, due: false, led: false, followed: false }
    }

    /// Takes note of what this process is, and of whether somebody watches the kind: what nobody wants is not followed.
    pub(super) fn follow(&mut self, leads: bool, wanted: bool) {
        self.led &= leads;
        self.followed &= wanted;
    }

    /// Whether a reading is due. A process that has just taken this up does not know what it has missed, nor does one that begins to lead, of when nobody
    /// did. Others only make sure, now and then, that no ring was missed.
    pub(super) fn is_due(&self, now: Millis, leads: bool, waited_for: bool) -> bool {
        let next = if leads { self.next } else { self.next.saturating_add(FOLLOWING) };
        let missed = self.next == 0 || (leads && !self.led);
        now < self.said_at || ((waited_for || self.due || missed || now >= next) && now >= self.not_before)
    }

    /// How old what is known may be to be gone on from, in milliseconds. What was read before has been followed ever since; what another poll has read is
    /// taken up for as long as there need not have been another reading, and some time more, because clients come back.
    pub(super) fn forgets_after(&self, config: &Watch) -> Millis {
        if self.followed {
            return Millis::MAX;
        }
        FORGOTTEN.saturating_add(FOLLOWING).saturating_add(config.reading().saturating_mul(2))
    }

    /// Says when the next one is to be after one that is over. Whether that was the first as the leader.
    pub(super) fn rest(&mut self, cx: &Cx, began: Millis, leads: bool) -> bool {
        let config = &cx.filter.config.watch;
        let took = cx.now().saturating_sub(began).max(1);
        let share = Millis::from(config.reading_share).max(1);
        let rest = took.saturating_mul(100_i64.saturating_sub(share)).checked_div(share).unwrap_or_default();
        self.said_at = cx.now();
        self.next = cx.now().saturating_add(jittered(cx, rest.max(config.reading())));
        // Also where somebody waits, Coder has as long for others as it had for this.
        self.not_before = cx.now().saturating_add(took);
        self.followed = true;
        leads && !std::mem::replace(&mut self.led, leads)
    }
}

/// A little more or less, so that replicas do not all come at once.
pub(super) fn jittered(cx: &Cx, duration: Millis) -> Millis {
    let tenths = i64::try_from(cx.filter.random.next(cx.now()) % 20).unwrap_or_default();
    duration.saturating_add(duration.saturating_mul(tenths) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that was read at 1000 by a leader who found nothing that took long.
    fn read() -> Schedule {
        let first = Schedule::new(Kind::Workspaces);
        Schedule { next: 31_000, not_before: 1_001, said_at: 1_000, led: true, followed: true, ..first }
    }

    #[test]
    fn what_makes_it_due() {
        let check =
            |change: &dyn Fn(&mut Schedule), now: Millis, leads: bool, waited_for: bool, expect: bool| {
                let mut schedule = read();
                change(&mut schedule);
                assert_eq!(schedule.is_due(now, leads, waited_for), expect, "{now} {leads} {waited_for}");
            };
        let nothing = |_: &mut Schedule| {};
        check(&nothing, 30_999, true, false, false);
        check(&nothing, 31_000, true, false, true);
        check(&nothing, 31_000, false, false, false);
        check(&nothing, 331_000, false, false, true);
        check(&nothing, 2_000, true, true, true);
        check(&nothing, 1_000, true, true, false);
        check(&nothing, 900, true, false, true);
        check(&|schedule| schedule.due = true, 2_000, false, false, true);
        check(&|schedule| schedule.led = false, 2_000, true, false, true);
        check(&|schedule| schedule.led = false, 2_000, false, false, false);
        check(&|schedule| schedule.follow(false, true), 2_000, true, false, true);
        check(&|schedule| schedule.follow(true, true), 2_000, true, false, false);
        check(&|schedule| schedule.next = 0, 2_000, false, false, true);
    }

    #[test]
    fn what_was_not_followed_is_forgotten() {
        let config = Watch::default();
        let mut schedule = read();
        assert_eq!(schedule.forgets_after(&config), Millis::MAX);
        schedule.follow(false, true);
        assert_eq!(schedule.forgets_after(&config), Millis::MAX);
        schedule.follow(true, false);
        schedule.follow(true, true);
        assert_eq!(schedule.forgets_after(&config), 660_000);
    }
}
