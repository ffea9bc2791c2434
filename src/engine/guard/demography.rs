//! Who lives in the families: distinct values by label, their looks and a few of them, for people
//! who look for what explodes. Steady scrapes pay nothing for it.

use std::sync::Arc;

use super::families::Family;
use super::series::Forget;
use super::state::EndpointState;
use super::types::Role;
use crate::engine::cardinality::{Bounds, Census, Count, Estimated, Look};
use crate::engine::fold::FamilyId;
use crate::engine::model::LabelSet;
use crate::engine::policy::{Shape, shape};

/// The values of one label of a family.
#[derive(Clone, Debug)]
pub struct LabelRow {
    pub metric: Arc<str>,
    pub label: Box<str>,
    pub values: Count,
    /// `None`: of several shapes.
    pub shape: Option<Shape>,
    /// Up to three of them.
    pub samples: Vec<Box<str>>,
    /// Label sets the family would have without it.
    pub leaves: Count,
}

/// New series that one scrape adds to the censuses: they cost what a scrape of all new ones should
/// not, and an explosion is seen in the first few. The first scrape of an endpoint is given time.
/// Each family may take half of what those before it have left, so that where several explode all are seen.
const MOST_ADDED: u32 = 4_000;
const MOST_ADDED_AT_FIRST: u32 = 100_000;
/// New series in one scrape that make the list of labels worth making anew at once.
const NEWSWORTHY: u32 = 20;
const BOUNDS: Bounds = Bounds { exact_values: 10_000, exact_sets: 2_000, labels: 32 };
/// Generations are as long as this, in seconds of the endpoint clock.
const GENERATION: f64 = 3600.0;
/// Labels listed of one endpoint, those with most values first.
const MOST_ROWS: usize = 500;

impl EndpointState {
    /// Counts a series that was not known; once for all lines of a histogram.
    pub(super) fn count_values(&mut self, id: FamilyId, role: Role, labels: &LabelSet) {
        if !matches!(role, Role::Value | Role::Count) {
            return;
        }
        if self.census_family != Some(id) {
            let all = self.census_left + self.census_reserve;
            (self.census_left, self.census_reserve) = (all.div_ceil(2), all / 2);
            self.census_family = Some(id);
        }
        if self.census_left == 0 {
            self.families.get_mut(id).uncounted += 1;
            return;
        }
        self.census_left -= 1;
        let family = self.families.get_mut(id);
        let census = family.census.get_or_insert_with(|| Box::new(Census::new(BOUNDS)));
        census.add(labels, &self.seed, shape);
        if let Some(commons) = &self.commons {
            labels.iter().for_each(|(label, value)| commons.meet(&family.name, label, value));
        }
    }

    /// A pass begins: so many new series may be counted.
    pub(super) fn begin_census(&mut self) {
        (self.census_left, self.census_reserve) = (self.census_allows(), 0);
        self.census_family = None;
    }

    /// Whether the scrape at hand, not committed yet, has brought a crowd of new series.
    pub(super) fn has_news(&self) -> bool {
        self.census_allows() - self.census_left - self.census_reserve >= NEWSWORTHY
    }

    fn census_allows(&self) -> u32 {
        if self.fold.primed { MOST_ADDED } else { MOST_ADDED_AT_FIRST }
    }

    /// Ends the generation of one family that is due; what it has is then met anew and counted.
    pub(super) fn turn_census(&mut self) {
        let now = self.fold.clock.seconds();
        let is_due = |id: &FamilyId| {
            let family = self.families.get(*id);
            family.census.is_some() && now - family.counted_since >= GENERATION
        };
        let Some(id) = self.families.ids().find(is_due) else { return };
        let family = self.families.get_mut(id);
        (family.counted_since, family.uncounted) = (now, 0);
        if let Some(census) = &mut family.census {
            census.turn();
        }
        self.forget_spellings(id, Forget::All);
    }

    /// What is known of the values of every label.
    pub fn label_rows(&self) -> Vec<LabelRow> {
        let mut rows: Vec<LabelRow> = self.families.ids().flat_map(|id| rows(self.families.get(id))).collect();
        // Of families that policies only observe their doubles know.
        for row in self.doubles.iter().flat_map(|double| double.state.label_rows()) {
            if !rows.iter().any(|known| known.metric == row.metric && known.label == row.label) {
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| b.values.value.cmp(&a.values.value).then_with(|| a.metric.cmp(&b.metric)));
        rows.truncate(MOST_ROWS);
        rows
    }
}

/// Where series were left out, a number is not exact.
fn at_least(count: Count, uncounted: u64) -> Count {
    let estimated = if uncounted > 0 { Estimated::Yes } else { count.estimated };
    Count { estimated, ..count }
}

fn rows(family: &Family) -> impl Iterator<Item = LabelRow> {
    let labels = family.census.iter().flat_map(|census| census.labels());
    labels.map(|label| LabelRow {
        metric: family.name.clone(),
        label: label.name().into(),
        values: at_least(label.values(), family.uncounted),
        shape: match label.look() {
            Some(Look::Alike(shape)) => Some(shape),
            Some(Look::Mixed) | None => None,
        },
        samples: label.samples().map(Into::into).collect(),
        leaves: label.leaves(),
    })
}
