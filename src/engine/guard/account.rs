//! The account of a scrape: what was counted while it was read and folded, by who did it.

use std::collections::HashMap;
use std::sync::Arc;

use super::Guard;
use super::blame::{Evidence, Source};
use super::limits::{Patience, Terms};
use super::report::{Attributed, BadSample, Report};
use crate::engine::policy::{Action, Cause};

impl Guard {
    /// Where several stages act on the series of a family, the first that kept a line out did it.
    pub(super) fn share_blame(&mut self) {
        let state = &mut *self.state;
        let (causes, known) = (&state.causes, self.watermark.members());
        let evidence = Evidence { fold: &state.fold, notes: &state.notes, causes, known };
        let mut moves = HashMap::new();
        for id in state.families.ids().filter(|&id| causes.are_several(&state.families.get(id).name)) {
            evidence.judge(id, &self.body.left, &mut moves);
        }
        let mut moves: Vec<_> = moves.into_iter().filter(|((_, from, to), _)| from != to).collect();
        moves.sort_unstable_by_key(|(who, _)| *who);
        for ((source, from, to), moved) in moves {
            match source {
                Source::Folded => state.fold.tally.move_blame(from, to, moved),
                Source::LeftOut => {
                    let (lines, new_lines) = &mut self.body.dropped[from as usize];
                    *lines = lines.saturating_sub(moved.lines);
                    *new_lines = new_lines.saturating_sub(moved.new_lines);
                    state.fold.tally.add_blame(to, moved);
                }
            }
        }
    }

    pub(super) fn report(&self) -> Report {
        let (state, tally) = (&self.state, &self.state.fold.tally);
        let dropped_lines = |number: usize| self.body.dropped.get(number).map_or(0, |d| d.0);
        let demand = state.demands();
        let numbers = tally.by_cause.len().max(self.body.dropped.len());
        let mut report = Report {
            received: self.body.received - tally.duplicates,
            forwarded: self.body.passed + self.shown.all,
            dropped: tally.by_cause.iter().map(|d| d.lines).sum::<u64>()
                + self.body.dropped.iter().map(|d| d.0).sum::<u64>(),
            frozen: self.shown.frozen,
            headroom: state.headroom(Terms::of(&self.scrape, Patience::None), &demand),
            collapsed_labels: state.budgets.collapses().len() as u64,
            epoch_seconds: state.epoch_seconds.unwrap_or(self.scrape.wall_seconds),
            members: state.members() as u64,
            members_evicted: tally.evicted,
            resets: tally.resets,
            rebaselined: tally.rebaselined,
            input_duplicates: tally.duplicates + self.body.duplicates,
            bucket_layout_conflicts: tally.layout_conflicts,
            ..Report::default()
        };
        let by = |f: &dyn Fn(usize) -> u64| -> Vec<Attributed> {
            state.causes.attribute((0..numbers).map(|n| (n as u32, f(n))))
        };
        let folded = |n: usize| tally.by_cause.get(n).copied().unwrap_or_default();
        report.dropped_by = by(&|n| folded(n).lines.saturating_sub(folded(n).quantiles) + dropped_lines(n));
        report.dropped_by.extend(by(&|n| folded(n).quantiles).into_iter().map(as_quantile));
        report.over_budget = report.dropped_by.iter().filter(|by| by.cause.action.is_budget()).map(|by| by.count).sum();
        report.blocked_by = by(&|n| folded(n).new_lines + self.body.dropped.get(n).map_or(0, |d| d.1));
        report.folded_by = by(&|n| folded(n).folded);
        let bad = [tally.not_finite, tally.negative, tally.inconsistent, tally.out_of_order];
        report.bad_samples = BadSample::ALL.into_iter().zip(bad).filter(|(_, n)| *n > 0).collect();
        state.report_families(&demand, &mut report);
        report
    }
}

/// Quantile lines of folded summaries are gone for a reason of their own (rule 3.9).
fn as_quantile(by: Attributed) -> Attributed {
    let cause = Cause { policy: by.cause.policy.clone(), label: "quantile".into(), action: Action::Quantile };
    Attributed { cause: Arc::new(cause), ..by }
}
