//! Moments as Coder and Kubernetes write them: RFC 3339 text and milliseconds since the Unix epoch.
//!
//! Refuses to know the present: every "now" is a parameter. Calendars other than UTC's and leap seconds
//! are not kept apart (`:60` reads as the second after `:59`, as Go's clients would print it).

use crate::json::{Read, Scalar, Unfit};
use core::fmt;
use serde::ser::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// One day in milliseconds.
pub const DAY: Millis = 86_400_000;

/// 9999-12-31T23:59:59.999Z, the last moment that four digits can name.
const LAST: Millis = 253_402_300_799_999;
/// 0000-01-01T00:00:00Z.
const FIRST: Millis = -62_167_219_200_000;

/// Whether a moment has come that was set `longest` milliseconds ahead at most: one that lies further ahead was set before the clock was set back.
pub fn has_come(moment: Millis, now: Millis, longest: Millis) -> bool {
    !(1..=longest).contains(&moment.saturating_sub(now))
}

/// Whether something was said for less than that long ago, in milliseconds. What lies further ahead than that was said before the clock was set back.
pub fn is_recent(said_at: Millis, now: Millis, within: Millis) -> bool {
    !has_come(said_at.saturating_add(within), now, within.saturating_mul(2))
}

/// A moment together with its text in the form of Kubernetes' `metav1.Time` (UTC, whole seconds), so that
/// an answer can borrow the text instead of formatting it again. Copied, never allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    millis: Millis,
    text: [u8; 20],
}

impl Timestamp {
    /// Reads RFC 3339 text with any fraction and offset; digits below the millisecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let (millis, utc) = read(text.as_bytes())?;
        match text.as_bytes().first_chunk::<19>() {
            Some(head) if utc => {
                let mut text = [b'Z'; 20];
                text.iter_mut().zip(head).for_each(|(to, from)| *to = from.to_ascii_uppercase());
                Some(Self { millis, text })
            }
            _ => Some(Self::from_millis(millis)),
        }
    }

    /// The moment `millis` after the epoch, held within the years 0 to 9999.
    pub fn from_millis(millis: Millis) -> Self {
        let millis = millis.clamp(FIRST, LAST);
        Self { millis, text: write(millis) }
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(&self) -> Millis {
        self.millis
    }

    /// `2006-01-02T15:04:05Z`: the fraction is cut, as Kubernetes shows times.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Go's zero time and anything before the epoch, which Coder sends for "never".
    pub fn is_zero(&self) -> bool {
        self.millis <= 0
    }

    /// The last multiple of `unit` milliseconds (counted from the epoch) that is not after this moment.
    pub fn floor(&self, unit: Millis) -> Self {
        let rest = self.millis.checked_rem_euclid(unit).unwrap_or(0);
        if rest == 0 { *self } else { Self::from_millis(self.millis.saturating_sub(rest)) }
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.millis.cmp(&other.millis)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ms)", self.as_str(), self.millis)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The epoch, which stands for "never" as Go's zero time does.
impl Default for Timestamp {
    fn default() -> Self {
        Self { millis: 0, text: *b"1970-01-01T00:00:00Z" }
    }
}

impl Read<'_> for Timestamp {
    fn expected(&self) -> &'static str {
        "an RFC 3339 time"
    }
    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Unfit> {
        let Scalar::Text(text) = scalar else { return Err(Unfit::Kind) };
        *self = Self::parse(&text).ok_or_else(|| Unfit::Value("not an RFC 3339 time".to_owned()))?;
        Ok(())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Reads RFC 3339 text; `None` for anything else.
pub fn parse(text: &str) -> Option<Millis> {
    read(text.as_bytes()).map(|(millis, _)| millis)
}

/// Writes `millis` as `2006-01-02T15:04:05Z`.
pub fn format(millis: Millis) -> String {
    Timestamp::from_millis(millis).as_str().to_owned()
}

/// The moment, and whether its digits are UTC's already.
fn read(text: &[u8]) -> Option<(Millis, bool)> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, t, h0, h1, b':', n0, n1, b':', s0, s1] = *head else {
        return None;
    };
    if !matches!(t, b'T' | b't' | b' ') {
        return None;
    }
    let year = two(y0, y1)?.saturating_mul(100).saturating_add(two(y2, y3)?);
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    if !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (fraction, zone) = fraction(rest)?;
    let offset = offset(zone)?;
    let millis = days(year, month, day)
        .saturating_mul(DAY)
        .saturating_add(hour.saturating_mul(3_600_000))
        .saturating_add(minute.saturating_mul(60_000))
        .saturating_add(second.saturating_mul(1000))
        .saturating_add(fraction)
        .saturating_sub(offset.saturating_mul(60_000));
    Some((millis, offset == 0 && second < 60 && t != b' '))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |c: u8| c.is_ascii_digit().then(|| i64::from(c & 0x0f));
    Some(digit(tens)?.saturating_mul(10).saturating_add(digit(ones)?))
}

/// Milliseconds of an optional fraction, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = rest.split_first() else { return Some((0, rest)) };
    let mut millis: i64 = 0;
    let mut unit: i64 = 100;
    let mut left = digits;
    while let Some((digit @ b'0'..=b'9', tail)) = left.split_first() {
        millis = millis.saturating_add(i64::from(digit & 0x0f).saturating_mul(unit));
        unit = unit.checked_div(10).unwrap_or(0);
        left = tail;
    }
    (left.len() < digits.len()).then_some((millis, left))
}

/// Minutes east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let east = hours.saturating_mul(60).saturating_add(minutes);
            Some(if sign == b'-' { east.saturating_neg() } else { east })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let every = |n: i64| year.checked_rem(n) == Some(0);
    match month {
        2 if every(4) && (!every(100) || every(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch, by Howard Hinnant's `days_from_civil` (a year that begins in March has its leap day last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = month.saturating_add(9).rem_euclid(12);
    let of_year =
        month.saturating_mul(153).saturating_add(2).div_euclid(5).saturating_add(day).saturating_sub(1);
    era.saturating_mul(146_097)
        .saturating_add(of_era.saturating_mul(365))
        .saturating_add(of_era.div_euclid(4))
        .saturating_sub(of_era.div_euclid(100))
        .saturating_add(of_year)
        .saturating_sub(719_468)
}

/// The inverse of [`days`]: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = of_era
        .saturating_sub(of_era.div_euclid(1460))
        .saturating_add(of_era.div_euclid(36_524))
        .saturating_sub(of_era.div_euclid(146_096))
        .div_euclid(365);
    let before =
        year.saturating_mul(365).saturating_add(year.div_euclid(4)).saturating_sub(year.div_euclid(100));
    let of_year = of_era.saturating_sub(before);
    let month = of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let day =
        of_year.saturating_sub(month.saturating_mul(153).saturating_add(2).div_euclid(5)).saturating_add(1);
    let month = if month < 10 { month.saturating_add(3) } else { month.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

fn write(millis: Millis) -> [u8; 20] {
    let (year, month, day) = civil(millis.div_euclid(DAY));
    let seconds = millis.rem_euclid(DAY).div_euclid(1000);
    let mut text = *b"0000-00-00T00:00:00Z";
    let mut put = |at: usize, value: i64, unit: i64| {
        let digit = value.div_euclid(unit).rem_euclid(10);
        if let Some(slot) = text.get_mut(at) {
            *slot = b'0'.saturating_add(u8::try_from(digit).unwrap_or(0));
        }
    };
    put(0, year, 1000);
    put(1, year, 100);
    for (at, value) in [
        (2, year),
        (5, month),
        (8, day),
        (11, seconds.div_euclid(3600)),
        (14, seconds.div_euclid(60).rem_euclid(60)),
        (17, seconds.rem_euclid(60)),
    ] {
        put(at, value, 10);
        put(at.saturating_add(1), value, 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lies_too_far_ahead_has_come() {
        let come = [99, 100, 101, 110, 111, Millis::MAX].map(|moment| has_come(moment, 100, 10));
        assert_eq!(come, [true, true, false, false, true, true]);
        assert!(has_come(Millis::MIN, 100, 10));
    }

    #[track_caller]
    fn check(input: &str, expect: Option<(Millis, &str)>) {
        let got = Timestamp::parse(input);
        assert_eq!(got.as_ref().map(|t| (t.millis(), t.as_str())), expect, "{input}");
        assert_eq!(parse(input), expect.map(|(millis, _)| millis), "{input}");
    }

    #[test]
    fn reads_what_coder_and_kubernetes_write() {
        check("1970-01-01T00:00:00Z", Some((0, "1970-01-01T00:00:00Z")));
        check("2026-11-21T09:55:05.35502Z", Some((1_795_254_905_355, "2026-11-21T09:55:05Z")));
        check("2026-11-21T10:55:05.355+01:00", Some((1_795_254_905_355, "2026-11-21T09:55:05Z")));
        check("2026-11-21t09:55:05z", Some((1_795_254_905_000, "2026-11-21T09:55:05Z")));
        check("2024-02-29T23:59:59-00:30", Some((1_709_252_999_000, "2024-03-01T00:29:59Z")));
        check("0001-01-01T00:00:00Z", Some((-62_135_596_800_000, "0001-01-01T00:00:00Z")));
        check("1999-12-31T23:59:60Z", Some((946_684_800_000, "2000-01-01T00:00:00Z")));
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        for input in [
            "",
            "2026-11-21",
            "2026-11-21T09:55:05",
            "2026-11-21T09:55:05.Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0100",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Zx",
        ] {
            check(input, None);
        }
    }

    #[test]
    fn floors_to_ten_minutes() {
        let t = Timestamp::parse("2026-11-21T09:55:05.3Z").unwrap();
        assert_eq!(t.floor(600_000).as_str(), "2026-11-21T09:50:00Z");
        assert_eq!(t.floor(600_000).floor(600_000).millis(), t.floor(600_000).millis());
    }

    proptest! {
        #[test]
        fn text_and_millis_are_inverse(millis in FIRST..=LAST) {
            let written = format(millis);
            prop_assert_eq!(parse(&written), Some(millis.saturating_sub(millis.rem_euclid(1000))));
            let moment = Timestamp::from_millis(millis);
            prop_assert_eq!(moment.as_str(), written);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
