//! What a body holds: its families and, in each, its series and labels.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::body::Body;
use super::failure::Usage;
use super::scrapes::seed;
use crate::engine::cardinality::{Bounds, Census, Label};
use crate::engine::guard::Survey;
use crate::engine::model::{Kind, LabelSet, Seed};
use crate::engine::model::{Rank, TRIED_LAST};
use crate::engine::policy::{Plan, SeriesRef, Shape, shape};

/// Families, the largest first.
pub(super) struct Inventory {
    pub families: Vec<Family>,
}

/// One family and the census of its series, sample names and `le` included: what a histogram is
/// to Prometheus.
pub(super) struct Family {
    /// TYPE name of the text format.
    pub name: String,
    pub kind: Kind,
    census: Census<Shape>,
    /// Of these, the lines that no fold shows: `_created`, and quantiles of summaries.
    unfolded: Census<Shape>,
}

/// The label to blame in a family.
pub(super) struct Blamed {
    pub label: Box<str>,
    /// Series left without it.
    pub leaves: u64,
}

/// One label over all families.
pub(super) struct Everywhere<'i> {
    pub name: &'i str,
    /// The families that have it, those that lose most without it first.
    pub families: Vec<(&'i Family, &'i Label<Shape>)>,
    /// Series that go when it goes.
    pub saves: u64,
}

/// What a sample's own name is called among its labels.
const NAME: &str = "__name__";

impl Inventory {
    pub(super) fn of(body: &Body) -> Result<Inventory, Usage> {
        let mut survey = Survey::new(Plan::default(), body.format);
        body.declare(&mut survey)?;
        let seed = seed();
        let mut places: HashMap<(String, Kind), usize> = HashMap::new();
        let mut families: Vec<Family> = Vec::new();
        let mut series = LabelSet::default();
        body.series(|name, labels| {
            series.copy_from(labels);
            series.set(NAME, name);
            survey.series(name, labels, |asked| {
                let at = match places.get(&(asked.family.to_owned(), asked.kind)) {
                    Some(at) => *at,
                    None => {
                        places.insert((asked.family.to_owned(), asked.kind), families.len());
                        families.push(Family::new(asked.family, asked.kind));
                        families.len() - 1
                    }
                };
                families[at].add(&series, &seed, asked.series);
            });
        })?;
        families.sort_by(|a, b| b.series().cmp(&a.series()).then_with(|| a.name.cmp(&b.name)));
        Ok(Inventory { families })
    }

    pub(super) fn series(&self) -> u64 {
        self.families.iter().map(Family::series).sum()
    }

    /// The labels of all families, those that cost most first.
    pub(super) fn labels(&self) -> Vec<Everywhere<'_>> {
        let mut all: Vec<Everywhere<'_>> = Vec::new();
        for (family, label) in self.families.iter().flat_map(|family| family.labels().map(move |label| (family, label)))
        {
            let at = all.iter().position(|everywhere| everywhere.name == label.name()).unwrap_or_else(|| {
                all.push(Everywhere { name: label.name(), families: Vec::new(), saves: 0 });
                all.len() - 1
            });
            all[at].saves += family.series() - family.leaves(label);
            all[at].families.push((family, label));
        }
        for label in &mut all {
            label.families.sort_by_key(|(family, label)| Reverse(family.series() - family.leaves(label)));
        }
        all.retain(|label| !is_fixed(label.name));
        all.sort_by(|a, b| b.saves.cmp(&a.saves).then_with(|| a.name.cmp(b.name)));
        all
    }
}

impl Everywhere<'_> {
    /// The most values that it has in one family.
    pub(super) fn values(&self) -> u64 {
        self.families.iter().map(|(_, label)| label.values().value).max().unwrap_or(0)
    }
}

impl Family {
    fn new(name: &str, kind: Kind) -> Family {
        // A command may take the memory that a server may not.
        let bounds = Bounds { exact_values: 10_000_000, exact_sets: 10_000_000, labels: 4096 };
        Family { name: name.to_owned(), kind, census: Census::new(bounds), unfolded: Census::new(bounds) }
    }

    fn add(&mut self, series: &LabelSet, seed: &Seed, asked: SeriesRef<'_>) {
        self.census.add(series, seed, shape);
        let unfolded = match self.kind {
            Kind::Summary if asked.reserved.is_some() => true,
            Kind::Summary | Kind::Histogram | Kind::Counter => asked.name.ends_with("_created"),
            _ => false,
        };
        if unfolded {
            self.unfolded.add(series, seed, shape);
        }
    }

    pub(super) fn series(&self) -> u64 {
        self.census.series().value
    }

    /// Its labels, the one with the most values first.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Label<Shape>> {
        let mut labels: Vec<&Label<Shape>> = self.census.labels().iter().filter(|label| label.name() != NAME).collect();
        labels.sort_by(|a, b| b.values().value.cmp(&a.values().value).then_with(|| a.name().cmp(b.name())));
        labels.into_iter()
    }

    /// How many series the family would have without this label.
    pub(super) fn leaves(&self, label: &Label<Shape>) -> u64 {
        let gone = self.unfolded.labels().iter().find(|unfolded| unfolded.name() == label.name());
        let gone = gone.map_or(0, |unfolded| {
            let untouched = self.unfolded.series().value - unfolded.carriers();
            unfolded.leaves().value.saturating_sub(untouched)
        });
        label.leaves().value.saturating_sub(gone)
    }

    /// The label to blame, as the guard would choose it; `kept` are out of reach.
    pub(super) fn responsible(&self, kept: impl Fn(&str) -> bool) -> Option<Blamed> {
        let responsible = self.census.responsible(|label| match label {
            _ if is_fixed(label) || kept(label) => Rank::Never,
            _ if TRIED_LAST.contains(&label) => Rank::Last,
            _ => Rank::Free,
        })?;
        let label = self.labels().find(|label| label.name() == &*responsible.label)?;
        Some(Blamed { leaves: self.leaves(label), label: responsible.label })
    }
}

/// Labels without which a sample is another sample.
pub(super) fn is_fixed(label: &str) -> bool {
    matches!(label, NAME | "le" | "quantile")
}
