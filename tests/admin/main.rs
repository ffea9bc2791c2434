//! What an operator lives with: the API, the page in a real Chromium, reloads.
//!
//! `make setup` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
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
mod stage;

mod api;
mod documents;
mod page;
mod reload;
