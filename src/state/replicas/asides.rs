//! What a guard has seen while it could not tell the others.
//!
//! Processes and their series come and go while the store is away. When it is back, the first guard
//! that scrapes reads the bodies it has seen since the last commit once more, in their order, before
//! it reads the new one, so that what came and went is counted. Bodies that are older than the last
//! commit are no news (rule 0.4). They are kept until a commit has told what is in them, and all
//! endpoints together have one shelf for them, from which the oldest goes first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Scrape};

#[derive(Debug, Default)]
pub struct Asides {
    shelf: Shelf,
    kept: VecDeque<Arc<Aside>>,
    /// Of the scrape at hand.
    at_hand: Option<Aside>,
}

/// Where all endpoints keep theirs.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<Row>>);

/// By number: oldest first.
#[derive(Debug, Default)]
struct Row {
    all: BTreeMap<u64, Arc<Aside>>,
    /// Of the next one.
    number: u64,
    bytes: usize,
    most: usize,
}

/// A body and when it came.
#[derive(Debug, Default)]
struct Aside {
    /// Before the exporter was asked, and when its answer came.
    asked: Duration,
    at: Duration,
    client: u64,
    /// Empty once it had to go.
    body: Mutex<Vec<u8>>,
    /// Of the body, as it was kept.
    bytes: usize,
    /// On the shelf.
    number: u64,
}

/// Whether anything was read that nobody has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    Nothing,
    Some,
}

/// Whether anything was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    Nothing,
    Some,
}

/// Bodies kept for each endpoint, and bytes of all of them together; the oldest go first.
const MOST: usize = 64;
const MOST_BYTES: usize = 4 << 20;
/// Bytes of all endpoints together: this part of `memory_limit`, so much where there is none.
const PART: u64 = 16;
const MOST_OF_ALL: usize = 256 << 20;

impl Asides {
    pub fn on(shelf: &Shelf) -> Asides {
        Asides { shelf: shelf.clone(), kept: VecDeque::new(), at_hand: None }
    }

    /// A scrape begins.
    pub fn begin(&mut self, scrape: &Scrape, asked: Duration) {
        self.at_hand = Some(Aside { asked, at: scrape.now, client: scrape.client, ..Aside::default() });
    }

    pub fn note(&mut self, bytes: &[u8]) {
        let Some(aside) = &mut self.at_hand else { return };
        let body = aside.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        if body.len() + bytes.len() > MOST_BYTES {
            self.at_hand = None;
        } else {
            body.extend_from_slice(bytes);
        }
    }

    /// The scrape at hand was a good one, and nobody was told.
    pub fn keep(&mut self) {
        let Some(mut aside) = self.at_hand.take() else { return };
        let body = aside.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        body.shrink_to_fit();
        aside.bytes = body.len();
        self.kept.push_back(self.shelf.put(aside));
        while self.kept.len() > MOST || self.bytes() > MOST_BYTES {
            self.kept.pop_front().iter().for_each(|aside| self.shelf.take(aside));
        }
    }

    /// Everything was told.
    pub fn clear(&mut self) -> Cleared {
        self.at_hand = None;
        let cleared = if self.kept.is_empty() { Cleared::Nothing } else { Cleared::Some };
        self.kept.drain(..).for_each(|aside| self.shelf.take(&aside));
        cleared
    }

    /// Reads once more what came after the last commit. None of it was shown.
    pub fn replay(
        &self,
        mut state: Box<EndpointState>,
        since: Duration,
        scrape: &Scrape,
    ) -> (Box<EndpointState>, Replayed) {
        let before = state.seconds();
        let mut replayed = Replayed::Nothing;
        for aside in self.kept.iter().filter(|aside| aside.asked > since) {
            let body = locked(&aside.body);
            if body.len() < aside.bytes {
                continue;
            }
            let (now, client) = (aside.at, aside.client);
            let scrape = Scrape { now, client, annotate: Annotate::No, ..scrape.clone() };
            let mut guard = Guard::begin(state, scrape);
            state = match guard.push(&body) {
                Ok(()) => guard.finish(BodyEnd::Framed, &mut Vec::new()).0,
                Err(_) => guard.abort(),
            };
            replayed = Replayed::Some;
        }
        if replayed == Replayed::Some {
            state.unshow(before);
        }
        (state, replayed)
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(|aside| locked(&aside.body).len()).sum()
    }
}

impl Drop for Asides {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shelf {
    /// `memory_limit`; 0 = none.
    pub fn limit(&self, memory: u64) {
        let most = if memory == 0 { MOST_OF_ALL } else { usize::try_from(memory / PART).unwrap_or(MOST_OF_ALL) };
        let mut row = locked(&self.0);
        row.most = most;
        row.make_room();
    }

    /// Bytes on it.
    pub fn bytes(&self) -> u64 {
        locked(&self.0).bytes as u64
    }

    fn put(&self, mut aside: Aside) -> Arc<Aside> {
        let mut row = locked(&self.0);
        row.number += 1;
        row.bytes += aside.bytes;
        aside.number = row.number;
        let aside = Arc::new(aside);
        row.all.insert(aside.number, aside.clone());
        row.make_room();
        aside
    }

    fn take(&self, aside: &Aside) {
        let mut row = locked(&self.0);
        if row.all.remove(&aside.number).is_some() {
            row.bytes -= aside.bytes;
        }
    }
}

impl Row {
    fn make_room(&mut self) {
        let most = if self.most == 0 { MOST_OF_ALL } else { self.most };
        while self.bytes > most {
            let Some((_, oldest)) = self.all.pop_first() else { return };
            self.bytes -= oldest.bytes;
            *locked(&oldest.body) = Vec::new();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(asides: &mut Asides, bytes: usize) {
        asides.at_hand = Some(Aside::default());
        asides.note(&vec![b'x'; bytes]);
        asides.keep();
    }

    #[test]
    fn all_endpoints_together_keep_no_more_than_their_shelf_holds_and_the_oldest_goes_first() {
        let shelf = Shelf::default();
        shelf.limit(16 * 1000);
        let mut endpoints: Vec<Asides> = (0..5).map(|_| Asides::on(&shelf)).collect();
        for asides in &mut endpoints {
            keep(asides, 300);
        }
        assert_eq!(shelf.bytes(), 900);
        assert_eq!(endpoints.iter().map(Asides::bytes).collect::<Vec<_>>(), [0, 0, 300, 300, 300]);
        endpoints.pop();
        endpoints[2].clear();
        assert_eq!(shelf.bytes(), 300);
        keep(&mut endpoints[0], 700);
        assert_eq!(shelf.bytes(), 1000);
        keep(&mut endpoints[0], 1001);
        assert_eq!(shelf.bytes(), 0);
    }

    #[test]
    fn an_endpoint_keeps_so_many_and_a_body_that_is_too_long_is_none() {
        let shelf = Shelf::default();
        let mut asides = Asides::on(&shelf);
        (0..MOST + 9).for_each(|_| keep(&mut asides, 10));
        assert_eq!((asides.kept.len(), shelf.bytes()), (MOST, 10 * MOST as u64));
        keep(&mut asides, MOST_BYTES + 1);
        assert_eq!(shelf.bytes(), 10 * MOST as u64);
        drop(asides);
        assert_eq!(shelf.bytes(), 0);
    }
}
