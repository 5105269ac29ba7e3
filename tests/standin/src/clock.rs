//! Instants, as Coder's database keeps them: microseconds since the Unix epoch, no two alike.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) i64);

impl Instant {
    /// The present, later than every present before it.
    pub(crate) fn now() -> Self {
        static LAST: AtomicI64 = AtomicI64::new(0);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() as i64;
        let last = LAST.fetch_max(clock, Ordering::Relaxed);
        if clock > last { Self(clock) } else { Self(LAST.fetch_add(1, Ordering::Relaxed) + 1) }
    }

    /// This many milliseconds later.
    pub(crate) fn plus_ms(self, ms: i64) -> Self {
        Self(self.0 + ms * 1000)
    }

    /// Milliseconds from `earlier` to this.
    pub(crate) fn ms_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0) / 1000
    }

    /// Without what lies below a millisecond, as provisioners stamp their logs.
    pub(crate) fn to_ms(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1000))
    }

    /// As Go writes it: RFC 3339 in UTC, fractions without trailing zeros.
    pub(crate) fn rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1000;
        let instant = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        instant.format(&Rfc3339).unwrap_or_default()
    }

    /// In whole seconds, as Kubernetes writes it.
    pub(crate) fn seconds(self) -> String {
        Self(self.0 - self.0.rem_euclid(1_000_000)).rfc3339()
    }

    /// Reads RFC 3339.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self((instant.unix_timestamp_nanos() / 1000) as i64))
    }

    /// The calendar view, in UTC.
    pub(crate) fn calendar(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000_000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::Instant;

    #[test]
    fn instants_read_as_go_writes_them() {
        let check = |micros: i64, expect: &str| assert_eq!(Instant(micros).rfc3339(), expect);
        check(0, "1970-01-01T00:00:00Z");
        check(1_500_000, "1970-01-01T00:00:01.5Z");
        check(1_784_714_400_000_010, "2026-07-22T10:00:00.00001Z");
    }

    #[test]
    fn no_two_presents_are_alike() {
        let mut last = Instant::now();
        for _ in 0..10_000 {
            let now = Instant::now();
            assert!(now > last);
            last = now;
        }
    }
}
