//! With no policy, what the exporter said comes out byte for byte, however it was put on the wire.

use std::io::{Read, Write};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use cardinality_guard::engine::model::Format;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use crate::bodies;
use crate::exporter::{Exporter, Framing, OPEN_METRICS, TEXT};
use crate::guard::Guard;
use crate::http::{Answer, End, get_with};

/// An exporter behind a guard with nothing to do.
struct Passage {
    exporter: Exporter,
    guard: Guard,
}

impl Passage {
    fn open() -> Passage {
        Passage::with("")
    }

    /// With this in its `scrape` settings.
    fn with(scrape: &str) -> Passage {
        let exporter = Exporter::start();
        let settings = format!(
            "builtin_policy: false\nscrape: {{annotate: false, {scrape}}}\n\
             targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n",
            exporter.address
        );
        Passage { exporter, guard: Guard::start(&settings, "") }
    }

    fn get(&self, headers: &[(&str, &str)]) -> Answer {
        get_with(self.guard.address, "/scrape/worker", headers)
    }

    fn assert_identical(&self, content_type: &str, body: &[u8], framing: Framing) {
        self.exporter.say(content_type, body, framing);
        let answer = self.get(&[("Accept", "*/*")]);
        assert_same(&answer, content_type, body);
    }
}

fn assert_same(answer: &Answer, content_type: &str, body: &[u8]) {
    assert_eq!(answer.status, 200, "{} for {}", answer.reason, String::from_utf8_lossy(body));
    assert_eq!(answer.header("content-type"), Some(content_type));
    assert_eq!(answer.end, End::Clean);
    assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(body));
    assert_eq!(answer.body, body);
}

/// Bodies that use what the grammar allows and few people write.
const TEXT_BODIES: &[&str] = &[
    "",
    "\n",
    "a 1",
    "a 1\n",
    "# EOF\n",
    "#no space\n# a comment\n \t \n",
    "# TYPE a counter\n# TYPE a gauge\n# HELP a twice\n# HELP a   blanks kept  \na 1\n",
    "a{x=\"1\"y=\"2\"} 1\n",
    "a { x = \"1\" , y=\"2\" ,} 1\n",
    "a{x=\"y\"}1 5\n",
    "a{x=\"raw\nline feed\"} 1\n",
    "a{x=\"\\\\ \\\" \\n \\t\"} 1\n",
    "a{x=\"\"} 1\na 2\n",
    "a 1\na 2\na{} 3\n",
    "b NaN\nc +Inf\nd -inf\ne .5\nf 1.\ng 007\nh 1E5\ni Infinity\n",
    "a 1 1700000000000\n",
    "{\"ünï.cödé\",\"läbel\"=\"x\"} 1\n{x=\"b\",\"a\",y=\"c\"} 1\n",
    "h_bucket{le=\"1\"} 1\nx 1\nh_bucket{le=\"+Inf\"} 2\n# TYPE h histogram\nh_sum 3\n",
    "cardinality_guard_scrape_series_received 7\n",
];

const OPEN_METRICS_BODIES: &[&str] = &[
    "",
    "# EOF",
    "# EOF\n",
    "# TYPE a counter\n# UNIT a_seconds seconds\n# HELP a \na_total{x=\"1\",} 1.0 1.5 # {trace_id=\"t\"} 0.5 1.2\n# EOF\n",
    "# TYPE a info\na_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\n# EOF",
    "a -1e-3 -5.5\n# EOF\n",
];

#[test]
fn odd_bodies_pass_byte_for_byte_however_they_are_cut() {
    let passage = Passage::open();
    let text = TEXT_BODIES.iter().map(|body| (TEXT, *body));
    let open_metrics = OPEN_METRICS_BODIES.iter().map(|body| (OPEN_METRICS, *body));
    for (content_type, body) in text.chain(open_metrics) {
        for framing in [Framing::ContentLength, Framing::Chunks(1), Framing::Chunks(7)] {
            passage.assert_identical(content_type, body.as_bytes(), framing);
        }
    }
}

#[test]
fn every_real_body_passes_byte_for_byte() {
    let passage = Passage::open();
    for (name, format, body) in bodies::all() {
        let content_type = match format {
            Format::Text => TEXT,
            Format::OpenMetrics => OPEN_METRICS,
        };
        for framing in [Framing::ContentLength, Framing::Chunks(997)] {
            println!("{name}, {framing:?}");
            passage.assert_identical(content_type, body.as_bytes(), framing);
        }
    }
}

#[test]
#[ignore = "needs cases: make conformance CASES=path/to/cases.jsonl"]
fn every_accepted_case_passes_byte_for_byte_and_every_other_fails() {
    let path = std::env::var("CASES").expect("make conformance CASES=path/to/cases.jsonl");
    let passage = Passage::open();
    let (mut accepted, mut rejected) = (0, 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str();
        let (id, content_type) = (text("id").unwrap(), text("content_type").unwrap());
        if content_type.starts_with("application/vnd.google.protobuf") {
            continue;
        }
        let body = match text("body") {
            Some(body) => body.as_bytes().to_vec(),
            None => BASE64_STANDARD.decode(text("body_base64").unwrap()).unwrap(),
        };
        println!("{id}");
        match text("expect") {
            Some("accept") => {
                passage.assert_identical(content_type, &body, Framing::ContentLength);
                accepted += 1;
            }
            _ => {
                passage.exporter.say(content_type, &body, Framing::ContentLength);
                let answer = passage.get(&[("Accept", "*/*")]);
                assert_eq!(answer.status, 502, "{id}: {}", answer.reason);
                rejected += 1;
            }
        }
    }
    assert!(accepted > 100 && rejected > 100, "{accepted} accepted, {rejected} rejected");
}

#[test]
fn a_body_far_larger_than_what_is_held_back_passes_too() {
    // More series than an endpoint may have unless somebody says so.
    let passage = Passage::with("endpoint_series_limit: 0");
    let lines = (0..300_000).map(|n| format!("jobs_total{{job_id=\"{n:032x}\"}} {n}\n"));
    let body: String = std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(lines).collect();
    assert!(body.len() > 16 << 20, "{}", body.len());
    passage.assert_identical(TEXT, body.as_bytes(), Framing::ContentLength);
    passage.assert_identical(TEXT, body.as_bytes(), Framing::Chunks(8191));
}

#[test]
fn gzip_in_and_gzip_out_change_nothing_inside() {
    let passage = Passage::open();
    let body: String = (0..2000).map(|n| format!("jobs_total{{job_id=\"{n}\"}} {n}\n")).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    passage.exporter.say_raw([head.into_bytes(), packed].concat());

    let plain = passage.get(&[("Accept", "*/*")]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_same(&plain, TEXT, body.as_bytes());

    let mut zipped = passage.get(&[("Accept", "*/*"), ("Accept-Encoding", "gzip")]);
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(zipped.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    zipped.body = unpacked;
    assert_same(&zipped, TEXT, body.as_bytes());
}

/// A line of the text format, well-formed.
fn line() -> impl Strategy<Value = String> {
    let name = "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}";
    let value = prop_oneof![
        any::<f64>().prop_filter("Prometheus has no signed NaN", |v| !v.is_nan()).prop_map(|v| format!("{v}")),
        Just("NaN".to_owned()),
        "[+-]?[0-9]{1,9}(\\.[0-9]{0,4})?(e[+-]?[0-9])?",
    ];
    let text = "([^\\\\\"\u{0}]|\\\\\\\\|\\\\\"|\\\\n){0,12}";
    let labels = prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", text, 0..4);
    let sample = (name, labels, "[ \t]{1,3}", value).prop_map(|(name, labels, blank, value)| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{name}{{{}}}{blank}{value}\n", labels.join(","))
    });
    let metadata = (name, prop_oneof!["counter", "gauge", "histogram", "summary", "untyped"])
        .prop_map(|(name, kind)| format!("# TYPE {name} {kind}\n"));
    prop_oneof![6 => sample, 1 => metadata, 1 => "# [a-z ]{0,9}\n", 1 => "[ \t]{0,2}\n"]
}

#[test]
fn any_body_passes_byte_for_byte_in_any_chunking() {
    let passage = Passage::open();
    let bodies = (prop::collection::vec(line(), 0..40), 1_usize..64);
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((lines, size) in bodies)| {
        passage.assert_identical(TEXT, lines.concat().as_bytes(), Framing::Chunks(size));
    });
}
