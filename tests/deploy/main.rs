//! What is shipped to run the guard with says what matters: one guard an exporter, state on a volume
//! of its own, no more rights than it needs, and settings that the guard accepts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/binary.rs"]
#[allow(dead_code)]
mod binary;
mod compose;
mod helm;
mod kubernetes;
mod rendered;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};

use cardinality_guard::settings::{Loader, Settings};
use serde_json::Value;

/// A file of `deploy`.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The items of a list, wherever a path of keys leads; nothing where it leads nowhere.
fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

/// The settings of a file that `check` is content with, together with every policy it names.
fn checked(file: &Path) -> Settings {
    let loader = Loader { config_file: Some(file.to_owned()), environment: Some([].into()), flags: Vec::new() };
    let loaded = loader.load().unwrap_or_else(|error| panic!("{}: {:?}", file.display(), error.findings));
    assert!(!loaded.settings.policy_files.is_empty(), "{} names no policies", file.display());
    let files = loaded.sources.iter().map(|source| source.name.as_str());
    let args: Vec<_> = ["check"].into_iter().chain(files).collect();
    let run = binary::run(&args);
    assert_eq!(run.code, 0, "{args:?}: {}{}", run.stdout, run.stderr);
    loaded.settings
}

fn target_names(settings: &Settings) -> Vec<&str> {
    settings.targets.iter().map(|target| target.name.as_str()).collect()
}

/// User name, host and port of `http://target@guard:10900`.
fn proxy(url: &str) -> (&str, &str, u64) {
    let (user, address) = url.strip_prefix("http://").unwrap().split_once('@').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    (user, host, port.parse().unwrap())
}
