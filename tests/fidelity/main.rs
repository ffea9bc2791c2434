//! Do the numbers stay true? A fleet that keeps the truth, the built guard before it, a real
//! Prometheus before that; what Prometheus stored is held against what happened.
//!
//! The scenarios take their time mostly by waiting, so all run at once, each with processes of its
//! own. One alone: `SCENARIO=outage cargo test --test fidelity`. `make setup` installs what this
//! needs; without it the test fails and says so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../fleet/mod.rs"]
mod fleet;
#[path = "../e2e/guard.rs"]
mod guard;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;

mod crowd;
mod scenarios;
mod stage;
mod stored;
mod verdict;

use std::thread;

use scenarios::SCENARIOS;

#[test]
fn what_prometheus_stored_is_what_happened() {
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    let chosen: Vec<_> = SCENARIOS.iter().filter(|(name, _)| name.contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no scenario is called {wanted:?}");
    let started = chosen.into_iter().map(|(name, play)| {
        let thread = thread::Builder::new().name((*name).to_owned());
        (name, thread.spawn(play).unwrap())
    });
    let running: Vec<_> = started.collect();
    let failed: Vec<_> = running.into_iter().filter_map(|(name, play)| play.join().is_err().then_some(*name)).collect();
    assert!(failed.is_empty(), "not true through: {failed:?}; what was wrong stands above");
}
