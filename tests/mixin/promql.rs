//! Reads out of PromQL what it asks for. No parser: `promtool` says whether it is PromQL at all.

use std::collections::BTreeSet;

/// Words that are followed by labels in parentheses.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The metrics an expression selects.
pub(crate) fn metrics(expression: &str) -> BTreeSet<String> {
    let text = bare(expression);
    let mut found = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let end = rest[at..].find(|c: char| !is_name(c)).map_or(rest.len(), |len| at + len);
        let (name, after) = (&rest[at..end], rest[end..].trim_start());
        rest = after;
        let is_number = name.starts_with(|c: char| c.is_ascii_digit());
        if GROUPING.contains(&name) {
            rest = after.strip_prefix('(').and_then(|labels| labels.split_once(')')).map_or(after, |(_, rest)| rest);
        } else if !is_number && !OPERATORS.contains(&name) && !is_function(after) {
            found.insert(name.to_owned());
        }
    }
    found
}

/// The labels of the first `by (…)`.
pub(crate) fn first_grouping(expression: &str) -> Vec<String> {
    let labels = expression.split_once("by (").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    labels.split(',').map(|label| label.trim().to_owned()).collect()
}

/// A function or an aggregation, by what follows it.
fn is_function(after: &str) -> bool {
    let next = after.split(|c| !is_name(c)).next();
    after.starts_with('(') || next == Some("by") || next == Some("without")
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Without strings, selectors, ranges and comments.
fn bare(expression: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let (mut depth, mut comment) = (0, false);
    let mut characters = expression.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\n') => (comment, _) = (false, out.push(' ')),
            (None, _) if comment => {}
            (None, '#') => comment = true,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth -= 1,
            (None, _) if depth == 0 => out.push(c),
            (None, _) => {}
        }
    }
    out
}

#[test]
fn metrics_are_found_and_labels_are_not() {
    for (expression, expected) in [
        ("up{job=\"a\"} == 0 or absent(up{job=\"a\"})", &["up"][..]),
        (
            "sum by (target, le) (rate(a_bucket{x=\"b{c\"}[5m])) / ignoring (result) group_left () b_total > 0.05",
            &["a_bucket", "b_total"],
        ),
        ("topk(10, job:a:sum offset 5m unless on () b) # c", &["b", "job:a:sum"]),
        ("0.8 * 2147483648 + vector(0)", &[]),
    ] {
        assert_eq!(metrics(expression).into_iter().collect::<Vec<_>>(), expected, "{expression}");
    }
}
