//! Several guards that share a store are one: real guards, a real Redis or Valkey server, killed,
//! stopped, robbed of its data. `make setup` installs what this needs; without it the tests fail and
//! say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/binary.rs"]
#[allow(dead_code)]
mod binary;
#[path = "../durability/exporter.rs"]
mod exporter;
#[path = "../fleet/mod.rs"]
mod fleet;
#[path = "../e2e/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../e2e/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;
#[path = "../support/server.rs"]
mod server;
#[path = "../fidelity/stored.rs"]
mod stored;
#[path = "../fidelity/verdict.rs"]
#[allow(dead_code)]
mod verdict;

mod affinity;
mod asides;
mod attesting;
mod authority;
mod balancer;
mod envoy;
mod failover;
mod forms;
mod large;
mod limits;
mod node;
mod prometheus_sees;
mod replicas;
mod said;
mod secured;
mod shedding;
mod stage;
mod store;
mod together;
mod troubles;
mod values;
mod wire;
