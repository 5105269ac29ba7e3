//! When a plugin's tick is wanted next. Pure: says which period to set, and leaves setting it to others.
//!
//! The host starts a period anew each time one is set, so it is set only when the next tick would come too late; one that comes
//! too early does no harm, and no tick at all comes while nothing waits for one.

use crate::work::Millis;

/// Longest period: a clock that was set back must not put an alarm off for longer.
const LONGEST: Millis = 30_000;

/// See the module.
#[derive(Clone, Copy, Default)]
pub(crate) struct Alarm {
    /// The moment of the next tick; none while the host makes none.
    next: Option<Millis>,
}

impl Alarm {
    /// A tick has come; the host goes on ticking.
    pub(crate) fn ticked(&mut self) {
        self.next = Some(Millis::MAX);
    }

    /// A tick is wanted at `moment`. The period to set now, in milliseconds; 0 for no more ticks, `None` for no change.
    pub(crate) fn set(&mut self, moment: Option<Millis>, now: Millis) -> Option<u32> {
        match (moment, self.next) {
            (None, Some(Millis::MAX)) => {
                self.next = None;
                Some(0)
            }
            (None, _) => None,
            (Some(moment), Some(next)) if next <= moment => None,
            (Some(moment), _) => {
                let period = moment.saturating_sub(now).clamp(1, LONGEST);
                self.next = Some(now.saturating_add(period));
                u32::try_from(period).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_only_while_something_waits() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(None, 0), None);
        assert_eq!(alarm.set(Some(500), 100), Some(400));
        assert_eq!(alarm.set(Some(700), 200), None, "the earlier tick looks again");
        assert_eq!(alarm.set(Some(300), 200), Some(100));
        assert_eq!(alarm.set(None, 250), None, "it is left to come");
        alarm.ticked();
        assert_eq!(alarm.set(Some(700), 300), Some(400));
        alarm.ticked();
        assert_eq!(alarm.set(None, 700), Some(0));
        assert_eq!(alarm.set(None, 701), None);
    }

    #[test]
    fn a_moment_that_has_passed_and_one_far_away() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(Some(5), 100), Some(1));
        alarm.ticked();
        assert_eq!(alarm.set(Some(1_000_000), 100), Some(30_000));
        assert_eq!(alarm.set(Some(900_000), 100), None);
    }
}
