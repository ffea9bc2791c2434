//! What one scrape found and did: numbers only, for the annotation and the guard's own metrics.

use std::sync::Arc;

use super::commons::Learned;
use super::demography::LabelRow;
use crate::engine::model::Kind;
use crate::engine::policy::{Action, Cause, Novelty};

/// The account of one committed scrape.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Distinct label sets in the body.
    pub received: u64,
    /// Series written, the annotation excepted, frozen groups included.
    pub forwarded: u64,
    /// Input series without a line of their own: each counts 1 except the first of its output
    /// label set.
    pub dropped: u64,
    /// The part of `dropped` that limits did, not steps.
    pub over_budget: u64,
    /// Groups shown that have no member in this scrape.
    pub frozen: u64,
    /// Least 1 - demand/limit over all limits, 0 to 1; `None` without limits.
    pub headroom: Option<f64>,
    pub collapsed_labels: u64,
    /// Wall time at which this memory began, seconds since the epoch.
    pub epoch_seconds: f64,
    /// `dropped`, by who did it.
    pub dropped_by: Vec<Attributed>,
    /// Distinct series kept out for the first time, by who did it.
    pub blocked_by: Vec<Attributed>,
    /// Samples that went into a fold, by who did it.
    pub folded_by: Vec<Attributed>,
    /// The same three for policies that only observe.
    pub observed_dropped_by: Vec<Attributed>,
    pub observed_blocked_by: Vec<Attributed>,
    pub observed_folded_by: Vec<Attributed>,
    /// Members remembered, after this scrape.
    pub members: u64,
    pub members_evicted: u64,
    pub resets: u64,
    pub rebaselined: u64,
    pub bad_samples: Vec<(BadSample, u64)>,
    pub input_duplicates: u64,
    pub bucket_layout_conflicts: u64,
    /// The families of the body, and those that are only shown.
    pub families: Vec<FamilyReport>,
    /// Labels that limits fold away.
    pub collapsed: Vec<Collapsed>,
    /// Labels that other policies fold away where those that observe would be in force: nothing to
    /// tell anybody but the doubles of other endpoints.
    pub lessons: Vec<Learned>,
    /// Labels that are there again because nothing explodes any more.
    pub ended: Vec<Learned>,
    /// The last release that was taken up.
    pub released: u64,
    /// What is known of label values, as of about a minute ago.
    pub labels: Arc<[LabelRow]>,
}

/// The account of one family.
#[derive(Clone, Debug)]
pub struct FamilyReport {
    pub metric: Arc<str>,
    pub kind: Kind,
    pub received: u64,
    pub forwarded: u64,
    /// The limit on its series here.
    pub limit: Option<u64>,
    /// The limit over all endpoints of the target.
    pub total: Option<u64>,
    /// Series it would have had there been no limit.
    pub demand: u64,
}

/// A label that a limit folds away.
#[derive(Clone, Debug)]
pub struct Collapsed {
    pub learned: Learned,
    /// How its gauges are folded; `sum` for what adds up.
    pub aggregate: &'static str,
    pub action: Action,
    /// Whether it is so only from this scrape on.
    pub novelty: Novelty,
    /// For how long it has been so, on the endpoint clock.
    pub age_seconds: f64,
    pub need: Need,
}

/// Whether endpoints that are yet to come should begin with a label folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Lasting,
    /// It is old and would not explode any more: it ends by itself before long.
    Fading,
}

/// A count and who is responsible for it.
#[derive(Clone, Debug)]
pub struct Attributed {
    pub cause: Arc<Cause>,
    /// Family, by its TYPE name of the text format.
    pub metric: Arc<str>,
    pub count: u64,
}

/// Why a sample of a folded series was treated as absent (rule 1.10 and 3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BadSample {
    NotFinite,
    Negative,
    /// A histogram whose `+Inf` bucket and `_count` differ, or that lacks both.
    Inconsistent,
    /// Older than the member's last one.
    OutOfOrder,
}

impl BadSample {
    pub const ALL: [BadSample; 4] =
        [BadSample::NotFinite, BadSample::Negative, BadSample::Inconsistent, BadSample::OutOfOrder];

    pub const fn as_str(self) -> &'static str {
        match self {
            BadSample::NotFinite => "not_finite",
            BadSample::Negative => "negative",
            BadSample::Inconsistent => "inconsistent",
            BadSample::OutOfOrder => "out_of_order",
        }
    }
}
