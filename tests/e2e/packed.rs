//! A real Prometheus reads compressed answers that are the exporter's own bytes behind a member of
//! the guard's.

use crate::exporter::{Exporter, OPEN_METRICS, TEXT};
use crate::guard::Guard;
use crate::http;
use crate::process::eventually;
use crate::prometheus::Prometheus;
use cardinality_guard::engine::coding::Gzip;

fn gzip(text: &str) -> Vec<u8> {
    let (mut gzip, mut out) = (Gzip::new(), Vec::new());
    gzip.push(text.as_bytes(), &mut out);
    gzip.finish(&mut out);
    out
}

/// An exporter that compresses, and what it says.
fn exporter(content_type: &str, text: &str) -> (Exporter, Vec<u8>) {
    let (exporter, packed) = (Exporter::start(), gzip(text));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Encoding: gzip\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        packed.len()
    );
    exporter.say_raw([head.as_bytes(), &packed].concat());
    (exporter, packed)
}

#[test]
fn prometheus_reads_both_members_in_both_formats() {
    let lines: String = (0..500).map(|i| format!("jobs_total{{queue=\"q{i}\"}} 3\n")).collect();
    let text = format!("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\n{lines}");
    let openmetrics = format!("# HELP jobs Jobs.\n# TYPE jobs counter\n{lines}# EOF\n");
    let (plain, plain_packed) = exporter(TEXT, &text);
    let (open, open_packed) = exporter(OPEN_METRICS, &openmetrics);
    let targets = format!(
        "targets:\n  - {{name: plain, url: 'http://{}/metrics'}}\n  - {{name: open, url: 'http://{}/metrics'}}\n",
        plain.address, open.address
    );
    let guard = Guard::start(&targets, "");
    for (name, packed) in [("plain", plain_packed), ("open", open_packed)] {
        let headers = [("User-Agent", "Prometheus/3.5.0"), ("Accept-Encoding", "gzip")];
        let answer = http::request(guard.address, "GET", &format!("/scrape/{name}"), &headers);
        assert!(answer.body.ends_with(&packed) && answer.body.len() > packed.len(), "{name}: the exporter's own bytes");
    }
    let jobs = ["plain", "open"].map(|name| {
        format!(
            "  - job_name: {name}\n    metrics_path: /scrape/{name}\n    static_configs: [{{targets: ['{}']}}]\n",
            guard.address
        )
    });
    let prometheus = Prometheus::start(&jobs.concat(), "groups: []");
    for name in ["plain", "open"] {
        for (what, expected) in [
            (format!("up{{job=\"{name}\"}}"), 1.0),
            (format!("sum(jobs_total{{job=\"{name}\"}})"), 1500.0),
            (format!("cardinality_guard_scrape_series_received{{job=\"{name}\"}}"), 500.0),
            (format!("cardinality_guard_scrape_series_dropped{{job=\"{name}\"}}"), 0.0),
            // 500 jobs and the annotation: nothing else, nothing twice.
            (format!("scrape_samples_scraped{{job=\"{name}\"}}"), 508.0),
        ] {
            eventually(&what, &Some(expected), || prometheus.value(&what));
        }
        assert_eq!(prometheus.last_error(name), "");
    }
}
