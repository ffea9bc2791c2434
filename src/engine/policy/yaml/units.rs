//! Durations and sizes, as Prometheus writes them.

use std::time::Duration;

/// `30s`, `1h30m`, `500ms`: whole numbers, each unit once, large to small; `0` alone is fine.
pub fn duration(text: &str) -> Option<Duration> {
    const DAY: u64 = 86_400_000;
    const UNITS: [(&str, u64); 7] =
        [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut next_unit, mut millis) = (text, 0, 0u64);
    while !rest.is_empty() {
        let (number, tail) = split_number(rest)?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let at = UNITS.iter().position(|(name, _)| *name == unit).filter(|at| *at >= next_unit)?;
        millis = number.parse::<u64>().ok()?.checked_mul(UNITS[at].1)?.checked_add(millis)?;
        (rest, next_unit) = (tail, at + 1);
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// `8MB`, `1MiB`, `1.5GB` or plain bytes. As in Prometheus a kilobyte has 1024 bytes either way.
pub fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim_start() {
        "" | "B" => 0,
        "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        "TB" | "TiB" => 40,
        _ => return None,
    };
    if number.contains('.') {
        let size = number.parse::<f64>().ok()? * (1u64 << shift) as f64;
        return (size.is_finite() && size < u64::MAX as f64).then_some(size as u64);
    }
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("30s", Some(30_000))]
    #[case("1h30m", Some(5_400_000))]
    #[case("500ms", Some(500))]
    #[case("1y2w3d4h5m6s7ms", Some(((((365 + 14 + 3) * 24 + 4) * 60 + 5) * 60 + 6) * 1000 + 7))]
    #[case("0", Some(0))]
    #[case("0s", Some(0))]
    #[case("", None)]
    #[case("30", None)]
    #[case("30m1h", None)]
    #[case("1s1s", None)]
    #[case("1.5h", None)]
    #[case("-1s", None)]
    #[case("1 s", None)]
    #[case("s", None)]
    #[case("99999999999999999999y", None)]
    #[case("9999999999999y", None)]
    fn durations(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(duration(text), millis.map(Duration::from_millis));
    }

    #[rstest]
    #[case("0", Some(0))]
    #[case("1024", Some(1024))]
    #[case("8MB", Some(8 << 20))]
    #[case("1MiB", Some(1 << 20))]
    #[case("2 GB", Some(2 << 30))]
    #[case("1.5KB", Some(1536))]
    #[case("7B", Some(7))]
    #[case("", None)]
    #[case("MB", None)]
    #[case("1.2.3MB", None)]
    #[case("8mb", None)]
    #[case("-1", None)]
    #[case("99999999999TB", None)]
    fn sizes(#[case] text: &str, #[case] size: Option<u64>) {
        assert_eq!(bytes(text), size);
    }
}
