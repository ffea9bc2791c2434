//! Labels that are put into words: annotations of alerts and legends of panels.

use std::sync::LazyLock;

use regex::Regex;

use crate::engine::policy::yaml::{Entry, Value};

/// `{{ $labels.queue }}` or `{{ index $labels "my.label" }}` in a rule, `{{queue}}` in a legend.
static TEMPLATES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\$labels\.(\w+)|\$labels "([^"]+)"|\{\{\s*([A-Za-z_]\w*)\s*\}\}"#).ok());

/// The labels that stand in the words beside an expression.
pub(super) fn shown(beside: &[Entry]) -> Vec<String> {
    let mut labels = Vec::new();
    for entry in beside {
        match (entry.key.as_str(), &entry.value.value) {
            ("annotations" | "labels", Value::Map(texts)) => texts.iter().for_each(|text| collect(text, &mut labels)),
            ("legendFormat", _) => collect(entry, &mut labels),
            _ => {}
        }
    }
    labels.sort();
    labels.dedup();
    labels
}

fn collect(text: &Entry, labels: &mut Vec<String>) {
    let (Value::Scalar(scalar), Some(templates)) = (&text.value.value, TEMPLATES.as_ref()) else { return };
    let names = templates.captures_iter(&scalar.text).filter_map(|found| found.iter().skip(1).flatten().next());
    labels.extend(names.map(|name| name.as_str().to_owned()));
}
