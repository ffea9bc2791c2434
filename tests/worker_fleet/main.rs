//! The systems this was made for, all with their typical mistake: a Celery fleet, BullMQ, Sidekiq
//! and prometheus_client workers, scraped each second by a real Prometheus through the guard, and by
//! another one beside it without. The fleet keeps books of its own, which every number is held
//! against.
//!
//! It is the fleet of `examples/worker-fleet`, started once: one run, several questions.
//! `cargo test --test worker_fleet -- --nocapture` prints the table of docs/worker-fleet.md.
//! `make setup` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/bodies.rs"]
mod bodies;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;

mod books;
mod files;
mod fleet;
mod run;
mod shown;
mod table;
