//! `cardinality-guard`: a proxy on the scrape path that keeps Prometheus' series bounded and the
//! numbers true.
//!
//! ```text
//! client GET -> proxy -> upstream ==bytes==> decode -> tokens -> sample -> decide (policy, cached)
//!            -> fold (touched families) or pass (verbatim) -> write -> encode ==bytes==> client
//!                                         \-> Report -> telemetry; state committed once, at the end
//! ```
//!
//! [`engine`] is pure and does all the thinking; everything else is a thin shell around it and
//! stands behind the default feature `serve`. `docs/ARCHITECTURE.md` holds the whole picture.

pub mod engine;

#[cfg(feature = "serve")]
pub mod admin;
#[cfg(feature = "serve")]
pub mod advice;
#[cfg(feature = "serve")]
pub mod cli;
#[cfg(feature = "serve")]
pub mod proxy;
#[cfg(feature = "serve")]
pub mod settings;
#[cfg(feature = "serve")]
pub mod state;
#[cfg(feature = "serve")]
pub mod telemetry;
