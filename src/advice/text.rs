//! Steps as a policy file with their reasons.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::numbers::counted;
use super::{Edit, Evidence, Step, Touched, Why};
use crate::engine::model::Kind;
use crate::telemetry::Printable;

/// What folded gauges become, by their names; of the rest the sum says something.
const AGGREGATES: [(&[&str], &str); 4] = [
    (&["_up", "_healthy", "_ready"], "min"),
    (&["_max"], "max"),
    (&["_min"], "min"),
    (&["_ratio", "_percent", "_celsius"], "avg"),
];

/// Characters of a comment's line.
const WIDTH: usize = 100;
/// Characters shown of each sample value.
const SAMPLE: usize = 40;

/// The steps as a policy file, the remarks as comments at its head.
pub fn policy_file(remarks: &[String], steps: &[Step]) -> String {
    let mut text: String = remarks.iter().map(|remark| comment(remark, "")).collect();
    if steps.is_empty() {
        text += "policies: []\n";
        return text;
    }
    text += "policies:\n";
    let mut names = BTreeSet::new();
    for step in steps {
        let mut name = format!("suggested_{}", step.label);
        while !names.insert(name.clone()) {
            name.push_str("_too");
        }
        text += &policy(step, &name);
    }
    text
}

fn policy(step: &Step, name: &str) -> String {
    let mut text = comment(&reason(step), "  ");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  - name: {}", quoted(name));
    match step.families.as_slice() {
        [one] => text += &format!("    match: {}\n", selector(one)),
        some => {
            text += "    match:\n";
            some.iter().for_each(|family| text += &format!("      - {}\n", selector(family)));
        }
    }
    let action = match step.edit {
        Edit::Drop => "drop",
        Edit::Normalize => "normalize",
    };
    let _ = writeln!(text, "    labels:\n      - {{label: {}, action: {action}}}", quoted(&regex::escape(&step.label)));
    let rules: Vec<String> = step.families.iter().filter_map(aggregate).collect();
    if !rules.is_empty() {
        text += "    aggregate:\n";
        rules.iter().for_each(|rule| text += &format!("      - {rule}\n"));
    }
    text
}

fn reason(step: &Step) -> String {
    let samples: Vec<String> = step.samples.iter().map(|sample| sample_words(sample)).collect();
    let values = format!(
        "{}: {} ({}), such as {}.",
        Printable(&step.label),
        counted(step.values, "value"),
        step.look,
        samples.join(", ")
    );
    let why = match step.why {
        Why::Evidence(Evidence::Ids) => "Ids: each new one leaves its series behind for ever.".to_owned(),
        Why::Evidence(Evidence::IdsInside { left: Some(left) }) => {
            format!("The ids inside become placeholders; {} left.", counted(left, "value"))
        }
        Why::Evidence(Evidence::IdsInside { left: None }) => "The ids inside become placeholders.".to_owned(),
        Why::Folded => {
            "It exploded and a limit folds it away already; as a policy it is planned, and stays so.".to_owned()
        }
        Why::Budget => "Over budget, and without this label the fewest series are left.".to_owned(),
    };
    format!("{values} {why}")
}

fn sample_words(sample: &str) -> String {
    let mut cut: String = sample.chars().take(SAMPLE).collect();
    if cut.len() < sample.len() {
        cut.push('…');
    }
    Printable(&cut).to_string()
}

/// A selector of exactly this family.
fn selector(family: &Touched) -> String {
    if is_plain(&family.name) {
        return family.name.clone();
    }
    let escaped = family.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    quoted(&format!("{{__name__=\"{escaped}\"}}"))
}

/// How the members of a gauge become one, where their sum says nothing.
fn aggregate(family: &Touched) -> Option<String> {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| family.name.ends_with(suffix));
    let (_, with) = AGGREGATES.iter().find(|(suffixes, _)| ends(suffixes))?;
    // Of a family that is no gauge this says nothing, and `check`, which knows the name alone, is
    // told all the same.
    let kind = if family.kind == Kind::Unknown { "" } else { "type: gauge, " };
    Some(format!("{{metric: {}, {kind}with: {with}}}", quoted(&regex::escape(&family.name))))
}

/// Words that are something else to YAML, or to PromQL.
const NOT_PLAIN: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];

/// YAML: plain where that cannot be anything but this text.
fn quoted(text: &str) -> String {
    match serde_json::to_string(text) {
        _ if is_plain(text) => text.to_owned(),
        Ok(json) if text.contains('\'') || text.chars().any(char::is_control) => json,
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    word && !NOT_PLAIN.iter().any(|other| other.eq_ignore_ascii_case(text))
}

/// Lines of at most [`WIDTH`] characters, each beginning with `#`.
fn comment(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = format!("{indent}#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.trim_start() != "#" {
            lines += &line;
            lines.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line += word;
    }
    format!("{lines}{line}\n")
}
