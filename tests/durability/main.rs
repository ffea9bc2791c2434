//! Numbers survive the process: each test carries the number of its rule in
//! `docs/how-the-numbers-stay-true.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod state;
