//! Numbers for people.

use std::time::Duration;

pub use crate::advice::{count, counted};

/// Decimal, three digits: `870 B`, `7.1 kB`, `12 MB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB"] {
        if value < 999.5 {
            let decimals = usize::from(unit != "B" && value < 9.95);
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} GB")
}

/// `3 ms`, with a decimal below 10.
pub fn milliseconds(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 9.95 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// `01:23`.
pub fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// A bar a value, all on the scale of `max`.
pub fn bars(values: impl Iterator<Item = usize>, max: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = BARS.len() - 1;
    values.map(|value| BARS[((value * top + max / 2) / max.max(1)).min(top)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_them() {
        assert_eq!(
            [999, 1000, 9_949, 9_951, 999_400, 999_600, 12_000_000].map(bytes),
            ["999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "12 MB"]
        );
        assert_eq!(milliseconds(Duration::from_micros(3_140)), "3.1 ms");
        assert_eq!(clock(Duration::from_secs(3_599)), "59:59");
        assert_eq!(bars([0, 1, 50, 100].into_iter(), 100), "▁▁▅█");
        assert_eq!(bars([0].into_iter(), 0), "▁");
    }
}
