//! What limits have decided, as it is written down.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Book, BookKey, Budgets, Collapse, Gate, Origin, shared};
use crate::engine::cardinality::{Admission, Place};
use crate::engine::policy::StepKey;

type Bytes = [u8; 8];

#[derive(Debug, Serialize, Deserialize)]
pub struct BudgetRows {
    books: Vec<BookRow>,
    collapses: Vec<CollapseRow>,
    gates: Vec<GateRow>,
    aged: f64,
    turned: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct BookRow {
    key: [Bytes; 3],
    limit: u64,
    ttl_seconds: f64,
    /// Value, 1 when it has a place, second of the endpoint clock when last seen.
    places: Vec<(Bytes, u8, u32)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CollapseRow {
    family: Bytes,
    metric: String,
    label: String,
    policy: String,
    /// `None`: by a limit on series.
    step: Option<Bytes>,
    since: f64,
    fingerprint: Bytes,
}

#[derive(Debug, Serialize, Deserialize)]
struct GateRow {
    family: Bytes,
    inside: Vec<Bytes>,
}

impl BudgetRows {
    pub fn of(budgets: &Budgets) -> BudgetRows {
        let book = |(key, &at): (&BookKey, &u32)| BookRow::of(key, &budgets.books[at as usize]);
        let gate = |(&family, gate): (&u64, &Gate)| GateRow {
            family: family.to_le_bytes(),
            inside: gate.iter().map(u64::to_le_bytes).collect(),
        };
        BudgetRows {
            books: budgets.by_key.iter().map(book).collect(),
            collapses: budgets.collapses.iter().map(CollapseRow::of).collect(),
            gates: budgets.gates.iter().map(gate).collect(),
            aged: budgets.aged,
            turned: budgets.turned,
        }
    }

    /// The budgets that were written down.
    pub fn give(self) -> Budgets {
        let mut budgets = Budgets { aged: self.aged, turned: self.turned, is_written: true, ..Budgets::default() };
        for row in self.books {
            let [step, label, family] = row.key.map(u64::from_le_bytes);
            let at = budgets.book(BookKey { step, label, family }, row.limit, row.ttl_seconds);
            for (value, granted, seen) in row.places {
                let admission = if granted == 1 { Admission::Granted } else { Admission::Refused };
                budgets.books[at as usize].places.put(u64::from_le_bytes(value), Place { admission, seen });
            }
        }
        budgets.collapses = self.collapses.into_iter().map(CollapseRow::give).collect();
        let gate = |row: GateRow| {
            let inside = row.inside.into_iter().map(u64::from_le_bytes);
            (u64::from_le_bytes(row.family), Gate::new(inside, usize::MAX))
        };
        budgets.gates = self.gates.into_iter().map(gate).collect::<HashMap<_, _>>();
        budgets
    }
}

impl BookRow {
    fn of(key: &BookKey, book: &Book) -> BookRow {
        let place = |(value, place): (u64, Place)| {
            (value.to_le_bytes(), u8::from(place.admission == Admission::Granted), place.seen)
        };
        BookRow {
            key: [key.step, key.label, key.family].map(u64::to_le_bytes),
            limit: book.limit,
            ttl_seconds: book.ttl_seconds,
            places: book.places.iter().map(place).collect(),
        }
    }
}

impl CollapseRow {
    fn of(collapse: &Collapse) -> CollapseRow {
        CollapseRow {
            family: collapse.family.to_le_bytes(),
            metric: collapse.metric.to_string(),
            label: collapse.label.to_string(),
            policy: collapse.policy.to_string(),
            step: match collapse.origin {
                Origin::Step(key) => Some(key.0.to_le_bytes()),
                Origin::Series => None,
            },
            since: collapse.since,
            fingerprint: collapse.fingerprint.to_le_bytes(),
        }
    }

    fn give(self) -> Collapse {
        Collapse {
            family: u64::from_le_bytes(self.family),
            metric: shared(&self.metric),
            label: shared(&self.label),
            policy: shared(&self.policy),
            origin: self.step.map_or(Origin::Series, |step| Origin::Step(StepKey(u64::from_le_bytes(step)))),
            since: self.since,
            fingerprint: u64::from_le_bytes(self.fingerprint),
        }
    }
}
