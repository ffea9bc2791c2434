//! Prometheus' `metric_relabel_configs`, applied to what the exporter exposes.

mod case;
mod rule;

pub(super) use rule::{Rule, Ruled, Target, Verb};
