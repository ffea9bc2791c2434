//! What to do with the labels of a body, tried on that body.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::evidence;
use super::protected::Protected;
use super::text;
use crate::advice::{Edit, Evidence, Step, Touched, Why};
use crate::cli::body::Body;
use crate::cli::inventory::{Family, Inventory, is_fixed};
use crate::cli::looks;
use crate::engine::cardinality::Label;
use crate::engine::model::TRIED_LAST;
use crate::engine::policy::{Builtin, Mode, Policies, Shape, Source};

/// So many values are nothing to speak of.
const FEW: u64 = 10;

/// Steps that bring a body under budget.
pub(super) struct Proposal {
    pub steps: Vec<Step>,
    pub budget: u64,
    /// Series of the body, and those left behind the steps.
    pub series: u64,
    pub left: u64,
    /// Labels that would go if no expression used them: label, metric, and who uses it.
    pub used: BTreeSet<(String, String, String)>,
    /// Labels that make most of the series and stay, because nothing asks for them to go.
    pub spared: Vec<Spared>,
    /// Metrics that stay over budget, with the series they have.
    pub over: Vec<(String, u64)>,
}

/// A label that makes most of the series that are left.
pub(super) struct Spared {
    pub label: String,
    pub values: u64,
    /// Series there would be without it.
    pub leaves: u64,
}

impl Proposal {
    pub(super) fn of(body: &Body, budget: u64, protected: &Protected) -> anyhow::Result<Proposal> {
        let inventory = Inventory::of(body)?;
        let mut proposal = Proposal {
            steps: Vec::new(),
            budget,
            series: inventory.series(),
            left: 0,
            used: BTreeSet::new(),
            spared: Vec::new(),
            over: Vec::new(),
        };
        for (label, evidence) in evidence::against(&inventory, body)? {
            proposal.unbounded(&inventory, &label, evidence, protected);
        }
        let certain = proposal.steps.len();
        let mut behind = proposal.behind(body)?;
        while let Some(steps) = proposal.cut(&behind, protected) {
            proposal.steps.extend(steps);
            behind = proposal.behind(body)?;
        }
        proposal.over = over(&behind, budget).map(|family| (family.name.clone(), family.series())).collect();
        proposal.spare(certain, body)?;
        proposal.merge(certain);
        let behind = proposal.behind(body)?;
        proposal.left = behind.series();
        if proposal.over.is_empty() {
            proposal.spared = spared(&behind);
        }
        Ok(proposal)
    }

    /// A label that grows without end, wherever no expression uses it.
    fn unbounded(&mut self, inventory: &Inventory, label: &str, evidence: Evidence, protected: &Protected) {
        let labels = inventory.labels();
        let Some(everywhere) = labels.iter().find(|everywhere| everywhere.name == label) else { return };
        let mut step: Option<Step> = None;
        for (family, label) in &everywhere.families {
            if let Some(user) = protected.user(&family.name, label.name()) {
                self.used.insert((label.name().to_owned(), family.name.clone(), user));
                continue;
            }
            let edit = match evidence {
                Evidence::Ids => Edit::Drop,
                Evidence::IdsInside { .. } => Edit::Normalize,
            };
            match &mut step {
                Some(step) => step.families.push(touched(family)),
                None => step = step_of(family, label.name(), edit, Why::Evidence(evidence)),
            }
        }
        self.steps.extend(step);
    }

    /// A step more for every metric over budget that can have one.
    fn cut(&mut self, behind: &Inventory, protected: &Protected) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for family in over(behind, self.budget) {
            if let Some(blamed) = family.responsible(|_| false)
                && let Some(user) = protected.user(&family.name, &blamed.label)
            {
                self.used.insert((blamed.label.into(), family.name.clone(), user));
            }
            let label = label_to_cut(family, |label| protected.user(&family.name, label).is_some());
            let step = label.and_then(|label| step_of(family, &label, Edit::Drop, Why::Budget));
            steps.extend(step.filter(|step| !self.steps.iter().any(|other| does(other, step))));
        }
        (!steps.is_empty()).then_some(steps)
    }

    /// Takes back what was cut before something better was found.
    fn spare(&mut self, certain: usize, body: &Body) -> anyhow::Result<()> {
        let most = self.over.len();
        let mut at = certain;
        while at < self.steps.len() {
            let step = self.steps.remove(at);
            // The only step of its metric is what brought it under budget.
            let only = !self.steps[certain..].iter().any(|other| other.families == step.families);
            if only && self.over.is_empty() || over(&self.behind(body)?, self.budget).count() > most {
                self.steps.insert(at, step);
                at += 1;
            }
        }
        Ok(())
    }

    /// One step for all metrics that lose the same label for the same reason.
    fn merge(&mut self, certain: usize) {
        for step in self.steps.split_off(certain) {
            match self.steps.iter_mut().find(|other| other.label == step.label && other.why == step.why) {
                Some(other) => other.families.extend(step.families),
                None => self.steps.push(step),
            }
        }
    }

    /// What is left of the body.
    fn behind(&self, body: &Body) -> anyhow::Result<Inventory> {
        let source = Source { name: "suggestion".into(), text: text::of(self, "") };
        let policies = Policies::compile(&[source], Builtin::Excluded, None);
        let (policies, _) = policies.map_err(|findings| anyhow!("this suggestion is no policy: {}", findings[0]))?;
        Ok(Inventory::of(&body.guarded(policies.plan(None, Mode::Enforce))?)?)
    }
}

/// What is to be done with a label of a family; `None` when it has no such label.
fn step_of(family: &Family, label: &str, edit: Edit, why: Why) -> Option<Step> {
    let found = family.labels().find(|found| found.name() == label)?;
    Some(Step {
        label: label.to_owned(),
        edit,
        why,
        families: vec![touched(family)],
        values: found.values().value,
        look: looks::word(found),
        samples: found.samples().map(str::to_owned).collect(),
    })
}

fn touched(family: &Family) -> Touched {
    Touched { name: family.name.clone(), kind: family.kind }
}

/// Whether the one has been tried, and the other would do no more.
fn does(tried: &Step, step: &Step) -> bool {
    tried.label == step.label
        && tried.edit == step.edit
        && step.families.iter().all(|family| tried.families.contains(family))
}

/// The label to blame. Of two that say the same neither helps alone: then the one with more values.
fn label_to_cut(family: &Family, kept: impl Fn(&str) -> bool) -> Option<Box<str>> {
    if let Some(blamed) = family.responsible(&kept) {
        return Some(blamed.label);
    }
    let movable = |label: &&Label<Shape>| label.values().value > 1 && !is_fixed(label.name()) && !kept(label.name());
    let movable: Vec<&str> = family.labels().filter(movable).map(Label::name).collect();
    let free = movable.iter().find(|label| !TRIED_LAST.contains(*label));
    free.or(movable.first()).map(|label| (*label).into())
}

fn over(inventory: &Inventory, budget: u64) -> impl Iterator<Item = &Family> {
    inventory.families.iter().filter(move |family| family.series() > budget)
}

fn spared(behind: &Inventory) -> Vec<Spared> {
    let (all, labels) = (behind.series(), behind.labels());
    let most = labels.iter().filter(|label| label.saves * 2 > all && !TRIED_LAST.contains(&label.name));
    let spared =
        most.map(|label| Spared { label: label.name.to_owned(), values: label.values(), leaves: all - label.saves });
    spared.filter(|label| label.values > FEW).collect()
}
