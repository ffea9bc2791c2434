//! The analysis for people.

use std::fmt::Write;

use crate::cli::columns::{Align, columns};
use crate::cli::inventory::{Everywhere, Family, Inventory};
use crate::cli::looks;
use crate::cli::terminal::Color;
use crate::cli::units::{count, counted};
use crate::engine::cardinality::Label;
use crate::engine::policy::Shape;
use crate::telemetry::Printable;

/// Colours, or none.
#[derive(Clone, Copy)]
pub(super) struct Style {
    bold: &'static str,
    dim: &'static str,
    off: &'static str,
}

/// Labels shown of all metrics together.
const LABELS: usize = 5;
/// Characters shown of each sample value.
const SAMPLE: usize = 40;

impl Style {
    pub(super) fn of(color: Color) -> Style {
        match color {
            Color::Always => Style { bold: "\x1b[1m", dim: "\x1b[2m", off: "\x1b[0m" },
            Color::Never => Style { bold: "", dim: "", off: "" },
        }
    }
}

pub(super) fn of(inventory: &Inventory, source: &str, top: usize, style: Style) -> String {
    let Style { bold, off, .. } = style;
    let mut text = String::new();
    let families = inventory.families.len();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{bold}{}: {} series in {}{off}",
        Printable(source),
        count(inventory.series()),
        counted(families as u64, "metric")
    );
    text += &responsible(inventory, style);
    for family in inventory.families.iter().take(top) {
        text += &metric(family, style);
    }
    match families.saturating_sub(top) {
        0 => {}
        more => drop(writeln!(text, "\nand {} (--top N shows more)", counted(more as u64, "smaller metric"))),
    }
    text
}

/// The labels that cost most, over all metrics.
fn responsible(inventory: &Inventory, style: Style) -> String {
    let row = |label: &Everywhere<'_>| {
        let in_metrics = label.families.len() as u64;
        [Printable(label.name).to_string(), count(inventory.series() - label.saves), count(in_metrics)]
    };
    let labels = inventory.labels();
    let rows: Vec<_> = labels.iter().filter(|label| label.saves > 0).take(LABELS).map(row).collect();
    if rows.is_empty() {
        return "No label is responsible for more than one series.\n".to_owned();
    }
    let head = ["without the label", "series left", "in metrics"];
    format!("\n{}", columns(head, &rows, [Align::Left, Align::Right, Align::Right], (style.dim, style.off)))
}

fn metric(family: &Family, style: Style) -> String {
    let Style { bold, dim, off } = style;
    let mut text = format!(
        "\n{bold}{}{off} {dim}({}){off}: {} series",
        Printable(&family.name),
        family.kind,
        count(family.series())
    );
    if let Some(responsible) = family.responsible(|_| false) {
        let left = count(responsible.leaves);
        let _ = write!(text, ", {left} without {bold}{}{off}", Printable(&responsible.label));
    }
    text.push('\n');
    let rows: Vec<_> = family.labels().map(|label| label_row(label, family)).collect();
    if !rows.is_empty() {
        let head = ["label", "values", "series left", "shape", "samples"];
        let align = [Align::Left, Align::Right, Align::Right, Align::Left, Align::Left];
        text += &columns(head, &rows, align, (dim, off));
    }
    text
}

fn label_row(label: &Label<Shape>, family: &Family) -> [String; 5] {
    let samples: Vec<String> = label.samples().map(short).collect();
    [
        Printable(label.name()).to_string(),
        count(label.values().value),
        count(family.leaves(label)),
        looks::word(label).to_owned(),
        samples.join(", "),
    ]
}

fn short(sample: &str) -> String {
    let mut cut: String = sample.chars().take(SAMPLE).collect();
    if cut.len() < sample.len() {
        cut.push('…');
    }
    Printable(&cut).to_string()
}
