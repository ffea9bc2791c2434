//! Which labels have to go so that a family fits: the fewest, those nobody asks by first.

use std::collections::HashSet;

use crate::engine::model::{LabelSet, Rank, Seed};

/// Label sets of one family, as hashes that labels can be taken out of.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    names: Vec<Box<str>>,
    /// The sum of the hashes of each set's labels.
    sets: Vec<u64>,
    /// By name: the hash of this label in each set, 0 where it is missing.
    labels: Vec<Vec<u64>>,
}

/// A label that stands trial.
#[derive(Clone, Copy)]
struct Trial {
    label: usize,
    left: usize,
    values: usize,
}

/// More label names than these in one family are not told apart.
const MOST_NAMES: usize = 128;
/// Where more labels than these would have to go, none of them explains anything.
const MOST_CULPRITS: usize = 8;

impl Suspects {
    pub fn add(&mut self, set: &LabelSet, seed: &Seed) {
        let mut sum = 0_u64;
        for (name, value) in set.iter() {
            let hash = super::census::label_hash(name, value, seed);
            sum = sum.wrapping_add(hash);
            if let Some(label) = self.label(name) {
                self.labels[label].resize(self.sets.len(), 0);
                self.labels[label].push(hash);
            }
        }
        self.sets.push(sum);
    }

    pub fn len(&self) -> usize {
        self.sets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The labels whose removal leaves at most `target` sets, in the order in which they cut most.
    /// Free labels first, `Last` ones when those do not suffice; empty when nothing suffices. The
    /// answer depends on the sets and not on their order.
    pub fn culprits(mut self, target: usize, rank: impl Fn(&str) -> Rank) -> Vec<Box<str>> {
        for label in &mut self.labels {
            label.resize(self.sets.len(), 0);
        }
        let ranks: Vec<Rank> = self.names.iter().map(|name| rank(name)).collect();
        let mut sums = self.sets.clone();
        let mut left = distinct(sums.iter().copied());
        if left > target + self.most_cut(&ranks) {
            return Vec::new();
        }
        let mut removed = Vec::new();
        for limit in [Rank::Free, Rank::Last] {
            while left > target && removed.len() < MOST_CULPRITS {
                let candidates = (0..self.names.len()).filter(|l| !removed.contains(l) && ranks[*l] == limit);
                let Some(worst) = candidates.map(|l| self.trial(&sums, l)).min_by(|a, b| self.compare(a, b)) else {
                    break;
                };
                removed.push(worst.label);
                left = worst.left;
                sums.iter_mut().zip(&self.labels[worst.label]).for_each(|(sum, label)| *sum = sum.wrapping_sub(*label));
            }
        }
        if left > target {
            return Vec::new();
        }
        self.acquit(&mut removed, target);
        removed.into_iter().map(|label| self.names[label].clone()).collect()
    }

    /// Gives back what need not go, the last ones taken first.
    fn acquit(&self, removed: &mut Vec<usize>, target: usize) {
        for at in (0..removed.len()).rev() {
            let mut without = removed.clone();
            without.remove(at);
            if self.left(&without) <= target {
                *removed = without;
            }
        }
    }

    /// Sets that can go at most when labels do: who has none of them stays.
    fn most_cut(&self, ranks: &[Rank]) -> usize {
        let having = |label: &Vec<u64>| label.iter().filter(|hash| **hash != 0).count();
        let suspects = self.labels.iter().zip(ranks).filter(|(_, rank)| **rank != Rank::Never);
        let mut having: Vec<usize> = suspects.map(|(label, _)| having(label)).collect();
        having.sort_unstable_by(|a, b| b.cmp(a));
        having.iter().take(MOST_CULPRITS).sum()
    }

    /// `sums` are those of the labels that are left.
    fn trial(&self, sums: &[u64], label: usize) -> Trial {
        let labels = &self.labels[label];
        let left = distinct(sums.iter().zip(labels).map(|(sum, label)| sum.wrapping_sub(*label)));
        Trial { label, left, values: distinct(labels.iter().copied()) }
    }

    /// Fewer sets left, then more values, then the name.
    fn compare(&self, a: &Trial, b: &Trial) -> std::cmp::Ordering {
        let by_name = || self.names[a.label].cmp(&self.names[b.label]);
        a.left.cmp(&b.left).then(b.values.cmp(&a.values)).then_with(by_name)
    }

    /// Distinct sets without these labels.
    fn left(&self, removed: &[usize]) -> usize {
        let without = |(at, &sum): (usize, &u64)| removed.iter().fold(sum, |s, &l| s.wrapping_sub(self.labels[l][at]));
        distinct(self.sets.iter().enumerate().map(without))
    }

    fn label(&mut self, name: &str) -> Option<usize> {
        let found = self.names.iter().position(|known| **known == *name);
        if found.is_none() && self.names.len() < MOST_NAMES {
            self.names.push(name.into());
            self.labels.push(Vec::new());
            return Some(self.names.len() - 1);
        }
        found
    }
}

fn distinct(hashes: impl Iterator<Item = u64>) -> usize {
    hashes.collect::<HashSet<u64>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn culprits(sets: impl IntoIterator<Item = Vec<(&'static str, String)>>, target: usize) -> Vec<String> {
        let mut suspects = Suspects::default();
        for set in sets {
            let set: LabelSet = set.iter().map(|(n, v)| (*n, v.as_str())).collect();
            suspects.add(&set, &Seed::new(3));
        }
        let rank = |name: &str| match name {
            "queue" => Rank::Last,
            "kept" => Rank::Never,
            _ => Rank::Free,
        };
        suspects.culprits(target, rank).into_iter().map(String::from).collect()
    }

    #[test]
    fn the_label_that_explodes_is_found() {
        let sets = (0..100)
            .map(|i| vec![("kind", (i % 2).to_string()), ("order_ref", i.to_string()), ("queue", (i % 3).to_string())]);
        assert_eq!(culprits(sets, 50), ["order_ref"]);
    }

    #[test]
    fn of_two_that_multiply_the_one_that_cuts_more() {
        let sets = (0..200).map(|i| vec![("a", (i % 10).to_string()), ("b", (i / 10).to_string())]);
        assert_eq!(culprits(sets, 100), ["b"]);
    }

    #[test]
    fn two_that_go_together_go_together() {
        let sets = (0..100).map(|i| vec![("span", i.to_string()), ("trace", i.to_string()), ("x", "1".to_owned())]);
        assert_eq!(culprits(sets, 10), ["span", "trace"]);
    }

    #[test]
    fn what_somebody_asks_by_goes_last_and_what_is_kept_never() {
        let sets = |label| (0..100).map(move |i| vec![(label, i.to_string()), ("x", (i % 2).to_string())]);
        assert_eq!(culprits(sets("queue"), 10), ["queue"]);
        assert_eq!(culprits(sets("kept"), 10), Vec::<String>::new());
    }

    #[test]
    fn names_of_labels_that_explode_explain_nothing_and_cost_little() {
        let name = |i: usize| -> &'static str { Box::leak(format!("tag_{i}").into_boxed_str()) };
        // Each of them tried, and again with every other that goes, takes as long as anybody cares to wait.
        let sets = (0..20_000).map(|i| vec![(name(i % 5000), i.to_string())]);
        assert_eq!(culprits(sets, 100), Vec::<String>::new());
    }

    #[test]
    fn innocent_labels_stay_although_they_were_tried_first() {
        // `version` alone does not help; `queue` does, and then `version` may stay.
        let sets = (0..100).map(|i| vec![("queue", i.to_string()), ("version", (i % 4).to_string())]);
        assert_eq!(culprits(sets, 50), ["queue"]);
    }
}
