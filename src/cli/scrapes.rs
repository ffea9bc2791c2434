//! Scrapes as the commands do them: bodies held whole, on a virtual clock, without an endpoint.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::body::format_of;
use crate::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Report, Scrape, Start};
use crate::engine::model::{Format, Seed};
use crate::engine::policy::Plan;

/// One endpoint's scrapes, one after the other.
pub(super) struct Scrapes {
    plan: Arc<Plan>,
    start: Start,
    state: Option<Box<EndpointState>>,
}

/// Bytes between two words about how far it is.
const PIECE: usize = 1 << 18;

/// A guarded body and its account, or the reason there is none.
pub(super) type Outcome = Result<(Vec<u8>, Report), String>;

/// Another seed for every process.
pub(super) fn seed() -> Seed {
    Seed::new(RandomState::new().hash_one("seed"))
}

impl Scrapes {
    pub(super) fn new(plan: Plan, start: Start) -> Scrapes {
        Scrapes { plan: Arc::new(plan), start, state: None }
    }

    /// Guards one body, all or nothing; what it must remember stays for the next.
    pub(super) fn scrape(&mut self, body: &[u8], now: Duration, format: Option<Format>) -> Outcome {
        self.scrape_telling(body, now, format, |_| {})
    }

    /// The same; `told` hears from time to time how many bytes are done.
    pub(super) fn scrape_telling(
        &mut self,
        body: &[u8],
        now: Duration,
        format: Option<Format>,
        mut told: impl FnMut(usize),
    ) -> Outcome {
        let state = self.state.take();
        let state = state.unwrap_or_else(|| EndpointState::new(format.unwrap_or_else(|| format_of(body)), seed()));
        let mut guard = Guard::begin(state, self.settings(now));
        let mut out = Vec::new();
        let mut pieces = body.chunks(PIECE).enumerate();
        let pushed = pieces.try_for_each(|(index, piece)| {
            told(index * PIECE);
            guard.push(piece)
        });
        let (state, outcome) = match pushed {
            Ok(()) => guard.finish(BodyEnd::Framed, &mut out),
            Err(error) => (guard.abort(), Err(error)),
        };
        self.state = Some(state);
        outcome.map(|report| (out, report)).map_err(|error| error.to_string())
    }

    fn settings(&self, now: Duration) -> Scrape {
        Scrape {
            plan: Arc::clone(&self.plan),
            limits: Limits { hold_output: u64::MAX, ..Limits::default() },
            now,
            wall_seconds: now.as_secs_f64(),
            client: 0,
            annotate: Annotate::No,
            start: self.start,
            commons: None,
        }
    }
}
