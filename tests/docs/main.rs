//! What the documents say is run: every block of every page, as its reader would. Settings and
//! policies go through `check`, what a policy does to a body through `filter`, commands through a
//! shell beside an exporter and a guard, expressions and Prometheus' files through promtool. A block
//! of a kind that is not known here fails.
//!
//! `make setup` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../e2e/exporter.rs"]
#[allow(dead_code)]
mod exporter;
#[path = "../e2e/guard.rs"]
mod guard;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;

mod commands;
mod configurations;
mod effects;
mod links;
mod markdown;
mod names;
mod reasons;
mod scratch;
mod walk;
