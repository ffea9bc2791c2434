//! The walk of a series through the policies of its family. [`FamilyPlan::decide`] takes it
//! silently and fast; [`FamilyPlan::explain`] takes the same walk and tells it.

use super::compiled::{Effect, Enforcement, Policy};
use super::family::{FamilyPlan, Gate, Link, Reach};
use super::fold_settings::Deciders;
use super::names::{Names, Seen};
use super::plan::Planned;
use super::relabel::{Rule, Ruled};
use super::selector::Selector;
use super::step::{Applied, Books, Step};
use super::{Action, Cause, Decision, Further, Ledger, Manner, Observed, Outcome, Part, SeriesRef};
use crate::engine::model::LabelSet;
use std::sync::Arc;

/// Who listens to the walk.
pub(super) trait Trace {
    /// Whether policies that only observe are asked what they would do.
    const ASKS_OBSERVERS: bool = true;

    /// A remark about the policy at this place of the plan.
    fn say(&mut self, policy: usize, line: impl FnOnce() -> String);

    /// A part of the policy at this place of the plan has something to do.
    #[inline(always)]
    fn used(&mut self, policy: usize, part: Part) {
        let _ = (policy, part);
    }
}

/// Nobody: the remarks are never made.
pub(super) struct Silent;

impl Trace for Silent {
    #[inline(always)]
    fn say(&mut self, _: usize, _: impl FnOnce() -> String) {}
}

/// Nobody, and it is about what happens and not about what would.
pub(super) struct Deaf;

impl Trace for Deaf {
    const ASKS_OBSERVERS: bool = false;

    #[inline(always)]
    fn say(&mut self, _: usize, _: impl FnOnce() -> String) {}
}

/// Buffers that keep their size from series to series.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// What is known of each label's name, in step with the label set at hand.
    seen: Vec<Seen>,
    value: String,
    /// What an observing policy works on.
    observed: LabelSet,
}

/// Walks `series` through every policy that covers its family.
pub(super) fn walk<T: Trace>(
    plan: &mut FamilyPlan,
    series: SeriesRef<'_>,
    out: &mut LabelSet,
    ledger: &mut dyn Ledger,
    trace: &mut T,
) -> Decision {
    out.copy_from(series.labels);
    let FamilyPlan { policies, links, reach, names, settings, scratch, budget } = plan;
    let books = Books { ledger, policy: "", manner: Manner::Enforced, newly_refused: false };
    let keep = &budget.keep;
    let (fresh, any, held) = (Fresh::No, 0, Vec::new());
    let mut editor = Editor { policies, links, names, scratch, series, keep, books, trace, fresh, any, held };
    let mut so_far = SoFar::default();
    let ended = links.iter().enumerate().find_map(|(at, link)| {
        let planned = &policies[link.policy];
        if !T::ASKS_OBSERVERS && !planned.has_a_say() {
            return None;
        }
        if !link.gate.admits(&planned.policy, series.labels) {
            editor.trace.say(link.policy, || misfits(link, &planned.policy, series.labels));
            return None;
        }
        editor.trace.say(link.policy, || matches(link, planned, series.labels));
        editor.trace.used(link.policy, Part::Selection);
        match planned.enforcement {
            _ if planned.passes() => Some(Ended::Passed),
            Enforcement::Enforced => enforce(&mut editor, at, link, out, &mut so_far),
            Enforcement::Observed => {
                so_far.observed.extend(editor.observe(link, out));
                None
            }
        }
    });
    let SoFar { observed, further, .. } = &mut so_far;
    let (observed, further) = (std::mem::take(observed), std::mem::take(further));
    let first = so_far.cause.clone();
    let mut decision = Decision { observed, first, further, held: editor.held, ..Decision::default() };
    match ended {
        Some(Ended::Passed) => {
            out.copy_from(series.labels);
            (decision.first, decision.further) = (None, Vec::new());
            decision.held.clear();
            // What passes would have kept its labels, whoever wanted to change them before.
            decision.observed.retain(|observed| observed.labels.is_none());
        }
        Some(Ended::Dropped(cause)) => decision.outcome = Outcome::Dropped(cause),
        None => {
            if let Some(deciders) = so_far.deciders {
                let says = |at: u16| links.get(at as usize).map(|link| link.says(&policies[link.policy].policy));
                decision.settings = settings.id(deciders, says);
            }
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
    further: Vec<Further>,
    deciders: Option<Deciders>,
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
    if link.folds {
        so_far.deciders.get_or_insert_default().add(u16::try_from(at).unwrap_or(u16::MAX), link.says(policy));
    }
    let before = so_far.cause.is_some().then(|| out.clone());
    match editor.apply(link, out) {
        Edited::Unchanged => None,
        Edited::Changed(cause) => {
            let is_news = !cause.action.is_budget() || editor.books.newly_refused;
            match before {
                Some(labels) => so_far.further.push(Further { labels, cause, is_news }),
                None => so_far.cause = Some(cause),
            }
            None
        }
        Edited::Dropped(cause) => {
            so_far.further.extend(before.map(|labels| Further { labels, cause: cause.clone(), is_news: true }));
            Some(Ended::Dropped(cause))
        }
    }
}

fn matches(link: &Link, planned: &Planned, labels: &LabelSet) -> String {
    let then = if planned.passes() { "; the series leaves as it came" } else { "" };
    match &link.gate {
        Gate::Every if planned.policy.selectors.is_empty() => format!("selects every series{then}"),
        Gate::Every => format!("selects every series of the family{then}"),
        Gate::Selected(selectors) => {
            let mut selectors = selectors.iter().map(|at| &planned.policy.selectors[*at]);
            let fits = selectors.find(|selector| selector.selects(labels)).map(Selector::text);
            format!("selects by {}{then}", fits.unwrap_or_default())
        }
    }
}

fn misfits(link: &Link, policy: &Policy, labels: &LabelSet) -> String {
    let Gate::Selected(selectors) = &link.gate else { return String::new() };
    let misfits = selectors.iter().filter_map(|at| policy.selectors[*at].misfit(labels));
    let all: Vec<String> = misfits.map(ToString::to_string).collect();
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
    /// Labels out of reach of budgets.
    keep: &'p [Arc<str>],
    books: Books<'p>,
    trace: &'p mut T,
    fresh: Fresh,
    /// The steps (of the first 64) that may act on some label.
    any: u64,
    /// Labels that enforced steps changed for want of room, as they were.
    held: Vec<(Arc<str>, Box<str>)>,
}

impl<'p, T: Trace> Editor<'p, T> {
    fn observe(&mut self, link: &Link, out: &LabelSet) -> Option<Observed> {
        let mut labels = std::mem::take(&mut self.scratch.observed);
        labels.copy_from(out);
        self.fresh = Fresh::No;
        self.books.manner = Manner::Observed;
        let edited = self.apply(link, &mut labels);
        self.books.manner = Manner::Enforced;
        self.fresh = Fresh::No;
        let observed = match edited {
            Edited::Unchanged => None,
            Edited::Changed(cause) => Some(Observed { labels: Some(labels.clone()), cause }),
            Edited::Dropped(cause) => Some(Observed { labels: None, cause }),
        };
        self.scratch.observed = labels;
        observed
    }

    fn apply(&mut self, link: &Link, out: &mut LabelSet) -> Edited {
        let policy: &'p Policy = &self.policies[link.policy].policy;
        let (steps, rules) = match &policy.effect {
            Effect::Pass => return Edited::Unchanged,
            Effect::Drop => {
                self.trace.say(link.policy, || "`action: drop`: the series is left out".to_owned());
                return Edited::Dropped(cause(policy, Arc::from(""), Action::PolicyDrop));
            }
            Effect::Edit { steps, rules } => (steps, rules),
        };
        self.books.policy = &policy.name;
        let mut first = self.steps(link, policy, steps, out);
        for (i, rule) in rules.iter().enumerate() {
            match self.rule(link, i, rule, out) {
                Ruled::Unchanged => {}
                Ruled::Changed(label) => {
                    first.get_or_insert_with(|| cause(policy, label, Action::Relabel));
                }
                Ruled::Dropped => return Edited::Dropped(cause(policy, Arc::from(""), Action::Relabel)),
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
        self.books.newly_refused = false;
        let mut first: Option<Cause> = None;
        for (i, step) in steps.iter().enumerate() {
            let number = link.first_step + i;
            if number < 64 && self.any >> number & 1 == 0 {
                self.trace.say(link.policy, || format!("step {} ({}): no such label", i + 1, step.action().as_str()));
                continue;
            }
            let was_news = std::mem::take(&mut self.books.newly_refused);
            if let Some(label) = self.step(link, i, step, out)
                && (first.is_none() || (self.books.newly_refused && !was_news))
            {
                first = Some(cause(policy, label, step.action()));
            }
            self.books.newly_refused |= was_news;
        }
        first
    }

    /// Takes a step on every label it wants; answers with the first it changed.
    fn step(&mut self, link: &Link, i: usize, step: &Step, out: &mut LabelSet) -> Option<Arc<str>> {
        let mut first = None;
        let mut at = 0;
        while at < out.len() {
            let seen = self.scratch.seen[at];
            let is_kept = step.is_budget() && self.keep.iter().any(|label| **label == *out.name(at));
            if is_kept || !self.names.wanted(seen, link.first_step + i, step, out, at) {
                at += 1;
                continue;
            }
            let applied = step.apply(out.name(at), out.value(at), &mut self.scratch.value, &mut self.books);
            let new = &self.scratch.value;
            self.trace.say(link.policy, || tell(i, step, out, at, applied, new));
            if applied != Applied::Unchanged || step.is_unconditional() {
                self.trace.used(link.policy, Part::Step(i));
            }
            if applied == Applied::Unchanged {
                at += 1;
                continue;
            }
            let name = self.names.text(seen, out.name(at));
            if step.is_budget() && self.books.manner == Manner::Enforced {
                self.held.push((name.clone(), out.value(at).into()));
            }
            if applied == Applied::Rewritten {
                out.set(&name, &self.scratch.value);
                at += 1;
            } else {
                out.remove_at(at);
                self.scratch.seen.remove(at);
            }
            first.get_or_insert(name);
        }
        first
    }

    fn rule(&mut self, link: &Link, i: usize, rule: &Rule, out: &mut LabelSet) -> Ruled {
        let ruled = rule.apply(self.series, out);
        if ruled != Ruled::Unchanged {
            self.trace.used(link.policy, Part::Rule(i));
        }
        if let Ruled::Changed(label) = &ruled {
            self.fresh = Fresh::No;
            self.trace.say(link.policy, || match out.get(label) {
                Some(value) => format!("rule {}: {rule}: {label} is now {value:?}", i + 1),
                None => format!("rule {}: {rule}: {label} goes", i + 1),
            });
        } else {
            let what = if ruled == Ruled::Dropped { "the series is left out" } else { "nothing changes" };
            self.trace.say(link.policy, || format!("rule {}: {rule}: {what}", i + 1));
        }
        ruled
    }

    /// Looks at the label names, where the label set is another than before.
    #[inline]
    fn refresh(&mut self, out: &LabelSet) {
        if self.fresh == Fresh::Yes {
            return;
        }
        self.fresh = Fresh::Yes;
        self.any = 0;
        self.scratch.seen.clear();
        for at in 0..out.len() {
            let steps = self.links.iter().flat_map(|link| self.policies[link.policy].policy.effect.steps());
            let seen = self.names.see(out, at, steps);
            self.any |= seen.bits();
            self.scratch.seen.push(seen);
        }
    }
}

fn cause(policy: &Policy, label: Arc<str>, action: Action) -> Cause {
    Cause { policy: policy.name.clone(), label, action }
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
mod tests;
