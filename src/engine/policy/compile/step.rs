//! One step: which keys its action takes, and what they must hold.

use std::num::NonZeroU64;

use super::super::pattern::Pattern;
use super::super::raw::{At, RawStep, StepAction};
use super::super::rewrite::Rewrite;
use super::super::step::{Allowed, Edit, Ration, Step, is_reserved};
use super::super::yaml::Checker;
use super::super::{OVERFLOW, StepKey};

/// What `keep` makes of other values when it does not say.
const OTHER: &str = "other";

pub(super) fn compile(check: &mut Checker, raw: &RawStep, policy: &str) -> Option<Step> {
    let label = raw.label.as_ref().and_then(|label| label_pattern(check, label));
    let edit = raw.action.as_ref().and_then(|action| {
        superfluous(check, raw, action);
        edit(check, raw, action)
    });
    let when = raw.when.as_ref().and_then(|when| when.value.shape.as_ref());
    let when = when.map(|shapes| shapes.value.as_slice().into()).unwrap_or_default();
    Some(Step { label: label?, when, edit: edit?, key: StepKey::default() }.keyed(policy))
}

/// An anchored regex; the finding stands at it.
pub(super) fn pattern(check: &mut Checker, text: &At<String>) -> Option<Pattern> {
    Pattern::new(&text.value).map_err(|why| bad_pattern(check, text, &why)).ok()
}

pub(super) fn bad_pattern(check: &mut Checker, text: &At<String>, why: &str) {
    check.error(text.at, format!("the pattern `{}` is wrong: {why}", shortened(&text.value)));
}

fn label_pattern(check: &mut Checker, text: &At<String>) -> Option<Pattern> {
    let pattern = pattern(check, text)?;
    let reserved = pattern.words().filter(|words| words.iter().all(|word| is_reserved(word)));
    if let Some(words) = reserved {
        let help = "`__name__`, `le` and `quantile` make a sample what it is; `action: drop` of a policy leaves series out, \
                    `histogram_buckets` thins boundaries";
        check.error_with_help(text.at, format!("no step may touch `{}`", words.join("|")), help);
        return None;
    }
    if text.value.is_empty() {
        check.error(text.at, "an empty pattern fits no label");
        return None;
    }
    Some(pattern)
}

/// A key that the action does not look at was meant for something.
fn superfluous(check: &mut Checker, raw: &RawStep, action: &At<StepAction>) {
    let takes: &[&str] = match action.value {
        StepAction::Drop | StepAction::Normalize => &[],
        StepAction::Hash => &["buckets"],
        StepAction::Replace => &["regex", "replacement"],
        StepAction::Keep => &["values", "regex", "overflow"],
        StepAction::Limit => &["limit", "values", "overflow"],
        StepAction::Collapse => &["limit"],
    };
    let options = ["buckets", "limit", "regex", "replacement", "values", "overflow"];
    let given = raw.keys.iter().filter(|key| options.contains(&key.value.as_str()));
    for At { at, value: key } in given.filter(|key| !takes.contains(&key.value.as_str())) {
        let action = action.value.as_str();
        let help = match takes {
            [] => format!("`{action}` takes `when` and nothing else"),
            takes => format!("`{action}` takes {}", takes.join(", ")),
        };
        check.error_with_help(*at, format!("`{key}` says nothing to `{action}`"), help);
    }
}

fn edit(check: &mut Checker, raw: &RawStep, action: &At<StepAction>) -> Option<Edit> {
    match action.value {
        StepAction::Drop => Some(Edit::Drop),
        StepAction::Normalize => Some(Edit::Normalize),
        StepAction::Hash => {
            let buckets = needed(check, raw, raw.buckets.as_ref(), "buckets")?;
            let number = NonZeroU64::new(buckets.value);
            if number.is_none() {
                check.error(buckets.at, "there must be at least one bucket");
            }
            number.map(Edit::Hash)
        }
        StepAction::Replace => {
            let regex = needed(check, raw, raw.regex.as_ref(), "regex");
            let replacement = needed(check, raw, raw.replacement.as_ref(), "replacement");
            rewrite(check, regex?, replacement?).map(Edit::Replace)
        }
        StepAction::Keep => keep(check, raw).map(Edit::Keep),
        StepAction::Limit => {
            let limit = places(check, raw)?;
            let values = raw.values.as_ref().map(|texts| texts.value.as_slice()).unwrap_or_default();
            let values = values.iter().map(|text| text.value.as_str().into()).collect();
            let overflow = raw.overflow.as_ref().map_or(OVERFLOW, |text| text.value.as_str()).into();
            Some(Edit::Limit(Ration { limit, values, overflow }))
        }
        StepAction::Collapse => places(check, raw).map(Edit::Collapse),
    }
}

/// How many values have a place.
fn places(check: &mut Checker, raw: &RawStep) -> Option<u64> {
    let limit = needed(check, raw, raw.limit.as_ref(), "limit")?;
    if limit.value == 0 {
        check.error_with_help(limit.at, "a limit of 0 leaves no value a place", "`action: drop` takes the label away");
        return None;
    }
    Some(limit.value)
}

pub(super) fn rewrite(check: &mut Checker, regex: &At<String>, replacement: &At<String>) -> Option<Rewrite> {
    match Rewrite::new(&regex.value, &replacement.value) {
        Ok((rewrite, missing)) => {
            missing_groups(check, replacement, &missing);
            Some(rewrite)
        }
        Err(why) => {
            bad_pattern(check, regex, &why);
            None
        }
    }
}

pub(super) fn missing_groups(check: &mut Checker, replacement: &At<String>, missing: &[String]) {
    for group in missing {
        let help = "it becomes empty; `${1}x` keeps a group apart from what follows, `$$` is a dollar";
        check.warning(replacement.at, format!("the regex has no group `{group}`"), help);
    }
}

fn keep(check: &mut Checker, raw: &RawStep) -> Option<Allowed> {
    let values = raw.values.as_ref().map(|texts| texts.value.as_slice()).unwrap_or_default();
    let regex = raw.regex.as_ref().map(|text| pattern(check, text));
    if values.is_empty() && !raw.keys.iter().any(|key| key.value == "regex") {
        check.error_with_help(raw.at, "`keep` keeps nothing", "give it `values`, a `regex`, or both");
        return None;
    }
    let regex = match regex {
        Some(regex) => Some(regex?),
        None => None,
    };
    let values = values.iter().map(|text| text.value.as_str().into()).collect();
    let overflow = raw.overflow.as_ref().map_or(OTHER, |text| text.value.as_str()).into();
    Some(Allowed { values, regex, overflow })
}

/// A key that is there and could not be read has its finding already.
fn needed<'r, T>(check: &mut Checker, raw: &RawStep, value: Option<&'r At<T>>, key: &str) -> Option<&'r At<T>> {
    if let (Some(action), false) = (&raw.action, raw.keys.iter().any(|given| given.value == key)) {
        check.error(action.at, format!("`{}` needs `{key}`", action.value.as_str()));
    }
    value
}

fn shortened(pattern: &str) -> String {
    match pattern.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}
