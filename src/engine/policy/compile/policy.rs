//! One policy: its selectors, bounds and single-valued keys.

use std::sync::Arc;

use super::super::compiled::{AggregateRule, BudgetKeys, Effect, Enforcement, FoldKeys, Policy};
use super::super::raw::{At, PolicyAction, RawAggregate, RawPolicy, Texts};
use super::super::selector::Selector;
use super::super::yaml::{Checker, closest};
use super::super::{Aggregate, Mode};
use super::{Context, rule, step};
use crate::engine::model::Kind;

pub(super) fn compile(check: &mut Checker, raw: &RawPolicy, context: &mut Context<'_>, file: &str) -> Policy {
    let name = name(check, raw, context, file);
    let policy = Policy {
        selectors: selectors(check, raw.selectors.as_ref()),
        targets: targets(check, raw.targets.as_ref(), context),
        enforcement: enforcement(raw),
        effect: effect(check, raw, &name),
        fold: fold_keys(check, raw),
        budget: budget_keys(raw),
        keep_labels: boxed(raw.keep_labels.as_ref()),
        name,
    };
    doubts(check, raw, &policy);
    policy
}

fn name(check: &mut Checker, raw: &RawPolicy, context: &mut Context<'_>, file: &str) -> Arc<str> {
    let Some(name) = &raw.name else { return Arc::from("") };
    if name.value.is_empty() {
        check.error(name.at, "a policy needs a name");
    }
    match context.names.get(&name.value) {
        None => {
            context.names.insert(name.value.clone(), (file.to_owned(), name.at));
        }
        Some((first, at)) => {
            let help = format!(
                "the first one is {first}:{}:{}; `explain` and the metrics tell them apart by name",
                at.line, at.column
            );
            check.error_with_help(name.at, format!("two policies are named `{}`", name.value), help);
        }
    }
    Arc::from(name.value.as_str())
}

fn selectors(check: &mut Checker, raw: Option<&At<Texts>>) -> Box<[Selector]> {
    let Some(raw) = raw else { return Box::default() };
    if raw.value.is_empty() {
        check.error_with_help(raw.at, "an empty list selects nothing", "leave `match` out to select every series");
    }
    raw.value.iter().filter_map(|text| selector(check, text)).collect()
}

fn selector(check: &mut Checker, text: &At<String>) -> Option<Selector> {
    match Selector::new(&text.value) {
        Ok(selector) => Some(selector),
        Err(mistake) => {
            let message = format!("{} (character {} of the selector)", mistake.message, mistake.at + 1);
            match mistake.help {
                Some(help) => check.error_with_help(text.at, message, help),
                None => check.error(text.at, message),
            }
            None
        }
    }
}

fn targets(check: &mut Checker, raw: Option<&At<Texts>>, context: &Context<'_>) -> Option<Box<[Box<str>]>> {
    let raw = raw?;
    if raw.value.is_empty() {
        check.error_with_help(
            raw.at,
            "an empty list binds the policy to nothing",
            "leave `targets` out to bind it to all",
        );
    }
    let known = context.targets.unwrap_or_default();
    for name in raw.value.iter().filter(|name| context.targets.is_some() && !known.contains(&name.value)) {
        let help = match closest(&name.value, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`targets:` of the settings file names them".to_owned(),
        };
        check.error_with_help(name.at, format!("unknown target `{}`", name.value), help);
    }
    Some(boxed(Some(raw)))
}

fn enforcement(raw: &RawPolicy) -> Enforcement {
    match raw.mode.as_ref().map(|mode| mode.value) {
        Some(Mode::Observe) => Enforcement::Observed,
        _ => Enforcement::Enforced,
    }
}

fn effect(check: &mut Checker, raw: &RawPolicy, name: &str) -> Effect {
    let steps = raw.labels.iter().filter_map(|raw| step::compile(check, raw, name)).collect();
    let rules = raw.metric_relabel_configs.iter().filter_map(|raw| rule::compile(check, raw)).collect();
    let Some(action) = &raw.action else { return Effect::Edit { steps, rules } };
    if !raw.labels.is_empty() || !raw.metric_relabel_configs.is_empty() {
        let message = "`action` is about the series as a whole: `labels` and `metric_relabel_configs` would never run";
        check.error_with_help(action.at, message, "make it two policies");
    }
    match action.value {
        PolicyAction::Pass => Effect::Pass,
        PolicyAction::Drop => Effect::Drop,
    }
}

fn fold_keys(check: &mut Checker, raw: &RawPolicy) -> FoldKeys {
    FoldKeys {
        aggregate: raw.aggregate.iter().filter_map(|raw| aggregate(check, raw)).collect(),
        hold: raw.hold.as_ref().map(|hold| hold.value),
        member_ttl: raw.member_ttl.as_ref().map(|ttl| ttl.value),
        group_ttl: raw.group_ttl.as_ref().map(|ttl| ttl.value),
        histogram_buckets: raw.histogram_buckets.as_ref().and_then(|raw| buckets(check, raw)),
    }
}

fn budget_keys(raw: &RawPolicy) -> BudgetKeys {
    BudgetKeys {
        series_limit: raw.series_limit.as_ref().map(|limit| limit.value),
        series_limit_total: raw.series_limit_total.as_ref().map(|limit| limit.value),
        action: raw.series_limit_action.as_ref().map(|action| action.value),
        series_ttl: raw.series_ttl.as_ref().map(|ttl| ttl.value),
    }
}

fn aggregate(check: &mut Checker, raw: &RawAggregate) -> Option<AggregateRule> {
    let metric = match &raw.metric {
        Some(text) => Some(step::pattern(check, text)?),
        None => None,
    };
    let with = raw.with.as_ref()?;
    let kind = raw.kind.as_ref().map(|kind| kind.value);
    if matches!(kind, Some(Kind::Counter | Kind::Histogram | Kind::Summary)) && with.value != Aggregate::Sum {
        let message = "counters, histograms and summaries always add up what their members counted";
        check.error_with_help(with.at, message, "`aggregate` is for gauges: write `type: gauge` or leave `type` out");
    }
    Some(AggregateRule { metric, kind, with: with.value })
}

fn buckets(check: &mut Checker, raw: &At<Vec<f64>>) -> Option<Arc<[f64]>> {
    if raw.value.is_empty() {
        check.error_with_help(raw.at, "no boundary is pinned", "leave `histogram_buckets` out to keep the common ones");
        return None;
    }
    if !raw.value.is_sorted_by(|a, b| a < b) {
        check.error(raw.at, "the boundaries must ascend");
        return None;
    }
    Some(raw.value.as_slice().into())
}

/// What compiles and still cannot be meant.
fn doubts(check: &mut Checker, raw: &RawPolicy, policy: &Policy) {
    let has_fold_keys = !policy.fold.is_empty();
    if let (Some(action), true) = (&raw.action, has_fold_keys) {
        let message = "`action` leaves nothing to fold: the keys about folding have no effect";
        check.warning(action.at, message, "move them to the policy whose steps fold");
    }
    if let (Some(action), false) = (&raw.action, policy.budget.is_empty()) {
        let message = "`action` leaves nothing to count: the keys about limits have no effect";
        check.warning(action.at, message, "move them to a policy without `action`");
    }
    if matches!(policy.effect, Effect::Pass) && policy.enforcement == Enforcement::Observed {
        check.warning(raw.at, "a policy that passes and only observes does nothing", "take `mode: observe` out");
    }
    if policy.effect.is_nothing()
        && !has_fold_keys
        && policy.budget.is_empty()
        && policy.keep_labels.is_empty()
        && !check.has_errors()
    {
        check.warning(
            raw.at,
            "the policy does nothing",
            "it has neither steps (`labels`), rules, an `action` nor keys about folding or limits",
        );
    }
}

fn boxed(raw: Option<&At<Texts>>) -> Box<[Box<str>]> {
    raw.map(|raw| raw.value.iter().map(|text| text.value.as_str().into()).collect()).unwrap_or_default()
}
