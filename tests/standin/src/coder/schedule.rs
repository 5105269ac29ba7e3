//! Autostart schedules: weekly cron lines, `CRON_TZ=Europe/Berlin 30 9 * * 1-5`. There is no time zone database here: zones
//! are known by name where the machine has one, and times are computed as if every zone were UTC.

use time::Weekday;

use crate::clock::Instant;

/// A weekly schedule.
pub(crate) struct Schedule {
    minutes: Vec<u8>,
    hours: Vec<u8>,
    days: Vec<u8>,
}

impl Schedule {
    /// Parses a schedule; the error is what coderd says.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        let zone = fields.first().and_then(|first| first.strip_prefix("CRON_TZ="));
        if zone.is_some() {
            fields.remove(0);
        }
        let [minutes, hours, day_of_month, month, days] = fields[..] else {
            return Err(
                "validate weekly schedule: expected schedule to consist of 5 fields with an optional \
                        CRON_TZ=<timezone> prefix"
                    .into(),
            );
        };
        if day_of_month != "*" || month != "*" {
            return Err("validate weekly schedule: expected day-of-month and month to be *".into());
        }
        if let Some(zone) = zone.filter(|zone| !is_zone(zone)) {
            return Err(format!("parse schedule: provided bad location {zone}: unknown time zone {zone}"));
        }
        Ok(Self { minutes: field(minutes, 0, 59)?, hours: field(hours, 0, 23)?, days: field(days, 0, 6)? })
    }

    /// The first time after `now`.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        const MINUTE: i64 = 60_000_000;
        let first = Instant((now.0.div_euclid(MINUTE) + 1) * MINUTE);
        (0..8 * 24 * 60).map(|minutes| Instant(first.0 + minutes * MINUTE)).find(|instant| {
            let at = instant.calendar();
            self.minutes.contains(&at.minute())
                && self.hours.contains(&at.hour())
                && self.days.contains(&day(at.weekday()))
        })
    }
}

fn day(weekday: Weekday) -> u8 {
    weekday.number_days_from_sunday()
}

fn is_zone(name: &str) -> bool {
    let database = std::path::Path::new("/usr/share/zoneinfo");
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    let known = ["UTC", "Local"].contains(&name) || (database.is_dir() && database.join(name).is_file());
    plain && (known || !database.is_dir())
}

/// One field: a list of values, ranges and steps.
fn field(text: &str, low: u8, high: u8) -> Result<Vec<u8>, String> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (start, end) = match range.split_once('-') {
            Some((start, end)) => (number(start)?, number(end)?),
            None if range == "*" => (low, high),
            None => (number(range)?, number(range)?),
        };
        if start < low {
            return Err(format!(
                "parse schedule: beginning of range ({start}) below minimum ({low}): {part}"
            ));
        }
        if end > high {
            return Err(format!("parse schedule: end of range ({end}) above maximum ({high}): {part}"));
        }
        if start > end {
            return Err(format!(
                "parse schedule: beginning of range ({start}) beyond end of range ({end}): {part}"
            ));
        }
        values.extend((start..=end).step_by(usize::from(number(step)?.max(1))));
    }
    Ok(values)
}

fn number(text: &str) -> Result<u8, String> {
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let named =
        DAYS.iter().position(|day| text.eq_ignore_ascii_case(day)).and_then(|day| u8::try_from(day).ok());
    named.or_else(|| text.parse().ok()).ok_or_else(|| {
        format!(
            "parse schedule: failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::clock::Instant;

    #[test]
    fn schedules_find_their_next_time() {
        let check = |schedule: &str, now: &str, expect: &str| {
            let next = Schedule::parse(schedule).unwrap().next(Instant::parse(now).unwrap());
            assert_eq!(next.unwrap().rfc3339(), expect, "{schedule} after {now}");
        };
        check("CRON_TZ=UTC 30 9 * * 1-5", "2026-11-21T12:03:35Z", "2026-11-23T09:30:00Z");
        check("0 0 * * sun", "2026-11-21T12:03:35Z", "2026-11-22T00:00:00Z");
        check("*/15 * * * *", "2026-11-21T12:03:35Z", "2026-11-21T12:15:00Z");
    }

    #[test]
    fn bad_schedules_are_refused_in_coders_words() {
        let check =
            |schedule: &str, expect: &str| assert_eq!(Schedule::parse(schedule).err().unwrap(), expect);
        check("30 9 1 * 1-5", "validate weekly schedule: expected day-of-month and month to be *");
        check("99 9 * * *", "parse schedule: end of range (99) above maximum (59): 99");
    }
}
