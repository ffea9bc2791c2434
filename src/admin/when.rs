//! Times, for machines and for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since the epoch.
pub(super) fn wall(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

pub(super) fn now() -> f64 {
    wall(SystemTime::now())
}

/// `2026-03-01T03:07:09.250Z`.
pub(super) fn rfc3339(wall_seconds: f64) -> String {
    let millis = (wall_seconds.max(0.0) * 1e3).round() as u64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, of_month) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of the month, so many days after the epoch. Years are taken to begin in
/// March, so that the leap day is the last.
fn date(day: u64) -> (u64, u64, u64) {
    let since_march_0000 = day + 719_468;
    let (era, of_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_month)
}

/// `40 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `3 min ago`.
pub(super) fn ago(wall_seconds: f64, now: f64) -> String {
    format!("{} ago", span(Duration::from_secs_f64((now - wall_seconds).max(0.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, want) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400.0, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199.9996, "2024-03-01T00:00:00.000Z"),
            (4_107_542_399.25, "2100-02-28T23:59:59.250Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(seconds), want);
        }
    }

    #[test]
    fn spans_are_rough() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([of(119), of(120), of(7200), of(200_000)], ["119 s", "2 min", "2 h", "2 d"]);
        assert_eq!(ago(100.0, 90.0), "0 s ago");
    }
}
