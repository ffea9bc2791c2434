//! The real binary among exporters and clients that do all they can to bring it down.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/binary.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod binary;
#[path = "../support/server.rs"]
mod server;

mod bomb;
mod client;
mod crowd;
mod soak;
mod world;
