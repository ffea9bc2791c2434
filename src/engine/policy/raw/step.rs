//! A step over labels.

use super::super::Shape;
use super::super::yaml::{Checker, Mark, Node};
use super::{At, Keys, Texts, Word, keys, optional, required, text, texts};

/// One step: which labels, and what becomes of their values.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Step", deny_unknown_fields))]
pub(in super::super) struct RawStep {
    #[cfg_attr(test, schemars(skip))]
    pub at: Mark,
    #[cfg_attr(test, schemars(skip))]
    pub keys: Keys,
    /// Anchored regex over label names. `__name__`, `le` and `quantile` are out of reach.
    #[cfg_attr(test, schemars(required, with = "String"))]
    pub label: Option<At<String>>,
    /// What becomes of the label.
    #[cfg_attr(test, schemars(required, with = "super::schema::OneOf<StepAction>"))]
    pub action: Option<At<StepAction>>,
    /// hash: into how many buckets; the value becomes `17/64`.
    #[cfg_attr(test, schemars(with = "Option<u64>", range(min = 1)))]
    pub buckets: Option<At<u64>>,
    /// limit, collapse: how many values have a place.
    #[cfg_attr(test, schemars(with = "Option<u64>", range(min = 1)))]
    pub limit: Option<At<u64>>,
    /// replace, keep: anchored regex over the value.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub regex: Option<At<String>>,
    /// replace: the new value, with `$1` for groups. Empty: the label goes.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub replacement: Option<At<String>>,
    /// keep: values that stay; limit: values that have a place of their own, beside the limit.
    #[cfg_attr(test, schemars(with = "Option<super::schema::TextOrList>"))]
    pub values: Option<At<Texts>>,
    /// keep, limit: what every other value becomes; `other` and `__overflow__` when absent. Empty: the label goes.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub overflow: Option<At<String>>,
    /// Only where the value fits this.
    #[cfg_attr(test, schemars(with = "Option<RawWhen>"))]
    pub when: Option<At<RawWhen>>,
}

/// A condition on the value.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "When", deny_unknown_fields))]
pub(in super::super) struct RawWhen {
    /// What the whole value must look like; of a list, any.
    #[cfg_attr(test, schemars(required, with = "super::schema::OneOrMore<Shape>"))]
    pub shape: Option<At<Vec<Shape>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum StepAction {
    Drop,
    Hash,
    Replace,
    Normalize,
    Limit,
    Collapse,
    Keep,
}

impl RawStep {
    pub const KEYS: &'static [&'static str] =
        &["label", "action", "buckets", "limit", "regex", "replacement", "values", "overflow", "when"];

    pub fn read(check: &mut Checker, node: &Node) -> Option<RawStep> {
        let fields = check.fields(node, RawStep::KEYS)?;
        Some(RawStep {
            at: fields.at(),
            keys: keys(&fields),
            label: required(check, &fields, "label", text),
            action: required(check, &fields, "action", StepAction::read),
            buckets: optional(check, &fields, "buckets", Checker::u64),
            limit: optional(check, &fields, "limit", Checker::u64),
            regex: optional(check, &fields, "regex", text),
            replacement: optional(check, &fields, "replacement", text),
            values: optional(check, &fields, "values", texts),
            overflow: optional(check, &fields, "overflow", text),
            when: optional(check, &fields, "when", RawWhen::read),
        })
    }
}

impl RawWhen {
    pub const KEYS: &'static [&'static str] = &["shape"];

    fn read(check: &mut Checker, node: &Node) -> Option<RawWhen> {
        let fields = check.fields(node, RawWhen::KEYS)?;
        Some(RawWhen { shape: required(check, &fields, "shape", shapes) })
    }
}

impl Word for StepAction {
    const WHAT: &'static str = "action";
    const WORDS: &'static [(&'static str, StepAction)] = &[
        ("drop", StepAction::Drop),
        ("hash", StepAction::Hash),
        ("replace", StepAction::Replace),
        ("normalize", StepAction::Normalize),
        ("limit", StepAction::Limit),
        ("collapse", StepAction::Collapse),
        ("keep", StepAction::Keep),
    ];
}

impl StepAction {
    pub fn as_str(self) -> &'static str {
        StepAction::WORDS.iter().find(|(_, action)| *action == self).map_or("", |(word, _)| word)
    }
}

fn shapes(check: &mut Checker, node: &Node) -> Option<Vec<Shape>> {
    match node.items() {
        [] => {
            check.error(node.at, "an empty list fits nothing");
            None
        }
        nodes => Some(nodes.iter().filter_map(|node| Shape::read(check, node)).collect()),
    }
}
