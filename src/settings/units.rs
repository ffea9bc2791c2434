//! Durations and sizes, written as they are read.

use std::time::Duration;

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

pub(super) fn write_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, factor) in TIME_UNITS {
        if millis >= factor {
            text.push_str(&format!("{}{name}", millis / factor));
            millis %= factor;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// In the largest unit that loses nothing.
pub(super) fn write_size(size: u64) -> String {
    for (shift, unit) in [(40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")] {
        if size != 0 && size.is_multiple_of(1 << shift) {
            return format!("{}{unit}", size >> shift);
        }
    }
    size.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::yaml;

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 500, 10_000, 5_400_000, 21_600_000, 90_061_001] {
            let value = Duration::from_millis(millis);
            assert_eq!(yaml::duration(&write_duration(value)), Some(value));
        }
        for bytes in [0, 1, 1023, 8 << 20, (1 << 30) + 1, 2 << 40] {
            assert_eq!(yaml::bytes(&write_size(bytes)), Some(bytes));
        }
        assert_eq!((write_duration(Duration::from_secs(5400)), write_size(8 << 20)), ("1h30m".into(), "8MB".into()));
    }
}
