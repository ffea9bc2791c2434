//! PromQL as far as labels go: by which labels an expression selects, groups and joins, and on
//! which metrics.
//!
//! Expressions in dashboards hold variables where Prometheus' grammar has none (`[$interval]`,
//! `by ($group)`), so this reader takes what it understands and never refuses: a whole parser with
//! its generator would be heavier than the guard and refuse half of them.

mod files;
mod read;
mod shown;
mod tokens;

pub(super) use files::{Expression, Questions};
pub(super) use read::{How, Name, Read};
