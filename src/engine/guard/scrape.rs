//! What a scrape is given, how it ends, and why it fails.

use std::sync::Arc;
use std::time::Duration;

use super::commons::Commons;
use crate::engine::exposition::SyntaxError;
use crate::engine::policy::Plan;

/// What a scrape is given.
#[derive(Clone, Debug)]
pub struct Scrape {
    pub plan: Arc<Plan>,
    pub limits: Limits,
    /// Monotonic time since any fixed instant. The engine reads no clock.
    pub now: Duration,
    /// Wall time in seconds since the epoch, for what is shown to people (`epoch_seconds`) only.
    pub wall_seconds: f64,
    /// Who asks (a hash of address and User-Agent), for `hold`'s default (rule 2.2).
    pub client: u64,
    pub annotate: Annotate,
    pub start: Start,
    /// What the endpoints of the target share; `None` for an endpoint on its own.
    pub commons: Option<Arc<dyn Commons>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotate {
    Yes,
    No,
}

/// What a folded counter shows in the first scrape of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// 0: every member is a baseline (rule 1.1).
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
    /// Output series over `series_ttl`.
    pub endpoint_series: u64,
    /// The same over all endpoints of the target.
    pub target_series: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_size: 256 << 20,
            sample_size: 1 << 20,
            labels: 4096,
            hold_output: 8 << 20,
            members: 1_000_000,
            endpoint_series: 0,
            target_series: 0,
        }
    }
}

/// How the output of a body leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    Written,
    /// Behind what was written: the annotation, or nothing.
    AsItCame,
}

/// What the output of a body is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Written,
    /// The body is still there as it came: when nothing in it changed, only the annotation is wanted.
    Apart,
}

/// How the end of the body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// Content-Length reached or last chunk seen.
    Framed,
    /// The connection closed: a text body must then end in a newline (rule 0.2).
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
    FamilyReturned(Arc<str>),
    #[error("a TYPE line changed what had left already; the next scrape knows it")]
    TypesChanged,
    #[error("{family}: more than {limit} series (series_limit_action: fail)")]
    SeriesLimit { family: Arc<str>, limit: u64 },
    /// Never leaves the guard.
    #[error("the body is read again")]
    StartedOver,
    /// Told to whom keeps the body elsewhere, and to nobody else.
    #[error("the body is wanted once more")]
    BodyWanted,
    #[error("the process restarted, which the body said after what had left already; the next scrape knows it")]
    Restarted,
}

impl ScrapeError {
    /// The `result` of `cardinality_guard_scrapes_total`: `malformed` or `limit`.
    pub fn is_limit(&self) -> bool {
        match self {
            ScrapeError::BodySize(_) | ScrapeError::SeriesLimit { .. } => true,
            ScrapeError::Syntax(error) => error.kind.is_limit(),
            _ => false,
        }
    }
}
