//! Where the parts of a policy stand in its file.

use crate::engine::policy::yaml::{self, Mark, Node, Value};
use crate::engine::policy::{Finding, Part, Severity, Source};

/// Where a part of a policy stands.
pub(super) fn place(sources: &[Source], policy: &str, part: Option<Part>) -> Option<(String, Mark)> {
    sources.iter().find_map(|source| {
        let root = yaml::parse(&source.name, &source.text).ok()?;
        let policies = get(&root, "policies")?;
        let node = items(policies).iter().find(|node| get(node, "name").and_then(text) == Some(policy))?;
        let part = match part {
            Some(Part::Step(i)) => get(node, "labels").and_then(|steps| items(steps).get(i)),
            Some(Part::Rule(i)) => get(node, "metric_relabel_configs").and_then(|rules| items(rules).get(i)),
            Some(Part::Selection) => get(node, "match"),
            None => None,
        };
        Some((source.name.clone(), part.unwrap_or(node).at))
    })
}

pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    }
}

pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => &[],
    }
}

pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

pub(super) fn warning((file, at): (String, Mark), message: String, help: Option<String>) -> Finding {
    Finding { severity: Severity::Warning, file, line: at.line, column: at.column, message, help }
}
