//! The inhibit rule fits the alert it starts from.

use crate::{alerts, items, promql, word, yaml};

const SOURCE: &str = "CardinalityGuardHidesTargets";

#[test]
fn the_inhibit_rule_starts_from_an_alert_that_carries_what_must_be_equal() {
    let file = yaml("mixin/alertmanager.yaml");
    let [rule] = file["inhibit_rules"].as_array().unwrap().as_slice() else { panic!("one rule: {file:#}") };
    assert_eq!(rule["source_matchers"], serde_json::json!([format!("alertname = \"{SOURCE}\"")]));
    let targets = rule["target_matchers"].to_string();
    assert!(!targets.contains("CardinalityGuard"), "the page about the guard itself is never muted: {targets}");

    let alerts = alerts();
    let source = alerts.iter().find(|alert| word(alert, "/alert") == SOURCE).unwrap();
    let equal: Vec<_> = items(rule, "/equal").map(|label| label.as_str().unwrap().to_owned()).collect();
    assert_eq!(promql::first_grouping(word(source, "/expr")), equal);
}

#[test]
fn the_alert_that_mutes_is_sent_to_nobody() {
    let file = yaml("mixin/alertmanager.yaml");
    let route = &file["route"]["routes"][0];
    assert_eq!(route["matchers"], serde_json::json!([format!("alertname = \"{SOURCE}\"")]));
    let receiver = items(&file, "/receivers").find(|receiver| receiver["name"] == route["receiver"]).unwrap();
    assert_eq!(receiver.as_object().unwrap().len(), 1, "a receiver that is only a name sends nothing");
}
