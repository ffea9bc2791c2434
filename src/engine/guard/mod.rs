//! The assembly line: bytes in, guarded bytes out, one commit at the end.
//!
//! A [`Guard`] owns the state of its endpoint while a scrape runs and gives it back when the
//! scrape ends, well or badly. Everything that drives scrapes (proxy, CLI, benches, tests,
//! fuzzers) drives this one type.

mod report;

pub use report::{Attributed, BadSample, Report};

use std::sync::Arc;
use std::time::Duration;

use crate::engine::exposition::SyntaxError;
use crate::engine::model::{Format, Seed};
use crate::engine::policy::Plan;

/// Everything remembered about one endpoint in one format.
#[derive(Debug)]
pub struct EndpointState {
    format: Format,
    seed: Seed,
}

/// One scrape under way.
pub struct Guard {
    state: Box<EndpointState>,
    scrape: Scrape,
    input: Vec<u8>,
}

/// What a scrape is given.
#[derive(Clone, Debug)]
pub struct Scrape {
    pub plan: Arc<Plan>,
    pub limits: Limits,
    /// Monotonic time since any fixed instant. The engine reads no clock.
    pub now: Duration,
    /// Wall time in seconds since the epoch, for what is shown to people (`epoch_seconds`) only.
    pub wall_seconds: f64,
    /// Who asks (a hash of address and User-Agent), for `hold`'s default (SEMANTICS 2.2).
    pub client: u64,
    pub annotate: Annotate,
    pub start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotate {
    Yes,
    No,
}

/// What a folded counter shows in the first scrape of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// 0: every member is a baseline (SEMANTICS 1.1).
    Baseline,
    /// The plain sum, for a body that has no before and after (`filter` with one IN).
    Sum,
}

/// 0 = no limit, everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one body, decoded.
    pub body_size: u64,
    /// Bytes of one sample or metadata entry.
    pub sample_size: usize,
    pub labels: usize,
    /// Bytes of output held back so that errors are decided before the first byte leaves;
    /// `u64::MAX` holds everything.
    pub hold_output: u64,
    /// Members remembered.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { body_size: 256 << 20, sample_size: 1 << 20, labels: 4096, hold_output: 8 << 20, members: 1_000_000 }
    }
}

/// How the end of the body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// Content-Length reached or last chunk seen.
    Framed,
    /// The connection closed: a text body must then end in a newline (SEMANTICS 0.2).
    Closed,
}

/// Why a scrape fails. Its text is one line, fit for a reason phrase, after `exporter: ` or
/// `guard: `.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScrapeError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("body larger than body_size_limit ({0} bytes)")]
    BodySize(u64),
    #[error("the body ends without a newline and without Content-Length: cut short?")]
    Truncated,
    #[error("family {0} came back after its block had left; the next scrape holds it to the end")]
    FamilyReturned(Box<str>),
}

impl ScrapeError {
    /// The `result` of `cardinality_guard_scrapes_total`: `malformed` or `limit`.
    pub fn is_limit(&self) -> bool {
        matches!(self, ScrapeError::BodySize(_))
    }
}

impl EndpointState {
    pub fn new(format: Format, seed: Seed) -> Box<EndpointState> {
        Box::new(EndpointState { format, seed })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes this state takes, roughly.
    pub fn memory(&self) -> usize {
        std::mem::size_of_val(&self.seed)
    }
}

impl Guard {
    pub fn begin(state: Box<EndpointState>, scrape: Scrape) -> Guard {
        Guard { state, scrape, input: Vec::new() }
    }

    /// Takes the next bytes of the body, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ScrapeError> {
        self.input.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends to `out` what may leave already: nothing while the output is held whole. Once this
    /// has given bytes, a failure can only be told by aborting the connection.
    pub fn drain(&mut self, out: &mut Vec<u8>) {
        let _ = (out, &self.scrape);
    }

    /// The body is complete: appends the rest of the output and commits, all or nothing.
    pub fn finish(mut self, end: BodyEnd, out: &mut Vec<u8>) -> (Box<EndpointState>, Result<Report, ScrapeError>) {
        let _ = end;
        out.append(&mut self.input);
        (self.state, Ok(Report::default()))
    }

    /// The body failed: gives the state back as it was before this scrape.
    pub fn abort(self) -> Box<EndpointState> {
        self.state
    }
}
