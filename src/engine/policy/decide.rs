//! The walk of a series through the policies of its family. [`FamilyPlan::decide`] takes it
//! silently and fast; [`FamilyPlan::explain`] takes the same walk and tells it.

use super::family::{FamilyPlan, Link, Reach};
use super::fold_settings::Deciders;
use super::names::{NameId, Names, Wanted};
use super::plan::Planned;
use super::policy::{Effect, Enforcement, Policy};
use super::relabel::{Rule, Ruled};
use super::step::{Applied, Step};
use super::{Action, Cause, Decision, Observed, Outcome, SeriesRef};
use crate::engine::model::LabelSet;
use std::sync::Arc;

/// Who listens to the walk.
pub(super) trait Trace {
    /// A remark about the policy at this place of the plan.
    fn say(&mut self, policy: usize, line: impl FnOnce() -> String);
}

/// Nobody: the remarks are never made.
pub(super) struct Silent;

impl Trace for Silent {
    #[inline(always)]
    fn say(&mut self, _: usize, _: impl FnOnce() -> String) {}
}

/// Buffers that keep their size from series to series.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The name of each label, in step with the label set at hand.
    ids: Vec<NameId>,
    /// For 64 steps a word: a bit where some label may be wanted.
    wanted: Vec<u64>,
    value: String,
    /// What an observing policy works on.
    observed: LabelSet,
}

/// Walks `series` through every policy that covers its family.
pub(super) fn walk<T: Trace>(
    plan: &mut FamilyPlan,
    series: SeriesRef<'_>,
    out: &mut LabelSet,
    trace: &mut T,
) -> Decision {
    out.copy_from(series.labels);
    let FamilyPlan { policies, links, reach, names, settings, scratch } = plan;
    let mut watched = std::mem::take(&mut scratch.observed);
    let mut editor = Editor { policies, links, names, scratch, series, trace, fresh: Fresh::No };
    let mut so_far = SoFar::default();
    let ended = links.iter().enumerate().find_map(|(at, link)| {
        let planned = &policies[link.policy];
        if !link.gate.admits(&planned.policy, series.labels) {
            editor.trace.say(link.policy, || misfits(link, &planned.policy, series.labels));
            return None;
        }
        match planned.enforcement {
            _ if planned.passes() => Some(Ended::Passed),
            Enforcement::Enforced => enforce(&mut editor, at, link, out, &mut so_far),
            Enforcement::Observed => {
                watched.copy_from(out);
                so_far.observed.extend(editor.observe(link, &mut watched));
                None
            }
        }
    });
    scratch.observed = watched;
    let mut decision = Decision { observed: so_far.observed, ..Decision::default() };
    match ended {
        Some(Ended::Passed) => {
            out.copy_from(series.labels);
            // What passes would have kept its labels, whoever wanted to change them before.
            decision.observed.retain(|observed| observed.labels.is_none());
        }
        Some(Ended::Dropped(cause)) => decision.outcome = Outcome::Dropped(cause),
        None => {
            decision.settings = settings
                .id(so_far.deciders, |at| links.get(at as usize).map(|link| link.says(&policies[link.policy].policy)));
            decision.outcome = match so_far.cause {
                Some(cause) if *out != *series.labels => Outcome::Changed(cause),
                _ if *reach == Reach::Editing => Outcome::Unchanged,
                _ => Outcome::Pass,
            };
        }
    }
    decision
}

/// What enforcing policies did before the walk ended.
#[derive(Default)]
struct SoFar {
    cause: Option<Cause>,
    deciders: Deciders,
    observed: Vec<Observed>,
}

/// Why the walk ended before the last policy.
enum Ended {
    Passed,
    Dropped(Cause),
}

fn enforce<T: Trace>(
    editor: &mut Editor<'_, T>,
    at: usize,
    link: &Link,
    out: &mut LabelSet,
    so_far: &mut SoFar,
) -> Option<Ended> {
    let policy = &editor.policies[link.policy].policy;
    if !policy.fold.is_empty() {
        so_far.deciders.add(u16::try_from(at).unwrap_or(u16::MAX), link.says(policy));
    }
    match editor.apply(link, out) {
        Edited::Unchanged => None,
        Edited::Changed(cause) => {
            so_far.cause.get_or_insert(cause);
            None
        }
        Edited::Dropped(cause) => Some(Ended::Dropped(cause)),
    }
}

fn misfits(link: &Link, policy: &Policy, labels: &LabelSet) -> String {
    let selectors = policy.selectors.iter().filter_map(|selector| selector.misfit(labels));
    let all: Vec<String> = selectors.map(|matcher| format!("{matcher}")).collect();
    let _ = link;
    format!("does not select this series, for want of {}", all.join(" or "))
}

/// Whether the ids are those of the label set at hand.
#[derive(Clone, Copy, PartialEq)]
enum Fresh {
    Yes,
    No,
}

/// What a policy did to a label set.
enum Edited {
    Unchanged,
    Changed(Cause),
    Dropped(Cause),
}

struct Editor<'p, T> {
    policies: &'p [Planned],
    links: &'p [Link],
    names: &'p mut Names,
    scratch: &'p mut Scratch,
    series: SeriesRef<'p>,
    trace: &'p mut T,
    fresh: Fresh,
}

impl<'p, T: Trace> Editor<'p, T> {
    fn observe(&mut self, link: &Link, labels: &mut LabelSet) -> Option<Observed> {
        self.fresh = Fresh::No;
        let edited = self.apply(link, labels);
        self.fresh = Fresh::No;
        match edited {
            Edited::Unchanged => None,
            Edited::Changed(cause) => Some(Observed { labels: Some(labels.clone()), cause }),
            Edited::Dropped(cause) => Some(Observed { labels: None, cause }),
        }
    }

    fn apply(&mut self, link: &Link, out: &mut LabelSet) -> Edited {
        let policy: &'p Policy = &self.policies[link.policy].policy;
        let (steps, rules) = match &policy.effect {
            Effect::Pass => return Edited::Unchanged,
            Effect::Drop => {
                self.trace.say(link.policy, || "`action: drop`: the series is left out".to_owned());
                return Edited::Dropped(cause(policy, &Arc::from(""), Action::PolicyDrop));
            }
            Effect::Edit { steps, rules } => (steps, rules),
        };
        let mut first = self.steps(link, policy, steps, out);
        for (i, rule) in rules.iter().enumerate() {
            match self.rule(link, i, rule, out) {
                Ruled::Unchanged => {}
                Ruled::Changed(label) => {
                    first.get_or_insert_with(|| cause(policy, &label, Action::Relabel));
                }
                Ruled::Dropped => return Edited::Dropped(cause(policy, &Arc::from(""), Action::Relabel)),
            }
        }
        first.map_or(Edited::Unchanged, Edited::Changed)
    }

    /// The first step that changed something, and the label it acted upon.
    fn steps(&mut self, link: &Link, policy: &Policy, steps: &[Step], out: &mut LabelSet) -> Option<Cause> {
        if steps.is_empty() {
            return None;
        }
        self.refresh(out);
        let mut first = None;
        for (i, step) in steps.iter().enumerate() {
            let number = link.first_step + i;
            let wanted = self.scratch.wanted.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1);
            if !wanted {
                self.trace.say(link.policy, || format!("step {} ({}): no such label", i + 1, step.action().as_str()));
                continue;
            }
            self.step(link, i, step, out, |label| {
                first.get_or_insert_with(|| cause(policy, label, step.action()));
            });
        }
        first
    }

    fn step(&mut self, link: &Link, i: usize, step: &Step, out: &mut LabelSet, mut blame: impl FnMut(&Arc<str>)) {
        let mut at = 0;
        while at < out.len() {
            let wanted = match self.names.wanted(self.scratch.ids[at], link.first_step + i) {
                Wanted::Yes => true,
                Wanted::No => false,
                Wanted::AskTheStep => step.wants(out.name(at)),
            };
            if !wanted {
                at += 1;
                continue;
            }
            let applied = step.apply(out.value(at), &mut self.scratch.value);
            let new = &self.scratch.value;
            self.trace.say(link.policy, || tell(i, step, out, at, applied, new));
            match applied {
                Applied::Unchanged => at += 1,
                Applied::Removed => {
                    blame(&self.name(at, out));
                    out.remove_at(at);
                    self.scratch.ids.remove(at);
                }
                Applied::Rewritten => {
                    let name = self.name(at, out);
                    blame(&name);
                    out.set(&name, &self.scratch.value);
                    at += 1;
                }
            }
        }
    }

    fn rule(&mut self, link: &Link, i: usize, rule: &Rule, out: &mut LabelSet) -> Ruled {
        let ruled = rule.apply(self.series, out);
        if let Ruled::Changed(label) = &ruled {
            self.fresh = Fresh::No;
            self.trace.say(link.policy, || match out.get(label) {
                Some(value) => format!("rule {} ({rule}): label `{label}` is now {value:?}", i + 1),
                None => format!("rule {} ({rule}): label `{label}` goes", i + 1),
            });
        } else {
            let what = if ruled == Ruled::Dropped { "the series is left out" } else { "nothing changes" };
            self.trace.say(link.policy, || format!("rule {} ({rule}): {what}", i + 1));
        }
        ruled
    }

    fn name(&self, at: usize, out: &LabelSet) -> Arc<str> {
        self.names.text(self.scratch.ids[at]).cloned().unwrap_or_else(|| Arc::from(out.name(at)))
    }

    /// Looks the label names up, where the label set is another than before.
    fn refresh(&mut self, out: &LabelSet) {
        if self.fresh == Fresh::Yes {
            return;
        }
        self.fresh = Fresh::Yes;
        let Scratch { ids, wanted, .. } = &mut *self.scratch;
        ids.clear();
        wanted.clear();
        wanted.resize(self.names.words(), 0);
        for at in 0..out.len() {
            let steps = self.links.iter().flat_map(|link| self.policies[link.policy].policy.effect.steps());
            let id = self.names.id(at, out.name(at), steps);
            ids.push(id);
            for (word, bits) in wanted.iter_mut().enumerate() {
                *bits |= self.names.bits(id, word);
            }
        }
    }
}

fn cause(policy: &Policy, label: &Arc<str>, action: Action) -> Cause {
    Cause { policy: policy.name.clone(), label: label.clone(), action }
}

fn tell(i: usize, step: &Step, out: &LabelSet, at: usize, applied: Applied, new: &str) -> String {
    let (name, value) = (out.name(at), out.value(at));
    let what = match applied {
        Applied::Unchanged => "stays".to_owned(),
        Applied::Removed => "goes".to_owned(),
        Applied::Rewritten => format!("becomes {new:?}"),
    };
    format!("step {} ({}): {name}={value:?} {what}", i + 1, step.action().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::{Builtin, FamilyRef, Mode, Policies, Source};
    use super::*;
    use crate::engine::model::Kind;

    fn plan(yaml: &str) -> super::super::Plan {
        let source = Source { name: "p.yaml".into(), text: yaml.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap_or_else(|findings| {
            panic!("{}", findings.iter().map(|f| f.render(yaml, false)).collect::<String>())
        });
        policies.plan(None, Mode::Enforce)
    }

    #[test]
    fn drops_a_label() {
        let plan = plan("policies: [{name: ids, labels: [{label: job_id, action: drop}]}]");
        let names = ["x_total"];
        let mut family = plan.family(FamilyRef { name: "x_total", kind: Kind::Counter, names: &names });
        let labels: LabelSet = [("queue", "emails"), ("job_id", "17")].into_iter().collect();
        let mut out = LabelSet::default();
        let decision = family.decide(SeriesRef { name: "x_total", reserved: None, labels: &labels }, &mut out);
        let want: LabelSet = [("queue", "emails")].into_iter().collect();
        assert_eq!(out, want);
        assert!(matches!(decision.outcome, Outcome::Changed(_)));
    }

    #[test]
    #[ignore = "prints how long a decision takes"]
    fn speed() {
        for (what, yaml) in [
            ("drop job_id", "policies: [{name: ids, labels: [{label: job_id, action: drop}]}]"),
            ("no label", "policies: [{name: ids, labels: [{label: nope, action: drop}]}]"),
            ("built-in", include_str!("../../../policies/default.yaml")),
        ] {
            let plan = plan(yaml);
            let names = ["x_total"];
            let mut family = plan.family(FamilyRef { name: "x_total", kind: Kind::Counter, names: &names });
            let sets: Vec<LabelSet> = (0..1000)
                .map(|i| {
                    let id = format!("job-{i:06}");
                    [("job_id", id.as_str()), ("queue", "emails"), ("status", "ok"), ("task", "send")]
                        .into_iter()
                        .collect()
                })
                .collect();
            let mut out = LabelSet::default();
            let mut changed = 0u64;
            let start = std::time::Instant::now();
            for _ in 0..1000 {
                for labels in &sets {
                    let series = SeriesRef { name: "x_total", reserved: None, labels };
                    let decision = family.decide(series, &mut out);
                    changed += matches!(decision.outcome, Outcome::Changed(_)) as u64;
                }
            }
            println!("{what}: {} ns, {changed}", start.elapsed().as_nanos() / 1_000_000);
        }
    }
}
