//! One relabel rule: Prometheus' defaults and demands, and what the guard adds to them.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::super::pattern::Pattern;
use super::super::raw::{At, RawRule, RuleAction};
use super::super::relabel::{Rule, Target, Verb};
use super::super::rewrite::Rewrite;
use super::super::step::is_reserved;
use super::super::yaml::{Checker, Mark};
use super::step::{bad_pattern, missing_groups, pattern};

const SEPARATOR: &str = ";";
const REGEX: &str = "(.*)";
const REPLACEMENT: &str = "$1";

pub(super) fn compile(check: &mut Checker, raw: &RawRule) -> Option<Rule> {
    let action = match (&raw.action, given(raw, "action")) {
        (Some(action), _) => action.value,
        (None, Some(_)) => return None,
        (None, None) => RuleAction::Replace,
    };
    superfluous(check, raw, action);
    readable(check, raw);
    let verb = verb(check, raw, action)?;
    let sources = raw.source_labels.as_ref().map(|texts| texts.value.as_slice()).unwrap_or_default();
    Some(Rule {
        source_labels: sources.iter().map(|label| label.value.as_str().into()).collect(),
        separator: text_or(&raw.separator, SEPARATOR).value.into(),
        verb,
    })
}

/// As in Prometheus, where these combinations do not load.
fn superfluous(check: &mut Checker, raw: &RawRule, action: RuleAction) {
    use RuleAction::*;
    let refused: &[&str] = match action {
        KeepEqual | DropEqual => &["regex", "modulus", "separator", "replacement"],
        LabelDrop | LabelKeep => &["source_labels", "target_label", "modulus", "separator", "replacement"],
        Lowercase | Uppercase => &["replacement"],
        _ => &[],
    };
    for key in raw.keys.iter().filter(|key| refused.contains(&key.value.as_str())) {
        check.error(key.at, format!("`{}` says nothing to `{}`", key.value, action.as_str()));
    }
}

/// The guard sees what the exporter exposes: reading what Prometheus adds later is a mistake.
fn readable(check: &mut Checker, raw: &RawRule) {
    if raw.exposed.as_ref().is_some_and(|exposed| exposed.value) {
        return;
    }
    let compared = raw.action.as_ref().filter(|a| matches!(a.value, RuleAction::KeepEqual | RuleAction::DropEqual));
    let compared = compared.and(raw.target_label.as_ref());
    let sources = raw.source_labels.iter().flat_map(|texts| &texts.value);
    for label in sources.chain(compared).filter(|label| is_target_label(&label.value)) {
        refuse_target_label(check, label.at, &label.value, "bind the policy with `targets:` instead");
    }
    let by_name = matches!(
        raw.action.as_ref().map(|action| action.value),
        Some(RuleAction::LabelMap | RuleAction::LabelDrop | RuleAction::LabelKeep)
    );
    let Some(regex) = raw.regex.as_ref().filter(|_| by_name) else { return };
    let words = Pattern::new(&regex.value).ok().and_then(|pattern| pattern.words().map(<[_]>::to_vec));
    for word in words.unwrap_or_default().iter().filter(|word| is_target_label(word)) {
        refuse_target_label(check, regex.at, word, "take it out of the pattern: it comes to every series anyway");
    }
}

fn is_target_label(label: &str) -> bool {
    matches!(label, "job" | "instance")
        || (label.starts_with("__") && label != "__name__" && !label.starts_with("__tmp"))
}

fn refuse_target_label(check: &mut Checker, at: Mark, label: &str, way_out: &str) {
    let help = format!("{way_out}; if the exporter itself exposes this label, say `exposed: true`");
    let message = format!("a rule cannot read `{label}`: Prometheus adds target labels after the guard has answered");
    check.error_with_help(at, message, help);
}

fn verb(check: &mut Checker, raw: &RawRule, action: RuleAction) -> Option<Verb> {
    let regex = text_or(&raw.regex, REGEX);
    match action {
        RuleAction::Keep => pattern(check, &regex).map(Verb::Keep),
        RuleAction::Drop => pattern(check, &regex).map(Verb::Drop),
        RuleAction::KeepEqual => compared_label(check, raw, action).map(Verb::KeepEqual),
        RuleAction::DropEqual => compared_label(check, raw, action).map(Verb::DropEqual),
        RuleAction::Lowercase => written_label(check, raw, action).map(Verb::Lowercase),
        RuleAction::Uppercase => written_label(check, raw, action).map(Verb::Uppercase),
        RuleAction::HashMod => hash_mod(check, raw),
        RuleAction::Replace => replace(check, raw, &regex),
        RuleAction::LabelMap => label_map(check, raw, &regex),
        RuleAction::LabelDrop => label_drop(check, &regex).map(Verb::LabelDrop),
        RuleAction::LabelKeep => pattern(check, &regex).map(Verb::LabelKeep),
    }
}

fn hash_mod(check: &mut Checker, raw: &RawRule) -> Option<Verb> {
    let target = written_label(check, raw, RuleAction::HashMod);
    let modulus = raw.modulus.as_ref().and_then(|modulus| NonZeroU64::new(modulus.value));
    match (&raw.modulus, modulus, given(raw, "modulus")) {
        (Some(zero), None, _) => check.error(zero.at, "the modulus must not be 0"),
        (None, _, None) => check.error(raw.at, "`hashmod` needs `modulus`"),
        _ => {}
    }
    Some(Verb::HashMod { modulus: modulus?, target: target? })
}

fn replace(check: &mut Checker, raw: &RawRule, regex: &At<String>) -> Option<Verb> {
    let replacement = text_or(&raw.replacement, REPLACEMENT);
    let rewrite = rewrite(check, regex, &replacement, raw.replacement.is_some())?;
    let target = raw.target_label.as_ref().filter(|label| label.value.contains('$'));
    let target = match target {
        Some(text) => {
            let (template, missing) = rewrite.template(&text.value);
            missing_groups(check, text, &missing);
            Target::Template { template, text: text.value.as_str().into() }
        }
        None => Target::Label(written_label(check, raw, RuleAction::Replace)?),
    };
    Some(Verb::Replace { rewrite, target })
}

fn label_map(check: &mut Checker, raw: &RawRule, regex: &At<String>) -> Option<Verb> {
    let replacement = text_or(&raw.replacement, REPLACEMENT);
    let rewrite = rewrite(check, regex, &replacement, raw.replacement.is_some())?;
    if is_reserved(&replacement.value) {
        refuse_reserved(check, replacement.at, &replacement.value);
        return None;
    }
    if replacement.value.is_empty() {
        check.error(replacement.at, "`labelmap` needs a label name as `replacement`");
        return None;
    }
    Some(Verb::LabelMap(rewrite))
}

fn rewrite(check: &mut Checker, regex: &At<String>, replacement: &At<String>, written: bool) -> Option<Rewrite> {
    match Rewrite::new(&regex.value, &replacement.value) {
        Ok((rewrite, missing)) => {
            // The default `$1` beside a regex without groups is Prometheus' own idiom for removal.
            missing_groups(check, replacement, if written { &missing } else { &[] });
            Some(rewrite)
        }
        Err(why) => {
            bad_pattern(check, regex, &why);
            None
        }
    }
}

/// The label a rule compares with; it may be one that rules must not write.
fn compared_label(check: &mut Checker, raw: &RawRule, action: RuleAction) -> Option<Arc<str>> {
    match &raw.target_label {
        Some(label) if !label.value.is_empty() => Some(Arc::from(label.value.as_str())),
        _ => {
            if given(raw, "target_label").is_none() || raw.target_label.is_some() {
                check.error(raw.at, format!("`{}` needs `target_label`", action.as_str()));
            }
            None
        }
    }
}

fn written_label(check: &mut Checker, raw: &RawRule, action: RuleAction) -> Option<Arc<str>> {
    let label = compared_label(check, raw, action)?;
    if is_reserved(&label) {
        refuse_reserved(check, raw.target_label.as_ref().map_or(raw.at, |text| text.at), &label);
        return None;
    }
    Some(label)
}

fn refuse_reserved(check: &mut Checker, at: Mark, label: &str) {
    let message = format!("a rule may not write or remove `{label}`");
    check.error_with_help(at, message, "`__name__`, `le` and `quantile` make a sample what it is");
}

/// `.+` is about every other label; a list of words that names a reserved one is about it.
fn label_drop(check: &mut Checker, regex: &At<String>) -> Option<Pattern> {
    let pattern = pattern(check, regex)?;
    if let Some(word) = pattern.words().unwrap_or_default().iter().find(|word| is_reserved(word)) {
        refuse_reserved(check, regex.at, word);
        return None;
    }
    Some(pattern)
}

fn given(raw: &RawRule, key: &str) -> Option<Mark> {
    raw.keys.iter().find(|given| given.value == key).map(|given| given.at)
}

fn text_or(text: &Option<At<String>>, default: &str) -> At<String> {
    text.clone().unwrap_or_else(|| At { at: Mark::default(), value: default.to_owned() })
}
