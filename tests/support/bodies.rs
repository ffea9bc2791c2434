//! Real bodies from `tests/fixtures`, and what tests read out of answers.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use cardinality_guard::engine::model::Format;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A body, unzipped when it is gzipped.
pub fn body(name: &str) -> String {
    let path = root().join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if !name.ends_with(".gz") {
        return String::from_utf8(bytes).unwrap();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    text
}

/// Every body there is, by name.
pub fn all() -> Vec<(String, Format, String)> {
    let mut names = Vec::new();
    for folder in std::fs::read_dir(root()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            names.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    assert!(names.len() > 30, "the fixtures are here: {names:?}");
    let format = |name: &str| if name.contains(".om.") { Format::OpenMetrics } else { Format::Text };
    names.into_iter().map(|name| (name.clone(), format(&name), body(&name))).collect()
}

/// Series, with sorted labels and without empty ones, to their values. A series twice panics.
pub fn series(body: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    for line in body.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let line = line.split(" # ").next().unwrap();
        let end = line.rfind('}').map_or_else(|| line.find(' ').unwrap(), |at| at + 1);
        let value: f64 = line[end..].split_whitespace().next().unwrap().parse().unwrap();
        let (name, labels) = line[..end].split_once('{').unwrap_or((&line[..end], "}"));
        let mut labels: Vec<&str> =
            labels.trim_end_matches('}').split("\",").map(|l| l.trim().trim_end_matches('"')).collect();
        labels.retain(|l| !l.is_empty() && !l.ends_with("=\""));
        labels.sort_unstable();
        let key = format!("{name}{{{}}}", labels.join(","));
        assert!(series.insert(key.clone(), value).is_none(), "{key} twice");
    }
    series
}
