//! The analysis as JSON.

use serde_json::{Value, json};

use crate::cli::inventory::{Everywhere, Family, Inventory};
use crate::cli::looks;
use crate::engine::cardinality::{Count, Estimated, Label};
use crate::engine::policy::Shape;

pub(super) fn of(inventory: &Inventory, source: &str, top: usize) -> Value {
    json!({
        "source": source,
        "series": inventory.series(),
        "labels": inventory.labels().iter().map(|label| everywhere(label, inventory)).collect::<Vec<_>>(),
        "metrics": inventory.families.iter().take(top).map(metric).collect::<Vec<_>>(),
    })
}

fn everywhere(label: &Everywhere<'_>, inventory: &Inventory) -> Value {
    json!({
        "label": label.name,
        "metrics": label.families.len(),
        "leaves": inventory.series() - label.saves,
    })
}

fn metric(family: &Family) -> Value {
    let responsible = family.responsible(|_| false);
    json!({
        "metric": family.name,
        "type": family.kind.as_str(),
        "series": family.series(),
        "responsible": responsible.map(|r| json!({ "label": r.label, "leaves": r.leaves })),
        "labels": family.labels().map(|label| about(label, family)).collect::<Vec<_>>(),
    })
}

fn about(label: &Label<Shape>, family: &Family) -> Value {
    let Count { value, estimated } = label.values();
    json!({
        "label": label.name(),
        "values": value,
        "estimated": estimated == Estimated::Yes,
        "shape": looks::word(label),
        "samples": label.samples().collect::<Vec<_>>(),
        "series": label.carriers(),
        "leaves": family.leaves(label),
    })
}
