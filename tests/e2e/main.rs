//! End to end: the built binary between a real Prometheus and a real application, and between a
//! plain client and an exporter that says exactly what a test tells it to.
//!
//! `make setup` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/bodies.rs"]
mod bodies;
mod exporter;
mod guard;
mod http;
mod process;
mod prometheus;
mod worker;

mod budgets;
mod demo;
mod folding;
mod identity;
mod packed;
mod pods;
mod rollback;
mod secured;
mod with_prometheus;
