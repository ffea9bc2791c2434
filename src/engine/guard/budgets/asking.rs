//! One series asks for places: the ledger that policies see.

use std::sync::Arc;

use super::{BookKey, Budgets, Collapse, FamilyKey, Origin, Slot, shared};
use crate::engine::cardinality::{Admission, Novelty as Novel};
use crate::engine::model::Seed;
use crate::engine::policy::{Ask, FamilyBudget, Ledger, Novelty, Room, Span};

/// The ledger while one series is decided.
pub struct Asking<'a> {
    pub budgets: &'a mut Budgets,
    pub seed: &'a Seed,
    /// Endpoint clock.
    pub now: f64,
    pub family: FamilyKey,
    pub metric: &'a Arc<str>,
    pub terms: Terms,
    /// The places it was given or refused.
    pub slots: &'a mut Vec<Slot>,
    /// Whether a label goes from here on.
    pub news: News,
}

/// What the family's policies say about places.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    ttl_seconds: f64,
    fingerprint: u64,
}

impl Terms {
    pub fn of(budget: &FamilyBudget) -> Terms {
        Terms { ttl_seconds: budget.enforced.ttl_seconds(), fingerprint: budget.fingerprint }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    None,
    Collapsed,
}

impl Ledger for Asking<'_> {
    fn room(&mut self, ask: Ask<'_>) -> Room {
        let family = match ask.span {
            Span::Endpoint => 0,
            Span::Family => self.family,
        };
        let key = BookKey { step: ask.step.0, label: self.seed.hash(ask.label.as_bytes()).0, family };
        let book = self.budgets.book(key, ask.limit, self.terms.ttl_seconds);
        let slot = Slot { book, value: self.seed.hash(ask.value.as_bytes()).0 };
        let answer = self.budgets.ask(slot, self.now as u32);
        if self.budgets.books[book as usize].places.knows(slot.value) {
            self.slots.push(slot);
        }
        let novelty = if answer.novelty == Novel::New { Novelty::New } else { Novelty::Known };
        match (ask.span, answer.admission) {
            (Span::Endpoint, Admission::Granted) => Room::Granted,
            (Span::Endpoint, Admission::Refused) => Room::Refused(novelty),
            (Span::Family, admission) => self.family_room(&ask, admission, novelty),
        }
    }
}

impl Asking<'_> {
    /// Once a value is refused, the label goes for all of them.
    fn family_room(&mut self, ask: &Ask<'_>, admission: Admission, novelty: Novelty) -> Room {
        let origin = Origin::Step(ask.step);
        let mine = |c: &Collapse| c.family == self.family && c.origin == origin && *c.label == *ask.label;
        if let Some(collapse) = self.budgets.collapses().iter().find(|c| mine(c)) {
            // In the scrape in which the label goes nobody was refused before.
            let is_first = self.budgets.is_new(collapse);
            return Room::Refused(if is_first { Novelty::New } else { novelty });
        }
        if admission == Admission::Granted {
            return Room::Granted;
        }
        self.news = News::Collapsed;
        self.budgets.collapse(Collapse {
            family: self.family,
            metric: self.metric.clone(),
            label: shared(ask.label),
            policy: shared(ask.policy),
            origin,
            since: self.now,
            fingerprint: self.terms.fingerprint,
        });
        Room::Refused(Novelty::New)
    }
}
