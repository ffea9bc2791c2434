//! The census of one family: its series, its labels, and what would be left without each of them.

use super::distinct::{Count, Novelty};
use super::label::Label;
use super::lately::{Arrival, Lately};
use crate::engine::model::{LabelSet, Seed};

/// Counts the series of one family and, for each of its labels, the distinct values and the series
/// that would be left without it. `T` is the caller's word for the look of a value.
#[derive(Clone, Debug)]
pub struct Census<T> {
    bounds: Bounds,
    series: Lately,
    /// In the order they came.
    labels: Vec<Label<T>>,
    /// Series that had labels beyond the bound.
    uncounted: u64,
    /// The hash of each label of the series at hand.
    hashes: Vec<u64>,
    /// Bytes on the heap, when they were counted last, and whether they may be others now.
    memory: usize,
    weight: Weight,
}

/// Whether something came since a census was weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Known,
    Changed,
}

/// How much a census remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Series of the family and values of a label that are counted exactly.
    pub exact_values: u32,
    /// Label sets without a label that are counted exactly.
    pub exact_sets: u32,
    /// Labels that are counted; those that come later are not.
    pub labels: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { exact_values: 10_000, exact_sets: 10_000, labels: 64 }
    }
}

impl<T: Copy + PartialEq> Census<T> {
    pub fn new(bounds: Bounds) -> Census<T> {
        let series = Lately::new(bounds.exact_values);
        Census {
            bounds,
            series,
            labels: Vec::new(),
            uncounted: 0,
            hashes: Vec::new(),
            memory: 0,
            weight: Weight::Changed,
        }
    }

    /// Counts a series, without `le` and `quantile` where they are the family's own. A series that
    /// came in this generation already may be added again; only beyond the bound, where that can no
    /// longer be seen, will its labels seem to have more carriers than they have. All series of a
    /// census must come with the same seed. `look` is asked once for each value.
    pub fn add(&mut self, series: &LabelSet, seed: &Seed, look: impl Fn(&str) -> T) -> Arrival {
        self.hashes.clear();
        self.hashes.extend(series.iter().map(|(name, value)| label_hash(name, value, seed)));
        // A sum, so that a label can be taken out of it again.
        let whole = self.hashes.iter().fold(0, |sum: u64, hash| sum.wrapping_add(*hash));
        if self.series.came(whole) == Novelty::Known {
            return Arrival::Known;
        }
        self.weight = Weight::Changed;
        self.learn_names(series);
        let arrival = self.series.insert(whole);
        for label in &mut self.labels {
            match series.position(label.name()) {
                Ok(at) => {
                    let hash = self.hashes[at];
                    label.add(series.value(at), hash, whole.wrapping_sub(hash), arrival, &look);
                }
                Err(_) => label.pass(whole),
            }
        }
        arrival
    }

    /// Series of the last two generations.
    pub fn series(&self) -> Count {
        self.series.count()
    }

    /// The labels of the last two generations, in the order they came.
    pub fn labels(&self) -> &[Label<T>] {
        &self.labels
    }

    /// Series that had labels which came when as many as are counted were there. They count as
    /// series, and what they would be without another label is known; those labels are not.
    pub fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// A generation ends: what did not come in it is forgotten. Series that are still there are to
    /// be added again in the next one.
    pub fn turn(&mut self) {
        self.weight = Weight::Changed;
        self.series.turn();
        self.labels.iter_mut().for_each(Label::turn);
        self.labels.retain(|label| !label.is_gone());
        self.uncounted = 0;
        // Nobody else may come by who counts, where the family is gone.
        self.weigh();
    }

    /// Bytes on the heap, when they were counted last.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Counts the bytes on the heap, if there may be others: they lie in many places.
    pub fn weigh(&mut self) {
        if self.weight == Weight::Known {
            return;
        }
        let labels: usize = self.labels.iter().map(Label::memory).sum();
        let lists = self.labels.capacity() * size_of::<Label<T>>() + self.hashes.capacity() * size_of::<u64>();
        self.memory = self.series.memory() + labels + lists;
        self.weight = Weight::Known;
    }

    fn learn_names(&mut self, series: &LabelSet) {
        let mut beyond = 0;
        for (name, _) in series.iter() {
            if self.labels.iter().any(|label| label.name() == name) {
                continue;
            }
            if self.labels.len() < self.bounds.labels {
                self.labels.push(Label::new(name, &self.series, self.bounds));
            } else {
                beyond = 1;
            }
        }
        self.uncounted += beyond;
    }
}

/// Name and value each go through the seeded function; the finish keeps `{a="x",b="y"}` and
/// `{a="y",b="x"}` apart when the hashes of their labels are added up.
pub(super) fn label_hash(name: &str, value: &str, seed: &Seed) -> u64 {
    let name = seed.hash(name.as_bytes()).0;
    let value = seed.hash(value.as_bytes()).0;
    finish(value.wrapping_add(name.rotate_left(32)))
}

/// The finish of splitmix64.
fn finish(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests;
