//! A worker fleet whose truth is known: an exporter over HTTP that names every job in a label, and
//! keeps for itself what a database that lost nothing would have counted.
//!
//! What it does is decided by its seed and the number of steps it took; only when a finished job
//! is purged depends on who asked, because a job that nobody saw could not be counted by anybody.
#![allow(dead_code)]

mod chance;
mod exposition;
mod jobs;
pub mod server;
pub mod truth;
pub mod work;
