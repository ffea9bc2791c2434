//! Who is to blame, as small numbers: members carry 4 bytes instead of names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::report::Attributed;
use crate::engine::policy::{Action, Cause};

/// Every (cause, family) met so far. As many as policies have steps times the families they
/// reach; never as many as series.
#[derive(Debug, Default)]
pub struct Causes {
    all: Vec<(Arc<Cause>, Arc<str>)>,
    /// The stage of each.
    stages: Vec<Stage>,
    /// The place of each policy, by name.
    order: HashMap<Arc<str>, u16>,
    /// By family: the stage at which something was done to it, `None` when there are several.
    alone: HashMap<Arc<str>, Option<Stage>>,
    index: HashMap<(Cause, Arc<str>), u32>,
    /// Series of one family mostly have one cause.
    recent: u32,
}

/// No one: the series passes as it came.
pub const NOBODY: u32 = 0;

/// When something is done to a series: by one policy after the other, and last by limits on series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stage(u16);

const LIMITS: Stage = Stage(u16::MAX);

impl Causes {
    /// The number of a cause, from 1.
    pub fn number(&mut self, cause: &Cause, metric: &Arc<str>) -> u32 {
        if let Some((c, m)) = self.get(self.recent)
            && Arc::ptr_eq(m, metric)
            && **c == *cause
        {
            return self.recent;
        }
        let known = self.index.get(&(cause.clone(), metric.clone())).copied();
        self.recent = known.unwrap_or_else(|| {
            self.all.push((Arc::new(cause.clone()), metric.clone()));
            let stage = stage(&self.order, cause);
            self.note_stage(metric, stage);
            let number = self.all.len() as u32;
            self.index.insert((cause.clone(), metric.clone()), number);
            number
        });
        self.recent
    }

    /// The policies apply in another order, or are others.
    pub fn reorder<'p>(&mut self, policies: impl Iterator<Item = &'p Arc<str>>) {
        self.order = policies.cloned().zip(0..).collect();
        self.stages.clear();
        self.alone.clear();
        for (cause, metric) in std::mem::take(&mut self.all) {
            self.note_stage(&metric, stage(&self.order, &cause));
            self.all.push((cause, metric));
        }
    }

    /// Keeps the causes that are used, and tells the new number of each.
    pub fn compact(&mut self, used: &HashSet<u32>) -> HashMap<u32, u32> {
        let old = std::mem::take(&mut self.all);
        self.stages.clear();
        self.alone.clear();
        self.index.clear();
        self.recent = NOBODY;
        let mut renumbered = HashMap::new();
        for ((cause, metric), number) in old.into_iter().zip(1..) {
            if used.contains(&number) {
                renumbered.insert(number, self.number(&cause, &metric));
            }
        }
        renumbered
    }

    fn note_stage(&mut self, metric: &Arc<str>, stage: Stage) {
        self.stages.push(stage);
        let alone = self.alone.entry(metric.clone()).or_insert(Some(stage));
        *alone = alone.filter(|known| *known == stage);
    }

    pub fn stage_of(&self, cause: &Cause) -> Stage {
        stage(&self.order, cause)
    }

    pub fn stage(&self, number: u32) -> Option<Stage> {
        self.stages.get((number as usize).checked_sub(1)?).copied()
    }

    /// Whether things are done to a family at more than one stage.
    pub fn are_several(&self, metric: &str) -> bool {
        self.alone.get(metric).is_some_and(Option::is_none)
    }

    fn get(&self, number: u32) -> Option<&(Arc<Cause>, Arc<str>)> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    /// Turns counts by number into counts by name, leaving zeros out.
    pub fn attribute(&self, counts: impl Iterator<Item = (u32, u64)>) -> Vec<Attributed> {
        let named = |(number, count): (u32, u64)| {
            let (cause, metric) = self.get(number)?;
            (count > 0).then(|| Attributed { cause: cause.clone(), metric: metric.clone(), count })
        };
        counts.filter_map(named).collect()
    }
}

fn stage(order: &HashMap<Arc<str>, u16>, cause: &Cause) -> Stage {
    match cause.action {
        Action::SeriesCollapse | Action::SeriesOverflow | Action::SeriesDrop => LIMITS,
        _ => order.get(&cause.policy).map_or(LIMITS, |&place| Stage(place)),
    }
}
