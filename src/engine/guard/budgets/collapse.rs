//! A label that a limit has folded away.

use std::sync::Arc;

use super::FamilyKey;
use crate::engine::policy::{Action, Cause, StepKey};

#[derive(Clone, Debug)]
pub struct Collapse {
    pub family: FamilyKey,
    /// TYPE name of the text format.
    pub metric: Arc<str>,
    pub label: Arc<str>,
    pub policy: Arc<str>,
    pub origin: Origin,
    /// Endpoint clock at which it began.
    pub since: f64,
    /// Of what applied to the family then: it ends when that changes.
    pub fingerprint: u64,
}

/// What folded it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A step `collapse`.
    Step(StepKey),
    /// A limit on series.
    Series,
}

impl Collapse {
    pub fn is_same(&self, other: &Collapse) -> bool {
        (self.family, self.origin) == (other.family, other.origin) && self.label == other.label
    }

    /// Who is to blame for series that it folds.
    pub fn cause(&self) -> Cause {
        let action = match self.origin {
            Origin::Step(_) => Action::Collapse,
            Origin::Series => Action::SeriesCollapse,
        };
        Cause { policy: self.policy.clone(), label: self.label.clone(), action }
    }
}
