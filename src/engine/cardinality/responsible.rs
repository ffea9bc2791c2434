//! The label that is responsible for a family's size: the one whose removal leaves the fewest series.

use std::cmp::Reverse;

use super::census::Census;
use super::distinct::{Count, Estimated};
use super::label::Label;
use crate::engine::model::Rank;

/// The label to blame and what its removal brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responsible {
    pub label: Box<str>,
    /// Series left without it.
    pub leaves: Count,
    /// Series there are.
    pub of: Count,
}

impl<T: Copy + PartialEq> Census<T> {
    /// The label whose removal leaves the fewest series; of several the one with more values, then
    /// the first by name. `None` when no label's removal helps.
    pub fn responsible(&self, rank: impl Fn(&str) -> Rank) -> Option<Responsible> {
        let best = |wanted| self.best_of(|label| rank(label.name()) == wanted);
        best(Rank::Free).or_else(|| best(Rank::Last))
    }

    fn best_of(&self, wanted: impl Fn(&Label<T>) -> bool) -> Option<Responsible> {
        let of = self.series();
        let helping = self.labels().iter().filter(|label| wanted(label)).map(|label| (label, label.leaves()));
        let helping = helping.filter(|(_, leaves)| helps(*leaves, of));
        let (label, leaves) =
            helping.min_by_key(|(label, leaves)| (leaves.value, Reverse(label.values().value), label.name()))?;
        Some(Responsible { label: label.name().into(), leaves, of })
    }
}

/// Whether fewer are left. Two estimates may differ by several standard errors and mean the same:
/// then a tenth is asked for.
fn helps(leaves: Count, of: Count) -> bool {
    match (leaves.estimated, of.estimated) {
        (Estimated::No, Estimated::No) => leaves.value < of.value,
        _ => leaves.value < of.value - of.value / 10,
    }
}
