//! Which labels grow without end, to go by what a body shows of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::advice::{self, Evidence, Normalizer};
use crate::cli::body::Body;
use crate::cli::failure::Usage;
use crate::cli::inventory::{Everywhere, Inventory};
use crate::engine::cardinality::Look;
use crate::engine::policy::Shape;

/// What is to be said against the labels of a body.
pub(super) fn against(inventory: &Inventory, body: &Body) -> Result<BTreeMap<String, Evidence>, Usage> {
    let labels = inventory.labels();
    let mut evidence = BTreeMap::new();
    let mut many = BTreeMap::new();
    for label in &labels {
        if are_ids(label) {
            evidence.insert(label.name.to_owned(), Evidence::Ids);
        } else if label.values() > advice::MANY && !matches!(shape(label), Some(Shape::Int | Shape::Ip)) {
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
        let left = normalizer.left(values.iter().map(String::as_str));
        if left * 2 <= values.len() as u64 {
            evidence.insert(label, Evidence::IdsInside { left: Some(left) });
        }
    }
    Ok(evidence)
}

fn are_ids(label: &Everywhere<'_>) -> bool {
    advice::are_ids(label.name, label.values(), shape(label))
}

fn shape(label: &Everywhere<'_>) -> Option<Shape> {
    match label.families.first().and_then(|(_, label)| label.look()) {
        Some(Look::Alike(shape)) => Some(shape),
        Some(Look::Mixed) | None => None,
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
    #[case::paths("path", 60, |i: u64| format!("/orders/{}/items", 1000 + i), Some(Evidence::IdsInside { left: Some(1) }))]
    #[case::queues_are_no_ids("queue", 60, uuid, Some(Evidence::IdsInside { left: Some(1) }))]
    fn what_is_said_against_a_label(
        #[case] label: &str,
        #[case] values: u64,
        #[case] value: fn(u64) -> String,
        #[case] want: Option<Evidence>,
    ) {
        assert_eq!(of(label, (0..values).map(value)), want);
    }
}
