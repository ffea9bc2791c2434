//! What the guard says in each scrape, so that Prometheus gives it the target's own `job` and
//! `instance`.

use super::Report;
use super::lines::ANNOTATION;
use crate::engine::exposition::write_number;

/// Bytes that it takes, roughly.
const ROOM: usize = 2 << 10;

/// Appends the annotation: gauges, with the account of this scrape.
pub(super) fn write_annotation(out: &mut Vec<u8>, report: &Report) {
    let rows: [(&str, &str, f64); 8] = [
        ("series_received", "Series the exporter exposed in this scrape.", report.received as f64),
        ("series_forwarded", "Series the guard passed on in this scrape.", report.forwarded as f64),
        ("series_dropped", "Series without a line of their own after the guard.", report.dropped as f64),
        ("series_over_budget", "The part of the dropped series that limits kept out.", report.over_budget as f64),
        ("series_frozen", "Folded series shown without a member in this scrape.", report.frozen as f64),
        ("limit_headroom_ratio", "Least free part of any limit, 1 without limits.", report.headroom.unwrap_or(1.0)),
        ("collapsed_labels", "Labels folded away because a limit was passed.", report.collapsed_labels as f64),
        ("epoch_seconds", "When this guard's memory of the target began, since the epoch.", report.epoch_seconds),
    ];
    out.reserve(ROOM);
    for (name, help, value) in rows {
        write_all(out, ["# HELP ", ANNOTATION, name, " ", help]);
        write_all(out, ["\n# TYPE ", ANNOTATION, name, " gauge\n"]);
        write_all(out, [ANNOTATION, name, " "]);
        write_number(out, value);
        out.push(b'\n');
    }
}

fn write_all<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
