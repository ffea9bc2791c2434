//! The metrics of a target and their labels, over its endpoints, with what the guard does to them:
//! what the API and the page are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deeds::{Deed, Inquiry, Stage};
use super::happened::{Happened, Lost, OfMetric};
use crate::advice::are_ids;
use crate::engine::cardinality::{Count, Estimated};
use crate::engine::guard::{Collapsed, LabelRow, Outlived};
use crate::engine::model::Kind;
use crate::engine::policy::{Manner, Shape};
use crate::state::{ActiveTarget, Event, Happening};
use crate::telemetry::LiveEndpoint;

/// One metric over all endpoints.
pub(super) struct Metric {
    pub name: Arc<str>,
    pub kind: Kind,
    /// That have it.
    pub endpoints: u64,
    pub received: u64,
    pub forwarded: u64,
    pub limit: Option<u64>,
    /// Series there would be without limits.
    pub demand: u64,
    /// Those with most values first.
    pub labels: Vec<Label>,
    /// What is done to whole series.
    pub deeds: Vec<Deed>,
    /// Part of a histogram's observations beyond its last boundary, at the endpoint where it is largest.
    pub beyond_range: Option<f64>,
    /// Gauges of processes that are gone, all endpoints together.
    pub outlived: Option<Outlived>,
}

pub(super) struct Label {
    pub name: Box<str>,
    /// At the endpoint that has most of them; `None` where nobody has counted.
    pub values: Option<Count>,
    pub shape: Option<Shape>,
    pub samples: Vec<Box<str>>,
    /// Series the metric would have without it, at that endpoint.
    pub leaves: Option<Count>,
    pub deed: Option<Deed>,
}

/// The largest metrics of those that fit, and others that were asked for.
pub(super) struct Found {
    pub metrics: Vec<Metric>,
    /// How many there are.
    pub all: usize,
}

/// Which metrics come along beside the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Also {
    Nothing,
    /// Those with a label that a limit acts on or that is made of ids, and those that mislead, however
    /// small they are.
    Troubled,
}

/// Troubled metrics beside the largest: more of them nobody reads.
const MOST_TROUBLED: usize = 200;

/// The metrics of `live`, endpoints of one target, the `most` largest. `search` is part of a
/// metric's or a label's name.
pub(super) fn of(
    target: &ActiveTarget,
    live: &[LiveEndpoint],
    events: &[Event],
    search: Option<&str>,
    (most, also): (usize, Also),
) -> Found {
    let happened = Happened::to(live);
    let fits = |metric: &Metric| search.is_none_or(|word| metric.holds(word, happened.of(&metric.name)));
    let mut metrics: Vec<Metric> = sums(live).into_values().filter(fits).collect();
    let all = metrics.len();
    let size = |metric: &Metric| metric.demand.max(metric.received).max(metric.forwarded);
    metrics.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    let smaller = metrics.split_off(most.min(all));
    if also == Also::Troubled {
        let troubled = smaller.into_iter().filter(|metric| is_troubled(happened.of(&metric.name)));
        metrics.extend(troubled.take(MOST_TROUBLED));
    }
    let mut inquiry = Inquiry::of(&target.plan);
    for metric in &mut metrics {
        metric.fill(happened.of(&metric.name.clone()), &mut inquiry, events);
    }
    Found { metrics, all }
}

fn is_troubled(happened: &OfMetric<'_>) -> bool {
    !happened.collapsed.is_empty()
        || !happened.beyond_range.is_empty()
        || !happened.outlived.is_empty()
        || happened.lost.iter().any(|lost| lost.cause.action.is_budget())
        || happened.rows.iter().any(|row| are_ids(&row.label, row.values.value, row.shape))
}

/// Whether a word is part of a name, whatever the case of its letters.
pub(super) fn holds(name: &str, word: &str) -> bool {
    name.to_ascii_lowercase().contains(&word.to_ascii_lowercase())
}

fn sums(live: &[LiveEndpoint]) -> BTreeMap<Arc<str>, Metric> {
    let mut by_name: BTreeMap<Arc<str>, Metric> = BTreeMap::new();
    for family in live.iter().flat_map(|endpoint| endpoint.families.iter()) {
        let metric = by_name.entry(family.metric.clone()).or_insert_with(|| Metric::new(&family.metric, family.kind));
        metric.endpoints += 1;
        metric.received += family.received;
        metric.forwarded += family.forwarded;
        metric.demand += family.demand;
        if let Some(limit) = family.limit {
            metric.limit = Some(metric.limit.unwrap_or(0) + limit);
        }
    }
    by_name
}

impl Metric {
    pub(super) fn new(name: &Arc<str>, kind: Kind) -> Metric {
        Metric {
            name: name.clone(),
            kind,
            endpoints: 0,
            received: 0,
            forwarded: 0,
            limit: None,
            demand: 0,
            labels: Vec::new(),
            deeds: Vec::new(),
            beyond_range: None,
            outlived: None,
        }
    }

    /// What a policy says is done to a label, or to whole series where it names none.
    fn does(&mut self, label: &str, deed: Deed) {
        let Some(label) = self.labels.iter_mut().find(|other| *other.name == *label) else {
            if label.is_empty() {
                self.deeds.push(deed);
            }
            return;
        };
        match &label.deed {
            // What acts goes before what only watches, what is enforced before what only observes.
            Some(other) if rank(other) >= rank(&deed) => {}
            _ => label.deed = Some(deed),
        }
    }

    /// Its labels, what policies say of them, and what happened.
    fn fill(&mut self, happened: &OfMetric<'_>, inquiry: &mut Inquiry, events: &[Event]) {
        self.labels = happened.rows.iter().map(Label::of).collect();
        for (label, deed) in inquiry.ask(&self.name, self.kind, &happened.rows) {
            self.does(&label, deed);
        }
        happened.collapsed.iter().for_each(|collapsed| self.folded(collapsed, events));
        happened.lost.iter().for_each(|lost| self.lost(lost));
        self.beyond_range = happened.beyond_range.iter().map(|beyond| beyond.ratio).max_by(f64::total_cmp);
        self.outlived = happened.outlived.first().map(|first| Outlived {
            series: happened.outlived.iter().map(|gauge| gauge.series).sum(),
            ..(*first).clone()
        });
        self.labels.sort_by(|a, b| b.weight().cmp(&a.weight()).then_with(|| a.name.cmp(&b.name)));
    }

    fn holds(&self, word: &str, happened: &OfMetric<'_>) -> bool {
        holds(&self.name, word)
            || happened.rows.iter().any(|row| holds(&row.label, word))
            || happened.collapsed.iter().any(|c| holds(&c.learned.label, word))
    }

    fn folded(&mut self, collapsed: &Collapsed, events: &[Event]) {
        let learned = &collapsed.learned;
        let began = |event: &&Event| event.learned == *learned && event.what == Happening::Collapsed;
        let since = events.iter().rev().find(began).map(|event| event.wall_seconds);
        let label = self.label(&learned.label);
        let places = label.deed.take().and_then(|deed| deed.places);
        label.deed = Some(Deed {
            action: collapsed.action,
            policy: learned.policy.clone(),
            manner: learned.manner,
            stage: Stage::Acting,
            dropped: 0,
            places,
            since,
        });
    }

    fn lost(&mut self, lost: &Lost<'_>) {
        let Lost { cause, manner, count } = *lost;
        let is = |deed: &Deed| deed.action == cause.action && deed.policy == cause.policy && deed.manner == manner;
        if cause.label.is_empty() {
            match self.deeds.iter_mut().find(|deed| is(deed)) {
                Some(deed) => deed.dropped += count,
                None => self.deeds.push(Deed { dropped: count, ..Deed::of(cause, manner) }),
            }
            return;
        }
        let label = self.label(&cause.label);
        match &mut label.deed {
            Some(deed) if is(deed) => {
                deed.stage = Stage::Acting;
                deed.dropped += count;
            }
            Some(other) if other.stage == Stage::Acting && other.manner == Manner::Enforced => {}
            deed => *deed = Some(Deed { dropped: count, ..Deed::of(cause, manner) }),
        }
    }

    /// The label of this name, which nobody here may have counted.
    pub(super) fn label(&mut self, name: &str) -> &mut Label {
        let at = self.labels.iter().position(|label| *label.name == *name).unwrap_or_else(|| {
            self.labels.push(Label {
                name: name.into(),
                values: None,
                shape: None,
                samples: Vec::new(),
                leaves: None,
                deed: None,
            });
            self.labels.len() - 1
        });
        &mut self.labels[at]
    }
}

/// What is worth more to be told.
fn rank(deed: &Deed) -> u8 {
    2 * u8::from(deed.stage == Stage::Acting) + u8::from(deed.manner == Manner::Enforced)
}

impl Label {
    fn of(row: &LabelRow) -> Label {
        Label {
            name: row.label.clone(),
            values: Some(row.values),
            shape: row.shape,
            samples: row.samples.clone(),
            leaves: Some(row.leaves),
            deed: None,
        }
    }

    /// Distinct values, 0 where nobody has counted.
    pub(super) fn count(&self) -> u64 {
        self.values.map_or(0, |values| values.value)
    }

    /// Whether its values are counted roughly.
    pub(super) fn estimated(&self) -> Estimated {
        self.values.map_or(Estimated::No, |values| values.estimated)
    }

    /// A label that a limit has folded away comes before those with more values.
    fn weight(&self) -> (u8, u64) {
        let acts = self.deed.as_ref().is_some_and(|deed| deed.stage == Stage::Acting && deed.action.is_budget());
        (u8::from(acts), self.count())
    }
}
