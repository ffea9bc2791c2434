//! Which labels are new with every job, user or request, to go by their names and the looks of
//! their values; and what is left of values without the ids inside them.

use std::collections::BTreeSet;

use crate::engine::model::TRIED_LAST;
use crate::engine::model::{Kind, LabelSet};
use crate::engine::policy::{Boundless, Builtin, FamilyPlan, FamilyRef, Mode, Policies, SeriesRef, Shape, Source};

/// The built-in policy lets a label of a well-known name have as many values.
pub const MANY: u64 = 50;
/// Nobody gives as few things uuids and knows them by these.
const MANY_UNIQUE: u64 = 10;
/// Well-known names of labels that are new with each job.
const ID_NAMES: [&str; 8] =
    ["job_id", "task_id", "jid", "request_id", "trace_id", "span_id", "correlation_id", "message_id"];
/// How names of labels end whose numbers are ids. Without it, numbers are CPUs, ports and shards.
const ID_ENDINGS: [&str; 5] = ["id", "_ref", "_key", "_number", "_seq"];

/// Whether so many values of a label, nearly all of this shape (`None`: of several), are ids.
pub fn are_ids(name: &str, values: u64, shape: Option<Shape>) -> bool {
    if TRIED_LAST.contains(&name) {
        return false;
    }
    let named = ID_ENDINGS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    values > MANY_UNIQUE && matches!(shape, Some(Shape::Uuid | Shape::Ulid))
        || values > MANY
            && (ID_NAMES.contains(&name)
                || matches!(shape, Some(Shape::Hex | Shape::Timestamp | Shape::Email))
                || named && shape == Some(Shape::Int))
}

/// Asks the step `normalize` itself what it makes of a value.
pub struct Normalizer {
    plan: Option<FamilyPlan>,
    out: LabelSet,
}

impl Normalizer {
    pub fn new() -> Normalizer {
        let text = "policies: [{name: ids, labels: [{label: value, action: normalize}]}]".to_owned();
        let policies = Policies::compile(&[Source { name: String::new(), text }], Builtin::Excluded, None);
        let family = FamilyRef { name: "x", kind: Kind::Gauge, names: &["x"] };
        let plan = policies.ok().map(|(policies, _)| policies.plan(None, Mode::Enforce).family(family));
        Normalizer { plan, out: LabelSet::default() }
    }

    /// How many of the values stay different.
    pub fn left<'v>(&mut self, values: impl IntoIterator<Item = &'v str>) -> u64 {
        let mut left = BTreeSet::new();
        for value in values {
            let labels: LabelSet = [("value", value)].into_iter().collect();
            if let Some(plan) = &mut self.plan {
                plan.decide(SeriesRef { name: "x", reserved: None, labels: &labels }, &mut self.out, &mut Boundless);
            }
            left.insert(self.out.get("value").unwrap_or_default().to_owned());
        }
        left.len() as u64
    }
}

impl Default for Normalizer {
    fn default() -> Self {
        Normalizer::new()
    }
}
