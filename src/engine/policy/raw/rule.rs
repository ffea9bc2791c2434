//! A relabel rule, key for key as Prometheus reads it.

use super::super::yaml::{Checker, Mark, Node};
use super::{At, Keys, Texts, Word, keys, optional, text, texts};

/// A rule of Prometheus' `metric_relabel_configs`.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RelabelRule", deny_unknown_fields))]
pub(in super::super) struct RawRule {
    #[cfg_attr(test, schemars(skip))]
    pub at: Mark,
    #[cfg_attr(test, schemars(skip))]
    pub keys: Keys,
    /// What the rule does; `replace` when absent.
    #[cfg_attr(test, schemars(with = "Option<super::schema::OneOf<RuleAction>>"))]
    pub action: Option<At<RuleAction>>,
    /// Labels whose values are joined with the separator.
    #[cfg_attr(test, schemars(with = "Option<super::schema::TextOrList>"))]
    pub source_labels: Option<At<Texts>>,
    /// `;` when absent.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub separator: Option<At<String>>,
    /// Anchored regex over the joined values or over label names; `(.*)` when absent.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub regex: Option<At<String>>,
    /// hashmod: the modulus.
    #[cfg_attr(test, schemars(with = "Option<u64>", range(min = 1)))]
    pub modulus: Option<At<u64>>,
    /// The label that is written or compared with.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub target_label: Option<At<String>>,
    /// `$1` when absent.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub replacement: Option<At<String>>,
    /// `true`: the exporter itself exposes the `job`, `instance` or `__` labels the rule reads.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub exposed: Option<At<bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum RuleAction {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl RawRule {
    pub const KEYS: &'static [&'static str] =
        &["action", "source_labels", "separator", "regex", "modulus", "target_label", "replacement", "exposed"];

    pub fn read(check: &mut Checker, node: &Node) -> Option<RawRule> {
        let fields = check.fields(node, RawRule::KEYS)?;
        Some(RawRule {
            at: fields.at(),
            keys: keys(&fields),
            action: optional(check, &fields, "action", RuleAction::read_any_case),
            source_labels: optional(check, &fields, "source_labels", texts),
            separator: optional(check, &fields, "separator", text),
            regex: optional(check, &fields, "regex", text),
            modulus: optional(check, &fields, "modulus", Checker::u64),
            target_label: optional(check, &fields, "target_label", text),
            replacement: optional(check, &fields, "replacement", text),
            exposed: optional(check, &fields, "exposed", Checker::bool),
        })
    }
}

impl Word for RuleAction {
    const WHAT: &'static str = "relabel action";
    const WORDS: &'static [(&'static str, RuleAction)] = &[
        ("replace", RuleAction::Replace),
        ("keep", RuleAction::Keep),
        ("drop", RuleAction::Drop),
        ("keepequal", RuleAction::KeepEqual),
        ("dropequal", RuleAction::DropEqual),
        ("hashmod", RuleAction::HashMod),
        ("labelmap", RuleAction::LabelMap),
        ("labeldrop", RuleAction::LabelDrop),
        ("labelkeep", RuleAction::LabelKeep),
        ("lowercase", RuleAction::Lowercase),
        ("uppercase", RuleAction::Uppercase),
    ];
}

impl RuleAction {
    pub fn as_str(self) -> &'static str {
        RuleAction::WORDS.iter().find(|(_, action)| *action == self).map_or("", |(word, _)| word)
    }

    /// Prometheus takes `LabelDrop` as well.
    fn read_any_case(check: &mut Checker, node: &Node) -> Option<RuleAction> {
        let lower = check.text(node)?.to_lowercase();
        let found = RuleAction::WORDS.iter().find(|(word, _)| *word == lower);
        match found {
            Some((_, action)) => Some(*action),
            None => RuleAction::read(check, node),
        }
    }
}
