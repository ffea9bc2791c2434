//! The pure wing: no I/O, no async, no clock, no locks, no logs.
//!
//! Rooms in reading order. Siblings never import each other; only [`guard`] knows their order
//! (`tests/house.rs` holds the import table).

pub mod model;

pub mod exposition;
pub mod policy;

pub mod cardinality;

pub mod coding;
pub mod fold;

pub mod guard;
