//! Policy files as they are written: the keys there are, and the sort of value each takes. Nothing
//! here is compiled; whatever has the wrong sort is reported and left out.
//!
//! The JSON schema (`policies/schema.json`) is derived from these types.

mod policy;
mod rule;
#[cfg(test)]
mod schema;
mod step;
mod word;

pub(super) use policy::{PolicyAction, RawAggregate, RawFile, RawPolicy};
pub(super) use rule::{RawRule, RuleAction};
pub(super) use step::{RawStep, StepAction};
pub(super) use word::Word;

use super::yaml::{Checker, Fields, Mark, Node};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub at: Mark,
    pub value: T,
}

/// A text or a list of texts.
pub(super) type Texts = Vec<At<String>>;

/// The keys of a mapping as they are written, whether or not their values could be read.
pub(super) type Keys = Vec<At<String>>;

fn keys(fields: &Fields<'_>) -> Keys {
    fields.iter().map(|entry| At { at: entry.at, value: entry.key.clone() }).collect()
}

fn optional<T>(
    check: &mut Checker,
    fields: &Fields<'_>,
    key: &str,
    read: impl FnOnce(&mut Checker, &Node) -> Option<T>,
) -> Option<At<T>> {
    let node = fields.get(key)?;
    read(check, node).map(|value| At { at: node.at, value })
}

fn required<T>(
    check: &mut Checker,
    fields: &Fields<'_>,
    key: &str,
    read: impl FnOnce(&mut Checker, &Node) -> Option<T>,
) -> Option<At<T>> {
    let node = fields.require(check, key)?;
    read(check, node).map(|value| At { at: node.at, value })
}

fn text(check: &mut Checker, node: &Node) -> Option<String> {
    check.text(node).map(str::to_owned)
}

fn texts(check: &mut Checker, node: &Node) -> Option<Texts> {
    let texts = check.texts(node)?;
    Some(texts.into_iter().map(|(at, text)| At { at, value: text.to_owned() }).collect())
}

/// The items of a list that could be read.
fn list<T>(
    check: &mut Checker,
    fields: &Fields<'_>,
    key: &str,
    read: impl Fn(&mut Checker, &Node) -> Option<T>,
) -> Vec<T> {
    let items = fields.get(key).and_then(|node| check.list(node)).unwrap_or_default();
    items.iter().filter_map(|item| read(check, item)).collect()
}
