//! Autostart schedules as Coder takes them (`coderd/schedule/cron`, which is `robfig/cron` with five fields): a time zone or none, minute,
//! hour, two `*`, day of week.
//!
//! Does not know which time zones there are: Coder says so.

/// What is wrong with a schedule.
///
/// # Errors
/// A sentence without its subject.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    if schedule.contains(|c: char| c.is_control() || (c.is_whitespace() && c != ' ')) {
        return Err("must be one line with spaces between its fields".to_owned());
    }
    let rest = match schedule.strip_prefix("CRON_TZ=") {
        Some(rest) => {
            let (zone, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            if !is_zone(zone) {
                return Err("must name a time zone after CRON_TZ=, such as CRON_TZ=Europe/Berlin".to_owned());
            }
            rest
        }
        None => schedule,
    };
    let mut fields = rest.split(' ').filter(|field| !field.is_empty());
    let mut next = || fields.next().unwrap_or_default();
    let (minute, hour, day, month, weekday) = (next(), next(), next(), next(), next());
    if weekday.is_empty() || fields.next().is_some() {
        return Err(
            "must be five cron fields, after CRON_TZ=<zone> or alone: minute, hour, *, *, day of week"
                .to_owned(),
        );
    }
    if day != "*" || month != "*" {
        return Err("must have * as its day of month and its month".to_owned());
    }
    for (name, text, most, names) in [
        ("minute", minute, 59, [].as_slice()),
        ("hour", hour, 23, &[]),
        ("day of week", weekday, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ] {
        if !text.split(',').all(|range| is_range(range, most, names)) {
            return Err(format!(
                "must have numbers from 0 to {most}, ranges, steps or * as its {name}, not {text:?}"
            ));
        }
    }
    Ok(())
}

/// `Europe/Berlin`, `UTC`, `Etc/GMT+3`. `Local` is the server's own, which Coder refuses.
fn is_zone(zone: &str) -> bool {
    zone.starts_with(|c: char| c.is_ascii_alphanumeric())
        && zone.bytes().all(|c| c.is_ascii_alphanumeric() || b"/_+-".contains(&c))
        && zone != "Local"
}

/// `*`, `7`, `1-5`, `*/10`, `8/2`, `8-18/2`; names stand for numbers.
fn is_range(text: &str, most: u32, names: &[&str]) -> bool {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, number(step, &[])),
        None => (text, Some(1)),
    };
    if step.is_none_or(|step| step == 0) {
        return false;
    }
    if matches!(range, "*" | "?") {
        return true;
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (number(first, names), number(last, names)),
        None => (number(range, names), Some(most)),
    };
    matches!((first, last), (Some(first), Some(last)) if first <= last && last <= most)
}

fn number(text: &str, names: &[&str]) -> Option<u32> {
    if let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return u32::try_from(place).ok();
    }
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[track_caller]
    fn check(schedule: &str, expect: Result<(), &str>) {
        let found = super::check(schedule);
        match (&found, &expect) {
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{schedule}: {found}"),
            _ => assert_eq!(found.is_ok(), expect.is_ok(), "{schedule}: {found:?}"),
        }
    }

    #[test]
    fn accepted() {
        for schedule in [
            "30 9 * * 1-5",
            "CRON_TZ=Europe/Berlin 30 9 * * 1-5",
            "CRON_TZ=America/Argentina/Buenos_Aires 0 0 * * *",
            "CRON_TZ=Etc/GMT+3 0 0 * * sun,MON",
            "CRON_TZ=UTC  5,35  */2   *  *  ? ",
            "0-30/10 8-18 * * Mon-Fri",
            "59 23 * * 0,6",
            "5/10 * * * *",
            "007 9 * * 1",
        ] {
            check(schedule, Ok(()));
        }
    }

    #[test]
    fn refused() {
        check("", Err("five cron fields"));
        check("9 * * 1", Err("five cron fields"));
        check("0 30 9 * * 1", Err("five cron fields"));
        check("@daily", Err("five cron fields"));
        check("TZ=UTC 30 9 * * 1", Err("five cron fields"));
        check(" CRON_TZ=UTC 30 9 * * 1", Err("five cron fields"));
        check("CRON_TZ=UTC", Err("five cron fields"));
        check("CRON_TZ= 30 9 * * 1", Err("time zone"));
        check("CRON_TZ=Local 30 9 * * 1", Err("time zone"));
        check("CRON_TZ=../x 30 9 * * 1", Err("time zone"));
        check("CRON_TZ=UTC\t30 9 * * 1", Err("one line"));
        check("30 9 * *\n1", Err("one line"));
        check("30 9 1 * 1", Err("day of month"));
        check("30 9 * 1-6 1", Err("day of month"));
        check("60 9 * * 1", Err("minute"));
        check("-5 9 * * 1", Err("minute"));
        check("+5 9 * * 1", Err("minute"));
        check("5-1 9 * * 1", Err("minute"));
        check("1-2-3 9 * * 1", Err("minute"));
        check(", 9 * * 1", Err("minute"));
        check("*/0 9 * * 1", Err("minute"));
        check("30 24 * * 1", Err("hour"));
        check("30 9 * * 7", Err("day of week"));
        check("30 9 * * monday", Err("day of week"));
        check("30 9 * * 1/", Err("day of week"));
    }

    proptest! {
        #[test]
        fn never_panics(schedule in "\\PC{0,40}") {
            let _ = super::check(&schedule);
        }

        #[test]
        fn numbers_within_bounds(minute in 0..70_u32, hour in 0..30_u32, day in 0..10_u32) {
            let fits = minute < 60 && hour < 24 && day < 7;
            prop_assert_eq!(super::check(&format!("CRON_TZ=UTC {minute} {hour} * * {day}")).is_ok(), fits);
        }
    }
}
