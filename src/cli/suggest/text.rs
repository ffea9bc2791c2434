//! The proposal as a policy file with its reasons.

use super::proposal::Proposal;
use crate::advice::{count, counted, policy_file};
use crate::telemetry::Printable;

pub(super) fn of(proposal: &Proposal, source: &str) -> String {
    policy_file(&remarks(proposal, source), &proposal.steps)
}

/// What is to be said before the steps.
fn remarks(proposal: &Proposal, source: &str) -> Vec<String> {
    let Proposal { steps, series, left, budget, .. } = proposal;
    let (source, series) = (Printable(source), series_words(*series));
    let summary = match steps.is_empty() {
        true => format!("{series} in {source}: nothing has to go."),
        false => format!(
            "Suggested for {source}: {series} become {}. Read it before you use it: what a label is good for, no body \
             says. Sums, rates and quantiles over the labels that stay are those of the series together.",
            count(*left),
        ),
    };
    let mut remarks = vec![summary];
    for (metric, series) in &proposal.over {
        remarks.push(format!(
            "Still over the budget of {}: {} with {}.",
            series_words(*budget),
            Printable(metric),
            series_words(*series)
        ));
    }
    for (label, metric, user) in &proposal.used {
        remarks.push(format!(
            "Not proposed: {} of {}, which {} uses.",
            Printable(label),
            Printable(metric),
            Printable(user)
        ));
    }
    for spared in &proposal.spared {
        remarks.push(format!(
            "Left alone, as every metric is within budget: {} with {}; without it {} would be left.",
            Printable(&spared.label),
            counted(spared.values, "value"),
            series_words(spared.leaves)
        ));
    }
    remarks
}

fn series_words(series: u64) -> String {
    format!("{} series", count(series))
}
