//! Metrics and settings that the pages speak of exist.

use std::collections::BTreeSet;
use std::fs;

use crate::markdown::{Page, pages, root};

fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the guard's metrics, its own and those of an annotated scrape.
fn metrics() -> BTreeSet<String> {
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let own = quoted(&source("src/telemetry/names.rs"));
    let own = own.into_iter().filter(|name| name.starts_with("cardinality_guard_") && !name.contains(' '));
    let annotated = quoted(&source("src/engine/guard/annotate.rs"));
    let is_name = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let annotated = annotated.into_iter().filter(is_name).map(|name| format!("cardinality_guard_scrape_{name}"));
    let mut names: BTreeSet<String> = own.chain(annotated).collect();
    for part in ["bucket", "sum", "count"] {
        names.insert(format!("cardinality_guard_scrape_duration_seconds_{part}"));
    }
    names
}

/// Every word of a page that begins like this.
fn words<'p>(page: &'p Page, prefix: &'p str) -> impl Iterator<Item = String> + 'p {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    page.text.match_indices(prefix).filter_map(move |(at, _)| {
        // `job:cardinality_guard_…:sum` is a record, `web.scrape.x` no setting.
        let first = !page.text[..at].ends_with(|c: char| is_word(c) || c == ':' || c == '.' || c == '/');
        let rest = &page.text[at + prefix.len()..];
        first.then(|| rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())].to_owned())
    })
}

#[test]
fn every_metric_that_is_named_exists() {
    let known = metrics();
    let mut seen = 0;
    for page in pages() {
        for rest in words(&page, "cardinality_guard_") {
            let name = format!("cardinality_guard_{rest}");
            // `cardinality_guard_observed_…` speaks of all that begin so.
            let is_known = match name.ends_with('_') {
                true => known.iter().any(|other| other.starts_with(&name)),
                false => known.contains(&name),
            };
            assert!(is_known, "{}: {name}", page.name);
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_setting_that_is_named_exists() {
    let read = source("src/settings/read.rs") + &source("src/settings/layer.rs");
    let mut seen = 0;
    for page in pages() {
        for section in ["scrape.", "storage."] {
            for key in words(&page, section).filter(|key| !key.is_empty()) {
                assert!(read.contains(&format!("\"{key}\"")), "{}: {section}{key}", page.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
