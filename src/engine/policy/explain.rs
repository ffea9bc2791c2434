//! The walk of a series, told: every policy in order, why it matches or not, what each step did,
//! which policy decides how its group is folded, and the series that leaves.

use std::time::Duration;

use super::compiled::Enforcement;
use super::decide::{self, Trace};
use super::plan::Planned;
use super::{Boundless, Decision, FamilyPlan, Outcome, SeriesRef};
use crate::engine::model::LabelSet;

/// Remarks by the place of the policy they are about.
struct Told(Vec<Vec<String>>);

impl Trace for Told {
    fn say(&mut self, policy: usize, line: impl FnOnce() -> String) {
        if let Some(lines) = self.0.get_mut(policy) {
            lines.push(line());
        }
    }
}

impl FamilyPlan {
    /// The same walk as [`FamilyPlan::decide`], told in words, a line per policy and step.
    pub fn explain(&mut self, series: SeriesRef<'_>) -> Vec<String> {
        let mut told = Told(vec![Vec::new(); self.policies.len()]);
        let mut out = LabelSet::default();
        let decision = decide::walk(self, series, &mut out, &mut Boundless, &mut told);
        let mut lines = Vec::new();
        for (at, (planned, remarks)) in self.policies.iter().zip(told.0).enumerate() {
            let mut remarks = remarks.into_iter();
            let verdict = remarks.next().unwrap_or_else(|| self.why_silent(at));
            lines.push(format!("policy `{}`{}: {verdict}", planned.policy.name, manner(planned)));
            lines.extend(remarks.map(|remark| format!("  {remark}")));
        }
        lines.extend(self.folding(&decision));
        lines.extend(self.budget.explain());
        lines.extend(would_be(&decision, series));
        lines.push(outcome(&decision, series, &out));
        lines
    }

    /// Why the walk had nothing to say about a policy.
    fn why_silent(&self, at: usize) -> String {
        // What comes after a policy that lets the whole family pass is not even looked at.
        let passed = self.links.last().is_some_and(|last| last.policy < at && self.policies[last.policy].passes());
        let linked = self.links.iter().any(|link| link.policy == at);
        if linked || passed { "not reached".to_owned() } else { "does not cover this family".to_owned() }
    }

    /// A line for each single-valued key that a policy decides.
    fn folding(&self, decision: &Decision) -> Vec<String> {
        if matches!(decision.outcome, Outcome::Pass | Outcome::Dropped(_)) {
            return Vec::new();
        }
        let (deciders, settings) = self.settings.row(decision.settings);
        let seconds = |d: Duration| format!("{}s", d.as_secs_f64());
        let rows = [
            ("aggregate", deciders.aggregate, settings.aggregate.map(|a| a.as_str().to_owned())),
            ("hold", deciders.hold, settings.hold.map(seconds)),
            ("member_ttl", deciders.member_ttl, Some(seconds(settings.member_ttl))),
            ("group_ttl", deciders.group_ttl, Some(seconds(settings.group_ttl))),
            (
                "histogram_buckets",
                deciders.histogram_buckets,
                settings.histogram_buckets.as_ref().map(|b| format!("{b:?}")),
            ),
        ];
        let line = |(key, decider, value): (&str, Option<u16>, Option<String>)| {
            let link = self.links.get(decider? as usize)?;
            Some(format!("{key} is {}, by policy `{}`", value?, self.policies[link.policy].policy.name))
        };
        rows.into_iter().filter_map(line).collect()
    }
}

fn manner(planned: &Planned) -> &'static str {
    match planned.enforcement {
        Enforcement::Enforced => "",
        Enforcement::Observed => " (only observes)",
    }
}

fn would_be(decision: &Decision, series: SeriesRef<'_>) -> Vec<String> {
    let line = |observed: &super::Observed| match &observed.labels {
        Some(labels) => {
            format!("policy `{}` would have made it {}", observed.cause.policy, spell(series, labels))
        }
        None => format!("policy `{}` would have left it out", observed.cause.policy),
    };
    decision.observed.iter().map(line).collect()
}

fn outcome(decision: &Decision, series: SeriesRef<'_>, out: &LabelSet) -> String {
    match &decision.outcome {
        Outcome::Pass | Outcome::Unchanged => format!("leaves as it came: {}", spell(series, out)),
        Outcome::Changed(cause) => {
            let spelled = spell(series, out);
            format!(
                "leaves as {spelled}, decided by policy `{}` ({} of `{}`)",
                cause.policy,
                cause.action.as_str(),
                cause.label
            )
        }
        Outcome::Dropped(cause) => {
            format!("is left out, decided by policy `{}` ({})", cause.policy, cause.action.as_str())
        }
    }
}

/// The series as an exposition writes it.
fn spell(series: SeriesRef<'_>, labels: &LabelSet) -> String {
    let mut pairs: Vec<String> = Vec::new();
    let legacy = |name: &str, extra: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || extra.contains(c))
    };
    if !legacy(series.name, ":") {
        pairs.push(quote(series.name));
    }
    for (name, value) in labels.iter().chain(series.reserved) {
        let name = if legacy(name, "") { name.to_owned() } else { quote(name) };
        pairs.push(format!("{name}={}", quote(value)));
    }
    let name = if legacy(series.name, ":") { series.name } else { "" };
    if pairs.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", pairs.join(",")) }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
