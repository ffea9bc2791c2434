//! Which labels grow without end, to go by what a body shows of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::body::Body;
use crate::cli::failure::Usage;
use crate::cli::inventory::{Everywhere, Inventory};
use crate::engine::cardinality::{Look, TRIED_LAST};
use crate::engine::model::{Kind, LabelSet};
use crate::engine::policy::{Boundless, Builtin, FamilyPlan, FamilyRef, Mode, Policies, SeriesRef, Shape, Source};

/// Why a label is taken for one that grows without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its values are ids of single jobs, users or requests.
    Ids,
    /// So many values are left when the ids inside them become placeholders.
    IdsInside { left: u64 },
}

/// The built-in policy lets a label of a well-known name have as many values.
const MANY: u64 = 50;
/// Nobody gives as few things uuids and knows them by these.
const MANY_UNIQUE: u64 = 10;
/// Well-known names of labels that are new with each job.
const ID_NAMES: [&str; 8] =
    ["job_id", "task_id", "jid", "request_id", "trace_id", "span_id", "correlation_id", "message_id"];
/// How names of labels end whose numbers are ids. Without it, numbers are CPUs, ports and shards.
const ID_ENDINGS: [&str; 5] = ["id", "_ref", "_key", "_number", "_seq"];

/// What is to be said against the labels of a body.
pub(super) fn against(inventory: &Inventory, body: &Body) -> Result<BTreeMap<String, Evidence>, Usage> {
    let labels = inventory.labels();
    let mut evidence = BTreeMap::new();
    let mut many = BTreeMap::new();
    for label in &labels {
        if are_ids(label) {
            evidence.insert(label.name.to_owned(), Evidence::Ids);
        } else if label.values() > MANY && !looks(label, &[Shape::Int, Shape::Ip]) {
            many.insert(label.name.to_owned(), BTreeSet::new());
        }
    }
    body.series(|_, labels| {
        for (name, value) in labels.iter() {
            if let Some(values) = many.get_mut(name)
                && !values.contains(value)
            {
                values.insert(value.to_owned());
            }
        }
    })?;
    let mut normalizer = Normalizer::new();
    for (label, values) in many {
        let left = normalizer.left(&values);
        if left * 2 <= values.len() as u64 {
            evidence.insert(label, Evidence::IdsInside { left });
        }
    }
    Ok(evidence)
}

fn are_ids(label: &Everywhere<'_>) -> bool {
    let (name, values) = (label.name, label.values());
    if TRIED_LAST.contains(&name) {
        return false;
    }
    let named = ID_ENDINGS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    values > MANY_UNIQUE && looks(label, &[Shape::Uuid, Shape::Ulid])
        || values > MANY
            && (ID_NAMES.contains(&name)
                || looks(label, &[Shape::Hex, Shape::Timestamp, Shape::Email])
                || named && looks(label, &[Shape::Int]))
}

/// Whether nearly all values, where the label costs most, look like one of these.
fn looks(label: &Everywhere<'_>, shapes: &[Shape]) -> bool {
    let look = label.families.first().and_then(|(_, label)| label.look());
    shapes.iter().any(|shape| look == Some(Look::Alike(*shape)))
}

/// Asks the step `normalize` itself what it makes of a value.
struct Normalizer {
    plan: Option<FamilyPlan>,
    out: LabelSet,
}

impl Normalizer {
    fn new() -> Normalizer {
        let text = "policies: [{name: ids, labels: [{label: value, action: normalize}]}]".to_owned();
        let policies = Policies::compile(&[Source { name: String::new(), text }], Builtin::Excluded, None);
        let family = FamilyRef { name: "x", kind: Kind::Gauge, names: &["x"] };
        let plan = policies.ok().map(|(policies, _)| policies.plan(None, Mode::Enforce).family(family));
        Normalizer { plan, out: LabelSet::default() }
    }

    /// How many of the values stay different.
    fn left(&mut self, values: &BTreeSet<String>) -> u64 {
        let mut left = BTreeSet::new();
        for value in values {
            let labels: LabelSet = [("value", value.as_str())].into_iter().collect();
            if let Some(plan) = &mut self.plan {
                plan.decide(SeriesRef { name: "x", reserved: None, labels: &labels }, &mut self.out, &mut Boundless);
            }
            left.insert(self.out.get("value").unwrap_or_default().to_owned());
        }
        left.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// What is said against `label` when one metric has these values of it.
    fn of(label: &str, values: impl Iterator<Item = String>) -> Option<Evidence> {
        let lines: String = values.map(|value| format!("m{{{label}=\"{value}\"}} 1\n")).collect();
        let body = Body::new("test".into(), lines.into_bytes());
        against(&Inventory::of(&body).unwrap(), &body).unwrap().remove(label)
    }

    fn uuid(i: u64) -> String {
        format!("550e8400-e29b-41d4-a716-{i:012}")
    }

    #[rstest]
    #[case::a_uuid_for_each("order_ref", 11, uuid, Some(Evidence::Ids))]
    #[case::few_things_with_uuids("disk", 10, uuid, None)]
    #[case::job_numbers("job_id", 51, |i: u64| i.to_string(), Some(Evidence::Ids))]
    #[case::few_jobs("job_id", 50, |i: u64| i.to_string(), None)]
    #[case::jobs_with_words("job_id", 60, |i: u64| format!("j{i}x"), Some(Evidence::Ids))]
    #[case::user_numbers("userId", 60, |i: u64| (i * 7919).to_string(), Some(Evidence::Ids))]
    #[case::cpus("cpu", 128, |i: u64| i.to_string(), None)]
    #[case::ports("port", 200, |i: u64| (8000 + i).to_string(), None)]
    #[case::commits("revision", 60, |i: u64| format!("{i:07}abc"), Some(Evidence::Ids))]
    #[case::words("word", 200, |i: u64| format!("w{}", ["a", "b", "c"][(i % 3) as usize].repeat(i as usize)), None)]
    #[case::paths("path", 60, |i: u64| format!("/orders/{}/items", 1000 + i), Some(Evidence::IdsInside { left: 1 }))]
    #[case::queues_are_no_ids("queue", 60, uuid, Some(Evidence::IdsInside { left: 1 }))]
    fn what_is_said_against_a_label(
        #[case] label: &str,
        #[case] values: u64,
        #[case] value: fn(u64) -> String,
        #[case] want: Option<Evidence>,
    ) {
        assert_eq!(of(label, (0..values).map(value)), want);
    }
}
