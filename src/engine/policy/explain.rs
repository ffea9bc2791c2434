//! The walk of a series, told: every policy in order, why it matches or not, what each step did, and
//! which policy decides how its group is folded.

use std::time::Duration;

use super::compiled::Enforcement;
use super::decide::{self, Trace};
use super::plan::Planned;
use super::{Decision, FamilyPlan, Outcome, SeriesRef};
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
        let decision = decide::walk(self, series, &mut LabelSet::default(), &mut told);
        let mut lines = Vec::new();
        for (at, (planned, remarks)) in self.policies.iter().zip(told.0).enumerate() {
            let mut remarks = remarks.into_iter();
            let verdict = remarks.next().unwrap_or_else(|| self.why_silent(at));
            lines.push(format!("policy `{}`{}: {verdict}", planned.policy.name, manner(planned)));
            lines.extend(remarks.map(|remark| format!("  {remark}")));
        }
        lines.extend(self.folding(&decision));
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
