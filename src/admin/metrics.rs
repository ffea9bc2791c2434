//! The metrics of a target and their labels, over its endpoints, with what the guard does to them:
//! what the API and the page are made of.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::deeds::{Deed, Inquiry, Stage};
use crate::engine::cardinality::{Count, Estimated};
use crate::engine::guard::{Attributed, LabelRow};
use crate::engine::model::Kind;
use crate::engine::policy::{Manner, Shape};
use crate::state::{ActiveTarget, Event, Happening};
use crate::telemetry::LiveEndpoint;

/// One metric over all endpoints.
pub(super) struct Metric {
    pub name: Arc<str>,
    pub kind: Kind,
    pub received: u64,
    pub forwarded: u64,
    pub limit: Option<u64>,
    /// Series there would be without limits.
    pub demand: u64,
    /// Those with most values first.
    pub labels: Vec<Label>,
    /// What is done to whole series.
    pub deeds: Vec<Deed>,
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

/// The largest metrics of those that fit.
pub(super) struct Found {
    pub metrics: Vec<Metric>,
    /// How many there are.
    pub all: usize,
}

/// The metrics of `live`, endpoints of one target, `most` at most. `search` is part of a metric's
/// or a label's name.
pub(super) fn of(
    target: &ActiveTarget,
    live: &[LiveEndpoint],
    events: &[Event],
    search: Option<&str>,
    most: usize,
) -> Found {
    let rows = worst_rows(live);
    let folded = |metric: &Metric, word: &str| {
        let collapsed = live.iter().flat_map(|endpoint| endpoint.collapsed.iter());
        collapsed.filter(|c| c.learned.metric == metric.name).any(|c| holds(&c.learned.label, word))
    };
    let fits = |metric: &Metric| {
        search.is_none_or(|word| {
            let mut rows = rows.get(&*metric.name).into_iter().flatten();
            holds(&metric.name, word) || rows.any(|row| holds(&row.label, word)) || folded(metric, word)
        })
    };
    let mut metrics: Vec<Metric> = sums(live).into_values().filter(fits).collect();
    let all = metrics.len();
    let size = |metric: &Metric| metric.demand.max(metric.received).max(metric.forwarded);
    metrics.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    metrics.truncate(most);
    let mut inquiry = Inquiry::of(&target.plan);
    for metric in &mut metrics {
        let rows = rows.get(&*metric.name).map_or(&[][..], Vec::as_slice);
        metric.labels = rows.iter().map(Label::of).collect();
        for (label, deed) in inquiry.ask(&metric.name, metric.kind, rows) {
            metric.does(&label, deed);
        }
        for endpoint in live {
            metric.did(endpoint, events);
        }
        metric.labels.sort_by(|a, b| b.weight().cmp(&a.weight()).then_with(|| a.name.cmp(&b.name)));
    }
    Found { metrics, all }
}

/// Whether a word is part of a name, whatever the case of its letters.
pub(super) fn holds(name: &str, word: &str) -> bool {
    name.to_ascii_lowercase().contains(&word.to_ascii_lowercase())
}

fn sums(live: &[LiveEndpoint]) -> BTreeMap<Arc<str>, Metric> {
    let mut by_name: BTreeMap<Arc<str>, Metric> = BTreeMap::new();
    for family in live.iter().flat_map(|endpoint| endpoint.families.iter()) {
        let metric = by_name.entry(family.metric.clone()).or_insert_with(|| Metric::new(&family.metric, family.kind));
        metric.received += family.received;
        metric.forwarded += family.forwarded;
        metric.demand += family.demand;
        if let Some(limit) = family.limit {
            metric.limit = Some(metric.limit.unwrap_or(0) + limit);
        }
    }
    by_name
}

/// By metric: each label as the endpoint shows it that has most values of it.
fn worst_rows(live: &[LiveEndpoint]) -> HashMap<&str, Vec<LabelRow>> {
    let mut by_metric: HashMap<&str, Vec<LabelRow>> = HashMap::new();
    for row in live.iter().flat_map(|endpoint| endpoint.labels.iter()) {
        let rows = by_metric.entry(&row.metric).or_default();
        match rows.iter_mut().find(|other| other.label == row.label) {
            Some(other) if other.values.value < row.values.value => *other = row.clone(),
            Some(_) => {}
            None => rows.push(row.clone()),
        }
    }
    by_metric
}

impl Metric {
    fn new(name: &Arc<str>, kind: Kind) -> Metric {
        Metric {
            name: name.clone(),
            kind,
            received: 0,
            forwarded: 0,
            limit: None,
            demand: 0,
            labels: Vec::new(),
            deeds: Vec::new(),
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

    /// What happened to it in the last scrape of an endpoint.
    fn did(&mut self, endpoint: &LiveEndpoint, events: &[Event]) {
        let name = self.name.clone();
        for collapsed in endpoint.collapsed.iter().filter(|c| c.learned.metric == name) {
            let learned = &collapsed.learned;
            let began = |event: &&Event| event.learned == *learned && event.what == Happening::Collapsed;
            let since = events.iter().rev().find(began).map(|event| event.wall_seconds);
            let label = self.label(&learned.label);
            let before = label.deed.take();
            label.deed = Some(Deed {
                action: collapsed.action,
                policy: learned.policy.clone(),
                manner: learned.manner,
                stage: Stage::Acting,
                dropped: before.as_ref().map_or(0, |deed| deed.dropped),
                places: before.and_then(|deed| deed.places),
                since,
            });
        }
        let mine = |rows: &Arc<[Attributed]>| rows.iter().filter(|row| row.metric == name).cloned().collect::<Vec<_>>();
        for (rows, manner) in
            [(mine(&endpoint.dropped_by), Manner::Enforced), (mine(&endpoint.observed_by), Manner::Observed)]
        {
            rows.into_iter().for_each(|row| self.lost(&row, manner));
        }
    }

    fn lost(&mut self, row: &Attributed, manner: Manner) {
        let is =
            |deed: &Deed| deed.action == row.cause.action && deed.policy == row.cause.policy && deed.manner == manner;
        if row.cause.label.is_empty() {
            match self.deeds.iter_mut().find(|deed| is(deed)) {
                Some(deed) => deed.dropped += row.count,
                None => self.deeds.push(Deed { dropped: row.count, ..Deed::of(&row.cause, manner) }),
            }
            return;
        }
        let label = self.label(&row.cause.label);
        match &mut label.deed {
            Some(deed) if is(deed) => {
                deed.stage = Stage::Acting;
                deed.dropped += row.count;
            }
            Some(other) if other.stage == Stage::Acting && other.manner == Manner::Enforced => {}
            deed => *deed = Some(Deed { dropped: row.count, ..Deed::of(&row.cause, manner) }),
        }
    }

    fn label(&mut self, name: &str) -> &mut Label {
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
