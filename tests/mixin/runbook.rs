//! The runbook has a section for each alert, and each section has what somebody woken needs.

use cardinality_guard::telemetry::ScrapeResult;

use crate::promtool::assert_promql;
use crate::{alerts, text, word};

const PARTS: [&str; 4] = ["**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Mitigation.**"];

/// Heading and text of each section.
fn sections() -> Vec<(String, String)> {
    let text = text("docs/runbook.md");
    let sections = text.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    sections.map(|(heading, text)| (heading.to_owned(), text.to_owned())).collect()
}

/// Every expression of a `promql` block, a line each.
pub(crate) fn expressions() -> Vec<String> {
    let text = text("docs/runbook.md");
    let blocks = text.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<_> = blocks.flat_map(str::lines).map(|line| line.trim().to_owned()).collect();
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let alerts = alerts();
    let alerts: Vec<_> = alerts.iter().map(|alert| word(alert, "/alert")).collect();
    let sections = sections();
    let headings: Vec<_> = sections.iter().map(|(heading, _)| heading.as_str()).collect();
    assert_eq!(headings, alerts, "in the same order");
    for (heading, text) in &sections {
        let missing: Vec<_> = PARTS.iter().filter(|part| !text.contains(**part)).collect();
        assert!(missing.is_empty(), "{heading} lacks {missing:?}");
    }
}

#[test]
fn its_expressions_are_promql() {
    assert!(expressions().len() > 5);
    assert_promql(&expressions());
}

#[test]
fn every_result_and_every_reason_has_a_row() {
    let rows_of = |alert: &str| {
        let (_, text) = sections().into_iter().find(|(heading, _)| heading == alert).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned));
        rows.collect::<Vec<_>>()
    };
    let results = rows_of("CardinalityGuardScrapesFailing");
    for result in ScrapeResult::ALL.iter().filter(|result| **result != ScrapeResult::Ok) {
        assert!(results.contains(&result.as_str().to_owned()), "{result:?}");
    }
    let names = text("src/telemetry/names.rs");
    let reasons = names.split_once("STATE_REASONS").and_then(|(_, rest)| rest.split_once('=')).unwrap().1;
    let reasons: Vec<_> = reasons.split(']').next().unwrap().split('"').skip(1).step_by(2).collect();
    assert!(reasons.len() > 5, "{reasons:?}");
    assert_eq!(rows_of("CardinalityGuardStateNotDurable"), reasons);
}
