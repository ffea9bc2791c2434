//! A file and its policies.

use std::time::Duration;

use super::super::yaml::{Checker, Fields, Mark, Node};
use super::super::{Aggregate, LimitAction, Mode};
use super::{At, RawRule, RawStep, Texts, Word, list, optional, required, text, texts};
use crate::engine::model::Kind;

/// A policy file of cardinality-guard.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PolicyFile", deny_unknown_fields))]
pub(in super::super) struct RawFile {
    /// Every policy that matches a series applies, in order.
    #[cfg_attr(test, schemars(required))]
    pub policies: Vec<RawPolicy>,
}

/// What to do with the series that a selector matches.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Policy", deny_unknown_fields))]
pub(in super::super) struct RawPolicy {
    #[cfg_attr(test, schemars(skip))]
    pub at: Mark,
    /// Unique over all files; the `policy` label of the guard's own metrics.
    #[cfg_attr(test, schemars(required, with = "String"))]
    pub name: Option<At<String>>,
    /// A PromQL series selector, or a list of which any may match. Absent: every series.
    #[cfg_attr(test, schemars(rename = "match", with = "Option<super::schema::TextOrList>"))]
    pub selectors: Option<At<Texts>>,
    /// Names of targets the policy is bound to. Absent: all.
    #[cfg_attr(test, schemars(with = "Option<super::schema::TextOrList>"))]
    pub targets: Option<At<Texts>>,
    /// `observe` counts what the policy would do and changes nothing.
    #[cfg_attr(test, schemars(with = "Option<super::schema::OneOf<Mode>>"))]
    pub mode: Option<At<Mode>>,
    /// For the series as a whole: `pass` lets them leave as they came, `drop` leaves them out.
    #[cfg_attr(test, schemars(with = "Option<super::schema::OneOf<PolicyAction>>"))]
    pub action: Option<At<PolicyAction>>,
    /// Steps over labels, in order.
    #[cfg_attr(test, schemars(default))]
    pub labels: Vec<RawStep>,
    /// Prometheus' own rules, in order, after the steps. Series that come to collide are folded.
    #[cfg_attr(test, schemars(default))]
    pub metric_relabel_configs: Vec<RawRule>,
    /// How gauges are folded: the first entry that fits.
    #[cfg_attr(test, schemars(default))]
    pub aggregate: Vec<RawAggregate>,
    /// The boundaries a folded histogram exposes, ascending.
    #[cfg_attr(test, schemars(with = "Option<Vec<f64>>"))]
    pub histogram_buckets: Option<At<Vec<f64>>>,
    /// Series per family and endpoint, after the steps, over `series_ttl`. 0: no limit.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub series_limit: Option<At<u64>>,
    /// Series per family over all endpoints of a target. 0: no limit.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub series_limit_total: Option<At<u64>>,
    /// What happens beyond a limit; `collapse` when absent.
    #[cfg_attr(test, schemars(with = "Option<super::schema::OneOf<LimitAction>>"))]
    pub series_limit_action: Option<At<LimitAction>>,
    /// How long a series or value has its place after it was last seen.
    #[cfg_attr(test, schemars(with = "Option<super::schema::DurationText>"))]
    pub series_ttl: Option<At<Duration>>,
    /// Labels that no budget touches.
    #[cfg_attr(test, schemars(with = "Option<super::schema::TextOrList>"))]
    pub keep_labels: Option<At<Texts>>,
    /// How long a group born after the first scrape shows 0.
    #[cfg_attr(test, schemars(with = "Option<super::schema::DurationText>"))]
    pub hold: Option<At<Duration>>,
    /// How long an absent member is remembered.
    #[cfg_attr(test, schemars(with = "Option<super::schema::DurationText>"))]
    pub member_ttl: Option<At<Duration>>,
    /// How long a group without members stays.
    #[cfg_attr(test, schemars(with = "Option<super::schema::DurationText>"))]
    pub group_ttl: Option<At<Duration>>,
}

/// How the gauges of some families are folded.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Aggregate", deny_unknown_fields))]
pub(in super::super) struct RawAggregate {
    /// Anchored regex over family names. Absent: any.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub metric: Option<At<String>>,
    /// The family's TYPE. Absent: any.
    #[cfg_attr(test, schemars(rename = "type", with = "Option<super::schema::OneOf<Kind>>"))]
    pub kind: Option<At<Kind>>,
    /// How members become one value.
    #[cfg_attr(test, schemars(required, with = "super::schema::OneOf<Aggregate>"))]
    pub with: Option<At<Aggregate>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum PolicyAction {
    Pass,
    Drop,
}

impl RawFile {
    pub const KEYS: &'static [&'static str] = &["policies"];

    pub fn read(check: &mut Checker, root: &Node) -> Option<RawFile> {
        if root.is_null() {
            let help = "write `policies: []` if it is to hold none";
            check.error_with_help(Mark::default(), "the file is empty", help);
            return None;
        }
        let fields = check.fields(root, RawFile::KEYS)?;
        fields.require(check, "policies")?;
        Some(RawFile { policies: list(check, &fields, "policies", RawPolicy::read) })
    }
}

impl RawPolicy {
    pub const KEYS: &'static [&'static str] = &[
        "name",
        "match",
        "targets",
        "mode",
        "action",
        "labels",
        "metric_relabel_configs",
        "aggregate",
        "histogram_buckets",
        "series_limit",
        "series_limit_total",
        "series_limit_action",
        "series_ttl",
        "keep_labels",
        "hold",
        "member_ttl",
        "group_ttl",
    ];

    fn read(check: &mut Checker, node: &Node) -> Option<RawPolicy> {
        let fields = check.fields(node, RawPolicy::KEYS)?;
        Some(RawPolicy {
            at: fields.at(),
            name: required(check, &fields, "name", text),
            selectors: optional(check, &fields, "match", texts),
            targets: optional(check, &fields, "targets", texts),
            mode: optional(check, &fields, "mode", Mode::read),
            action: optional(check, &fields, "action", PolicyAction::read),
            labels: list(check, &fields, "labels", RawStep::read),
            metric_relabel_configs: list(check, &fields, "metric_relabel_configs", RawRule::read),
            aggregate: list(check, &fields, "aggregate", RawAggregate::read),
            histogram_buckets: optional(check, &fields, "histogram_buckets", numbers),
            series_limit: optional(check, &fields, "series_limit", Checker::u64),
            series_limit_total: optional(check, &fields, "series_limit_total", Checker::u64),
            series_limit_action: optional(check, &fields, "series_limit_action", LimitAction::read),
            series_ttl: duration(check, &fields, "series_ttl"),
            keep_labels: optional(check, &fields, "keep_labels", texts),
            hold: duration(check, &fields, "hold"),
            member_ttl: duration(check, &fields, "member_ttl"),
            group_ttl: duration(check, &fields, "group_ttl"),
        })
    }
}

impl RawAggregate {
    pub const KEYS: &'static [&'static str] = &["metric", "type", "with"];

    fn read(check: &mut Checker, node: &Node) -> Option<RawAggregate> {
        let fields = check.fields(node, RawAggregate::KEYS)?;
        Some(RawAggregate {
            metric: optional(check, &fields, "metric", text),
            kind: optional(check, &fields, "type", Kind::read),
            with: required(check, &fields, "with", Aggregate::read),
        })
    }
}

impl Word for Mode {
    const WHAT: &'static str = "mode of a policy";
    const WORDS: &'static [(&'static str, Mode)] = &[("enforce", Mode::Enforce), ("observe", Mode::Observe)];
}

impl Word for PolicyAction {
    const WHAT: &'static str = "action of a policy";
    const WORDS: &'static [(&'static str, PolicyAction)] =
        &[("pass", PolicyAction::Pass), ("drop", PolicyAction::Drop)];
}

impl Word for LimitAction {
    const WHAT: &'static str = "series_limit_action";
    const WORDS: &'static [(&'static str, LimitAction)] = &[
        ("collapse", LimitAction::Collapse),
        ("overflow", LimitAction::Overflow),
        ("drop", LimitAction::Drop),
        ("fail", LimitAction::Fail),
    ];
}

fn duration(check: &mut Checker, fields: &Fields<'_>, key: &str) -> Option<At<Duration>> {
    optional(check, fields, key, Checker::duration)
}

fn numbers(check: &mut Checker, node: &Node) -> Option<Vec<f64>> {
    let items = check.list(node)?;
    Some(items.iter().filter_map(|item| check.float(item)).collect())
}
