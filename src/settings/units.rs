//! Durations and sizes, in Prometheus' spelling.

use std::time::Duration;

/// Why a duration or size cannot be read; small, without a copy of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("not a duration: write 500ms, 10s, 5m, 1h30m, 1d")]
    Duration,
    #[error("not a size: write 1048576, 512KB, 8MB, 2GiB (steps of 1024)")]
    Size,
    #[error("too large")]
    TooLarge,
}

/// Units of a duration, largest first: they appear in this order and each at most once.
const TIME_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `500ms`, `10s`, `1h30m`, `0`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = TIME_UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or(UnitError::Duration)?;
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or(UnitError::Duration)?;
        let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
        let part = number.checked_mul(*factor).ok_or(UnitError::TooLarge)?;
        millis = millis.checked_add(part).ok_or(UnitError::TooLarge)?;
        rest = after;
    }
    if text.is_empty() { Err(UnitError::Duration) } else { Ok(Duration::from_millis(millis)) }
}

/// Reads `8MB`, `1MiB`, `1048576`. As in Prometheus, `MB` and `MiB` are the same 1024 * 1024.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::Size);
    }
    let shift = match unit {
        "" | "B" => 0,
        "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        "TB" | "TiB" => 40,
        _ => return Err(UnitError::Size),
    };
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
    number.checked_mul(1 << shift).ok_or(UnitError::TooLarge)
}

/// Writes a duration as [`duration`] reads it.
pub fn write_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Years and weeks read worse than days and hours.
    for (name, factor) in &TIME_UNITS[2..] {
        if millis >= *factor {
            text.push_str(&format!("{}{name}", millis / factor));
            millis %= factor;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Writes a size as [`size`] reads it, in the largest unit that loses nothing.
pub fn write_size(size: u64) -> String {
    for (shift, unit) in [(40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")] {
        if size != 0 && size.is_multiple_of(1 << shift) {
            return format!("{}{unit}", size >> shift);
        }
    }
    size.to_string()
}

/// Splits `10s5ms` into `10`, `s` and `5ms`.
fn number_and_unit(text: &str) -> Option<(&str, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
    let (number, rest) = text.split_at(digits);
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    Some((number, unit, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("0", 0),
            ("0s", 0),
            ("1m5ms", 60_005),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "1.5s", "10s1h", "1s1s", "10 s", "-1s", "10S", "1sec", "é"] {
            assert_eq!(duration(text), Err(UnitError::Duration), "{text}");
        }
        assert_eq!(duration("99999999999999999999y"), Err(UnitError::TooLarge));
        assert_eq!(duration("999999999999999999y"), Err(UnitError::TooLarge));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("8MB", 8 << 20),
            ("1MiB", 1 << 20),
            ("2GB", 2 << 30),
            ("3KB", 3072),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "1.5MB", "8 MB", "8mb", "-1", "8MBs"] {
            assert_eq!(size(text), Err(UnitError::Size), "{text}");
        }
        assert_eq!(size("99999999TB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 500, 10_000, 5_400_000, 21_600_000, 90_061_001] {
            let value = Duration::from_millis(millis);
            assert_eq!(duration(&write_duration(value)), Ok(value));
        }
        for bytes in [0, 1, 1023, 8 << 20, (1 << 30) + 1, 2 << 40] {
            assert_eq!(size(&write_size(bytes)), Ok(bytes));
        }
    }
}
