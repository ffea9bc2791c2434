//! How many series of each family came and left, for the account of a scrape.

use super::budgets::{Collapse, Origin};
use super::families::Turnout;
use super::meet::gauge_fold;
use super::report::{Collapsed, FamilyReport, Report};
use super::state::EndpointState;
use super::{Guard, Learned};
use crate::engine::fold::FamilyId;
use crate::engine::model::Kind;
use crate::engine::policy::{Action, Novelty};

impl Guard {
    /// What was counted since the last family ended is the family's at hand.
    pub(super) fn count_turnout(&mut self) {
        let (received, passed) = (self.body.received, self.body.passed);
        let (before_received, before_passed) = std::mem::replace(&mut self.body.counted, (received, passed));
        let scrape = self.state.scrape;
        let Some(id) = self.body.current else { return };
        let turnout = self.state.turnout(id, scrape);
        turnout.received += received - before_received;
        turnout.forwarded += passed - before_passed;
    }
}

impl EndpointState {
    pub(super) fn turnout(&mut self, id: FamilyId, scrape: u32) -> &mut Turnout {
        let turnout = &mut self.families.get_mut(id).turnout;
        if turnout.scrape != scrape {
            *turnout = Turnout { scrape, ..Turnout::default() };
        }
        turnout
    }

    /// `demand` is that of every family.
    pub(super) fn report_families(&self, demand: &[u64], report: &mut Report) {
        let present = |id: &FamilyId| self.families.get(*id).turnout.scrape == self.scrape;
        report.families =
            self.families.ids().filter(present).map(|id| self.report_family(id, demand[id.index()])).collect();
        report.collapsed = self.budgets.collapses().iter().map(|c| self.collapsed(c)).collect();
        report.ended = self.outgrown.clone();
        report.released = self.released;
        report.labels = self.label_rows.clone();
    }

    fn report_family(&self, id: FamilyId, demand: u64) -> FamilyReport {
        let family = self.families.get(id);
        let limits = &family.plan.budget().enforced;
        let is_outside = self.families.outsiders() == Some(id);
        FamilyReport {
            metric: family.name.clone(),
            kind: family.kind,
            received: family.turnout.received,
            forwarded: family.turnout.forwarded,
            limit: limits.series.as_ref().map(|limit| limit.series),
            total: limits.total.as_ref().map(|limit| limit.series),
            // Who has no place would have had as many as came.
            demand: demand.max(if is_outside { family.turnout.received } else { family.turnout.forwarded }),
        }
    }

    fn collapsed(&self, collapse: &Collapse) -> Collapsed {
        let action = match collapse.origin {
            Origin::Step(_) => Action::Collapse,
            Origin::Series => Action::SeriesCollapse,
        };
        let aggregate = self.families.by_hash(collapse.family).map_or("sum", |family| match family.kind {
            Kind::Gauge | Kind::Info | Kind::StateSet | Kind::Unknown => {
                gauge_fold(family.kind, &family.name, None, action).as_str()
            }
            _ => "sum",
        });
        let novelty = if self.budgets.is_new(collapse) { Novelty::New } else { Novelty::Known };
        let age_seconds = (self.fold.clock.seconds() - collapse.since).max(0.0);
        let need = self.need(collapse);
        Collapsed { learned: Learned::of(collapse), aggregate, action, novelty, age_seconds, need }
    }
}
