//! The scrape path over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod allow;
mod attacks;
mod books;
mod budgets;
mod commit;
mod doors;
mod headers;
mod limits;
mod memory;
mod outcomes;
mod packed;
mod pass;
mod streaming;
mod tls;
mod truth;
mod waits;
mod ways;

/// A body no policy touches.
const BODY: &str = "# TYPE jobs_total counter\njobs_total{queue=\"a\"} 3\njobs_total{queue=\"b\"} 4\n";
