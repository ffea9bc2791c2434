//! The books of one scrape: opened when it arrives, closed exactly once, whatever happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::state::Witness;
use crate::telemetry::{LastOutcome, ScrapeCost, ScrapeResult, Telemetry};

use super::answer;
use super::failure::Failure;

/// A handle on the books. When the last one goes and nobody closed them, the scrape was aborted
/// (or a panic took it down).
#[derive(Clone)]
pub struct Account(Arc<Ledger>);

struct Ledger {
    telemetry: Arc<Telemetry>,
    began: Instant,
    page: Mutex<Page>,
}

#[derive(Default)]
struct Page {
    target: String,
    /// Of the endpoint, once it is known.
    witness: Option<Witness>,
    cost: ScrapeCost,
    books: Books,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Books {
    #[default]
    Open,
    Closed,
}

impl Account {
    pub fn open(telemetry: Arc<Telemetry>) -> Account {
        Account(Arc::new(Ledger { telemetry, began: Instant::now(), page: Mutex::default() }))
    }

    pub fn target(&self, name: &str) {
        self.0.write(|page| name.clone_into(&mut page.target));
    }

    pub fn witness(&self, witness: Witness) {
        self.0.write(|page| page.witness = Some(witness));
    }

    /// The exporter's answer, or what came of it: time from the request on, bytes of the body.
    pub fn received(&self, took: Duration, bytes: u64) {
        self.0.write(|page| {
            page.cost.upstream = took;
            page.cost.received_bytes = bytes;
        });
    }

    pub fn sent(&self, bytes: usize) {
        self.0.write(|page| page.cost.sent_bytes += bytes as u64);
    }

    pub fn ended_well(&self) {
        self.0.close(ScrapeResult::Ok, "");
    }

    pub fn failed(&self, failure: &Failure) {
        self.0.close(failure.result(), &answer::reason(failure));
    }

    /// It was no scrape: nothing is counted.
    pub fn discard(&self) {
        self.0.write(|page| page.books = Books::Closed);
    }
}

impl Ledger {
    fn write<T>(&self, note: impl FnOnce(&mut Page) -> T) -> T {
        note(&mut self.page.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn close(&self, result: ScrapeResult, reason: &str) {
        let closed = self.write(|page| match std::mem::replace(&mut page.books, Books::Closed) {
            Books::Open => Some((page.target.clone(), page.witness.take(), page.cost)),
            Books::Closed => None,
        });
        if let Some((target, witness, mut cost)) = closed {
            cost.total = self.began.elapsed();
            if let Some(witness) = witness {
                let reason = reason.to_owned();
                witness.scrape_ended(LastOutcome { result, reason, at: SystemTime::now(), took: cost.total });
            }
            self.telemetry.scrape_ended(&target, result, reason, cost);
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        match std::thread::panicking() {
            true => self.close(ScrapeResult::Panic, "guard: internal error"),
            false => self.close(ScrapeResult::Aborted, "guard: the client went away"),
        }
    }
}
