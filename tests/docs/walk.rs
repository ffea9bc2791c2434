//! Every page is followed from top to bottom, in a directory of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::configurations::{self, Meant};
use crate::markdown::{Page, pages};
use crate::scratch::Scratch;
use crate::{commands, effects};

/// Blocks that are looked at and not run: the page, words of the block, what it is.
const PICTURES: [(&str, &str, &str); 8] = [
    ("README.md", "what Prometheus stores", "a drawing"),
    ("README.md", "memory of this process", "what the demo prints; tests/e2e/demo.rs holds it against the fleet"),
    ("docs/ARCHITECTURE.md", "client GET -> proxy", "a drawing"),
    ("docs/scaling.md", "balance uri whole", "HAProxy's; tests/guards/affinity.rs runs HAProxy with it"),
    ("docs/scaling.md", "hash_policy:", "Envoy's, which is not to be had from Debian; tests/guards/envoy.rs reads it"),
    ("docs/scaling.md", "ACL SETUSER guard", "tests/guards/secured.rs tells it to a server"),
    ("docs/topologies.md", "Prometheus 1", "a drawing"),
    ("docs/topologies.md", "┌ pod", "a drawing"),
];

/// JSON that another test asks a real guard for.
const ANSWERS: &str = "docs/api.md";

#[test]
fn every_block_of_every_page_does_what_it_says() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for page in pages() {
        // One page that is wrong hides no other.
        match std::panic::catch_unwind(|| follow(&page)) {
            Ok(kinds) => kinds.into_iter().for_each(|kind| *seen.entry(kind).or_default() += 1),
            Err(_) => wrong.push(page.name),
        }
    }
    assert!(wrong.is_empty(), "what is wrong with {wrong:?} stands above");
    for meant in Meant::ALL {
        assert!(seen.contains_key(&format!("{meant:?}")), "no block is a {meant:?}: {seen:?}");
    }
    for (kind, least) in [("effect", 15), ("sh", 25), ("promql", 10), ("json", 5)] {
        assert!(seen[kind] >= least, "{kind}: {seen:?}");
    }
}

/// The kinds of its blocks, each of which did what it says.
fn follow(page: &Page) -> Vec<String> {
    let mut kinds = Vec::new();
    if page.blocks.is_empty() {
        return kinds;
    }
    let scratch = Scratch::new();
    let mut before: Option<&str> = None;
    for block in &page.blocks {
        let kind = match block.info.as_str() {
            "yaml" => format!("{:?}", configurations::take(block, &scratch)),
            "prom before" => {
                before = Some(&block.text);
                continue;
            }
            "prom after" => {
                let before = before.take().unwrap_or_else(|| panic!("{}: after what?", block.place));
                effects::check(before, block, &scratch);
                "effect".to_owned()
            }
            "sh" => {
                commands::run(block, &scratch);
                "sh".to_owned()
            }
            "promql" => {
                assert_promql(&block.text, &block.place);
                "promql".to_owned()
            }
            "json" if page.name == ANSWERS => "json".to_owned(),
            "" => {
                let known = PICTURES.iter().any(|(name, words, _)| *name == page.name && block.text.contains(words));
                assert!(known, "{}: is this run, or looked at?\n{}", block.place, block.text);
                "picture".to_owned()
            }
            other => panic!("{}: nobody knows what to do with a block of {other:?}", block.place),
        };
        kinds.push(kind);
    }
    assert!(before.is_none(), "{}: a body before and none after", page.name);
    kinds
}

/// Each line is an expression.
fn assert_promql(text: &str, place: &str) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    // What stands for a name of the reader's.
    let rules: Vec<_> = lines.map(|(i, line)| json!({"record": format!("expression:{i}"), "expr": line})).collect();
    assert!(!rules.is_empty(), "{place}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.yaml");
    // JSON is YAML.
    std::fs::write(&path, json!({"groups": [{"name": "shown", "rules": rules}]}).to_string()).unwrap();
    check_rules(&path, place);
}

fn check_rules(path: &Path, place: &str) {
    let output = Command::new("promtool").args(["check", "rules"]).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{place}: {said}");
}

/// What no longer stands in a page is not excused any more.
#[test]
fn every_picture_is_there() {
    let pages = pages();
    let plain = |page: &Page, words: &str| page.blocks.iter().any(|b| b.info.is_empty() && b.text.contains(words));
    for (name, words, what) in PICTURES {
        assert!(pages.iter().any(|page| page.name == name && plain(page, words)), "{name}: {words:?}, {what}");
    }
}
