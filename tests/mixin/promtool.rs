//! What `promtool` says of rules and of expressions.

use std::path::Path;
use std::process::Command;

use crate::{path, rule_tests};

/// Runs it and panics with what it says, unless it is content.
fn promtool(args: &[&str]) {
    let output = Command::new("promtool").args(args).current_dir(path("")).output();
    let output = output.unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {}:\n{said}", args.join(" "));
}

/// Panics unless every one of these is PromQL.
pub(crate) fn assert_promql(expressions: &[String]) {
    assert!(!expressions.is_empty());
    let rule = |(i, expr): (usize, &String)| serde_json::json!({"record": format!("expression:{i}"), "expr": expr});
    let rules: Vec<_> = expressions.iter().enumerate().map(rule).collect();
    // JSON is YAML.
    let file = serde_json::json!({"groups": [{"name": "expressions", "rules": rules}]}).to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.yaml");
    std::fs::write(&path, file).unwrap();
    check_rules(&path);
}

fn check_rules(path: &Path) {
    promtool(&["check", "rules", path.to_str().unwrap()]);
}

#[test]
fn the_rules_are_accepted() {
    check_rules(&path("mixin/alerts.yaml"));
    check_rules(&path("mixin/rules.yaml"));
}

#[test]
fn alerts_fire_and_are_silent_as_their_tests_say() {
    let tests = rule_tests();
    assert!(tests.len() >= 5, "{tests:?}");
    let mut args = vec!["test", "rules"];
    args.extend(tests.iter().map(String::as_str));
    promtool(&args);
}

#[test]
#[should_panic(expected = "parse error")]
fn what_is_no_promql_is_told() {
    assert_promql(&["sum by (job (up)".to_owned()]);
}
