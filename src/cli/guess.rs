//! What a series is when there is no TYPE line to say it: to go by its name.

use crate::engine::model::{Kind, LabelSet};

/// What a series of this name and with these labels most probably is.
pub(super) fn kind(name: &str, labels: &LabelSet) -> Kind {
    let ends = |suffix| name.ends_with(suffix);
    if labels.get("quantile").is_some() {
        Kind::Summary
    } else if ends("_bucket") && labels.get("le").is_some() || ends("_sum") || ends("_count") {
        Kind::Histogram
    } else if ends("_total") {
        Kind::Counter
    } else {
        Kind::Gauge
    }
}

/// The name on the TYPE line that a sample of this name and type stands under.
pub(super) fn family(name: &str, kind: Kind) -> &str {
    let suffixes: &[&str] = match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        Kind::Summary => &["_sum", "_count"],
        Kind::Counter | Kind::Gauge | Kind::Info | Kind::StateSet | Kind::Unknown => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_guessed_from_names() {
        let no_labels = LabelSet::default();
        let le: LabelSet = [("le", "1")].into_iter().collect();
        let quantile: LabelSet = [("quantile", "0.5")].into_iter().collect();
        for (name, labels, want, stands_under) in [
            ("a_total", &no_labels, Kind::Counter, "a_total"),
            ("a_bucket", &le, Kind::Histogram, "a"),
            ("a_bucket", &no_labels, Kind::Gauge, "a_bucket"),
            ("a_sum", &no_labels, Kind::Histogram, "a"),
            ("a", &quantile, Kind::Summary, "a"),
            ("a", &no_labels, Kind::Gauge, "a"),
        ] {
            let guessed = kind(name, labels);
            assert_eq!((guessed, family(name, guessed)), (want, stands_under), "{name}");
        }
    }
}
