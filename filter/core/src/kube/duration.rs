//! Ages for people, exactly as k8s.io/apimachinery/pkg/util/duration writes them (kubectl's AGE column).

use std::fmt;

use crate::time::Millis;

/// Displays a duration in two or three significant figures: `47s`, `5m10s`, `3d4h`, `2y`.
///
/// Clocks that disagree by less than two seconds read `0s`; a longer time in the future is `<invalid>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Millis);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let days = hours / 24;
        // A coarse unit, followed by a finer one unless that is zero.
        let mut both = |coarse: i64, unit: &str, fine: i64, fine_unit: &str| match fine {
            0 => write!(f, "{coarse}{unit}"),
            fine => write!(f, "{coarse}{unit}{fine}{fine_unit}"),
        };
        match seconds {
            ..=-2 => f.write_str("<invalid>"),
            -1 => f.write_str("0s"),
            0..=119 => write!(f, "{seconds}s"),
            _ if minutes < 10 => both(minutes, "m", seconds % 60, "s"),
            _ if minutes < 180 => write!(f, "{minutes}m"),
            _ if hours < 8 => both(hours, "h", minutes % 60, "m"),
            _ if hours < 48 => write!(f, "{hours}h"),
            _ if days < 8 => both(days, "d", hours % 24, "h"),
            _ if days < 365 * 2 => write!(f, "{days}d"),
            _ if days < 365 * 8 => both(days / 365, "y", days % 365, "d"),
            _ => write!(f, "{}y", days / 365),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of apimachinery's own test, in seconds.
    #[test]
    fn as_apimachinery() {
        const M: i64 = 60;
        const H: i64 = 60 * M;
        const D: i64 = 24 * H;
        const Y: i64 = 365 * D;
        for (seconds, expect) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (1, "1s"),
            (70, "70s"),
            (119, "119s"),
            (190, "3m10s"),
            (2 * M, "2m"),
            (10 * M - 1, "9m59s"),
            (70 * M, "70m"),
            (3 * H - 1, "179m"),
            (3 * H, "3h"),
            (3 * H + 10 * M, "3h10m"),
            (8 * H - 1, "7h59m"),
            (47 * H, "47h"),
            (2 * D - 1, "47h"),
            (2 * D, "2d"),
            (2 * D + H, "2d1h"),
            (8 * D - 1, "7d23h"),
            (8 * D, "8d"),
            (365 * D, "365d"),
            (2 * Y - 1, "729d"),
            (2 * Y, "2y"),
            (2 * Y + D, "2y1d"),
            (3 * Y, "3y"),
            (8 * Y - 1, "7y364d"),
            (8 * Y, "8y"),
            (8 * Y + 364 * D, "8y"),
        ] {
            assert_eq!(HumanDuration(seconds * 1000).to_string(), expect, "{seconds}");
        }
        assert_eq!(HumanDuration(-1999).to_string(), "0s");
        assert_eq!(HumanDuration(-500).to_string(), "0s");
        assert_eq!(HumanDuration(i64::MIN).to_string(), "<invalid>");
        assert_eq!(HumanDuration(i64::MAX).to_string(), "292471208y");
    }
}
