//! What the guard does to a label, and which policy says so: asked of the very plan that decides.

use std::sync::Arc;

use crate::engine::guard::{LabelRow, Survey};
use crate::engine::model::{Format, Kind, LabelSet};
use crate::engine::policy::{Action, Ask, Cause, Ledger, Manner, Outcome, Plan, Room, SeriesRef, Span};

/// What is done to a label, or would be.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub action: Action,
    pub policy: Arc<str>,
    pub manner: Manner,
    pub stage: Stage,
    /// Series of the last scrapes that have no line of their own for it.
    pub dropped: u64,
    /// Values that may stay.
    pub places: Option<u64>,
    /// Wall time, seconds since the epoch.
    pub since: Option<f64>,
}

/// Whether it happens already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Acting,
    /// A step counts the values, and acts beyond its places.
    Watching,
}

/// Asks the policies of one target.
pub(super) struct Inquiry(Survey);

/// Gives everybody a place and notes who wants one.
#[derive(Default)]
struct Notes(Vec<(Box<str>, Deed)>);

impl Deed {
    pub(super) fn of(cause: &Cause, manner: Manner) -> Deed {
        Deed {
            action: cause.action,
            policy: cause.policy.clone(),
            manner,
            stage: Stage::Acting,
            dropped: 0,
            places: None,
            since: None,
        }
    }
}

impl Inquiry {
    pub(super) fn of(plan: &Plan) -> Inquiry {
        Inquiry(Survey::new(plan.clone(), Format::Text))
    }

    /// What is done to the labels of a metric, to go by a series that has the first sample value of
    /// each.
    pub(super) fn ask(&mut self, metric: &str, kind: Kind, rows: &[LabelRow]) -> Vec<(Box<str>, Deed)> {
        let sampled = rows.iter().filter_map(|row| Some((&*row.label, &**row.samples.first()?)));
        let mut labels: LabelSet = sampled.collect();
        if labels.normalise().is_err() {
            return Vec::new();
        }
        self.0.declare(metric, kind);
        let name = match kind {
            Kind::Histogram | Kind::Summary => format!("{metric}_count"),
            _ => metric.to_owned(),
        };
        self.0.series(&name, &labels, |asked| {
            let mut notes = Notes::default();
            let mut out = LabelSet::default();
            let decision = asked.plan.decide(asked.series, &mut out, &mut notes);
            let observed = decision.observed.iter().map(|observed| &observed.cause);
            let mut deeds: Vec<_> =
                observed.map(|cause| (Box::from(&*cause.label), Deed::of(cause, Manner::Observed))).collect();
            if let Outcome::Dropped(cause) = &decision.outcome {
                deeds.push((Box::from(""), Deed::of(cause, Manner::Enforced)));
            }
            let changed = |label: &str| out.get(label) != labels.get(label);
            for (label, _) in labels.iter().filter(|(label, _)| changed(label)) {
                // Only the first change of a series is blamed on somebody: each is asked about alone.
                let alone = labels.iter().filter(|(other, _)| *other == label || !changed(other));
                let alone: LabelSet = alone.collect();
                let series = SeriesRef { labels: &alone, ..asked.series };
                if let Outcome::Changed(cause) = asked.plan.decide(series, &mut LabelSet::default(), &mut notes).outcome
                {
                    deeds.push((label.into(), Deed::of(&cause, Manner::Enforced)));
                }
            }
            deeds.extend(notes.0);
            deeds
        })
    }
}

impl Ledger for Notes {
    fn room(&mut self, ask: Ask<'_>) -> Room {
        let action = match ask.span {
            Span::Endpoint => Action::Limit,
            Span::Family => Action::Collapse,
        };
        let deed = Deed {
            action,
            policy: ask.policy.into(),
            manner: ask.manner,
            stage: Stage::Watching,
            dropped: 0,
            places: Some(ask.limit),
            since: None,
        };
        self.0.push((ask.label.into(), deed));
        Room::Granted
    }
}
