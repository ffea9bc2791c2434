//! What a guard has seen while it could not tell the others.
//!
//! Processes and their series come and go while the store is away. When it is back, the first guard
//! that scrapes reads the bodies it has seen since the last commit once more, in their order, before
//! it reads the new one, so that what came and went is counted. Bodies that are older than the last
//! commit are no news (rule 0.4).

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Scrape};

#[derive(Debug, Default)]
pub struct Asides {
    kept: VecDeque<Aside>,
    /// Of the scrape at hand, where it cannot be told.
    at_hand: Option<Aside>,
}

/// A body and when it came.
#[derive(Debug)]
struct Aside {
    /// Before the exporter was asked, and when its answer came.
    asked: Duration,
    at: Duration,
    client: u64,
    body: Vec<u8>,
}

/// Bodies kept, and bytes of all of them together; the oldest go first.
const MOST: usize = 64;
const MOST_BYTES: usize = 4 << 20;

impl Asides {
    /// A scrape begins that cannot be told.
    pub fn begin(&mut self, scrape: &Scrape, asked: Duration) {
        self.at_hand = Some(Aside { asked, at: scrape.now, client: scrape.client, body: Vec::new() });
    }

    pub fn note(&mut self, bytes: &[u8]) {
        if let Some(aside) = &mut self.at_hand {
            aside.body.extend_from_slice(bytes);
            if aside.body.len() > MOST_BYTES {
                self.at_hand = None;
            }
        }
    }

    /// The scrape at hand was a good one.
    pub fn keep(&mut self) {
        self.kept.extend(self.at_hand.take());
        while self.kept.len() > MOST || self.memory() > MOST_BYTES {
            self.kept.pop_front();
        }
    }

    /// Reads once more what came after the last commit. None of it was shown.
    pub fn replay(&mut self, mut state: Box<EndpointState>, since: Duration, scrape: &Scrape) -> Box<EndpointState> {
        self.at_hand = None;
        let before = state.seconds();
        let mut has_news = false;
        for Aside { at, client, body, .. } in self.kept.drain(..).filter(|aside| aside.asked > since) {
            let scrape = Scrape { now: at, client, annotate: Annotate::No, ..scrape.clone() };
            let mut guard = Guard::begin(state, scrape);
            state = match guard.push(&body) {
                Ok(()) => guard.finish(BodyEnd::Framed, &mut Vec::new()).0,
                Err(_) => guard.abort(),
            };
            has_news = true;
        }
        if has_news {
            state.unshow(before);
        }
        state
    }

    fn memory(&self) -> usize {
        self.kept.iter().map(|aside| aside.body.len()).sum()
    }
}
