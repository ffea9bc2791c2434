//! Numbers survive the process: each test carries the number of its rule in
//! `docs/how-the-numbers-stay-true.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/binary.rs"]
mod binary;
#[path = "../support/server.rs"]
mod server;

mod crowd;
mod disk;
mod exporter;
mod machine;
mod process;
mod state;
