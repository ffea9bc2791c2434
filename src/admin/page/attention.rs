//! What needs somebody now: which metric of which target, which label, since when, what the guard
//! does, and the policy to paste.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::html::{Block, Query, Slug, Text};
use super::{Known, View, link};
use crate::admin::deeds::{Deed, Stage};
use crate::admin::metrics::{Label, Metric};
use crate::admin::proposals;
use crate::admin::when::{ago, rfc3339};
use crate::advice::count;
use crate::engine::cardinality::Estimated;
use crate::engine::policy::{Action, Manner, Shape};
use crate::telemetry::ScrapeResult;

/// One label of a target that explodes or is about to, or a target that cannot be scraped.
pub(super) enum Finding<'v> {
    Label {
        known: &'v Known,
        label: &'v Label,
        /// Those with most series first.
        metrics: Vec<&'v Metric>,
    },
    /// Whole series are kept out of a metric.
    Series {
        known: &'v Known,
        metric: &'v Metric,
        deed: &'v Deed,
    },
    Down {
        known: &'v Known,
    },
}

/// Metrics named in a sentence; the rest is counted.
const NAMED: usize = 3;
/// Findings of one target that are told.
const MOST: usize = 8;

pub(super) fn findings<'v>(view: &'v View<'_>) -> Vec<Finding<'v>> {
    let meant = |known: &&Known| view.question.target.as_deref().is_none_or(|name| known.target.name() == name);
    let mut findings = Vec::new();
    for known in view.known.iter().filter(meant) {
        findings.extend(labels(known));
        findings.extend(series(known));
        if known.target.last.as_ref().is_some_and(|last| last.result != ScrapeResult::Ok) {
            findings.push(Finding::Down { known });
        }
    }
    findings
}

/// In one sentence.
pub(super) fn told(findings: usize) -> String {
    match findings {
        0 => "Nothing explodes.".to_owned(),
        1 => "1 thing needs you.".to_owned(),
        many => format!("{} things need you.", count(many as u64)),
    }
}

pub(super) fn write(view: &View<'_>, findings: &[Finding<'_>], page: &mut String) -> fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(page, "<section id=\"attention\" aria-label=\"Needs you\">")?;
    for known in &view.known {
        let mine: Vec<&Finding<'_>> = findings.iter().filter(|finding| std::ptr::eq(finding.known(), known)).collect();
        if mine.is_empty() {
            continue;
        }
        writeln!(page, "<article class=\"card\">")?;
        for finding in mine.iter().take(MOST) {
            finding.write(view, page)?;
        }
        if mine.len() > MOST {
            let more = count((mine.len() - MOST) as u64);
            let link = link(known.target.name(), "");
            writeln!(page, "<p>And {more} more: <a href=\"{link}\">all of {}</a>.</p>", Text(known.target.name()))?;
        }
        write_policy(known, page)?;
        writeln!(page, "</article>")?;
    }
    writeln!(page, "</section>")
}

/// The labels that a limit has folded away, and those that a policy is proposed for.
fn labels(known: &Known) -> Vec<Finding<'_>> {
    let mut by_label: BTreeMap<&str, Vec<(&Metric, &Label)>> = BTreeMap::new();
    for metric in &known.found.metrics {
        for label in &metric.labels {
            let name = metric.name.to_string();
            let proposed = known
                .steps
                .iter()
                .any(|step| *step.label == *label.name && step.families.iter().any(|family| family.name == name));
            if proposed || folded(label) {
                by_label.entry(&label.name).or_default().push((metric, label));
            }
        }
    }
    let mut all: Vec<_> = by_label.into_values().collect();
    all.sort_by_key(|found| std::cmp::Reverse(found.iter().map(|(metric, _)| metric.received).sum::<u64>()));
    all.into_iter()
        .map(|found| {
            // The one that a limit acts on tells more than one that only grows.
            let best = found.iter().find(|(_, label)| folded(label)).or(found.first());
            let label = best.map_or(found[0].1, |(_, label)| *label);
            Finding::Label { known, label, metrics: found.iter().map(|(metric, _)| *metric).collect() }
        })
        .collect()
}

fn series(known: &Known) -> Vec<Finding<'_>> {
    let deeds = known.found.metrics.iter().flat_map(|metric| metric.deeds.iter().map(move |deed| (metric, deed)));
    let over = deeds.filter(|(_, deed)| deed.action.is_budget() && deed.manner == Manner::Enforced);
    over.map(|(metric, deed)| Finding::Series { known, metric, deed }).collect()
}

/// Whether a limit acts on it.
fn folded(label: &Label) -> bool {
    label
        .deed
        .as_ref()
        .is_some_and(|deed| deed.stage == Stage::Acting && deed.manner == Manner::Enforced && deed.action.is_budget())
}

impl Finding<'_> {
    fn known(&self) -> &Known {
        match self {
            Finding::Label { known, .. } | Finding::Series { known, .. } | Finding::Down { known } => known,
        }
    }

    fn write(&self, view: &View<'_>, page: &mut String) -> fmt::Result {
        match self {
            Finding::Label { known, label, metrics } => write_label(view, known, label, metrics, page),
            Finding::Series { known, metric, deed } => write_series(known, metric, deed, page),
            Finding::Down { known } => write_down(view, known, page),
        }
    }
}

fn write_label(view: &View<'_>, known: &Known, label: &Label, metrics: &[&Metric], page: &mut String) -> fmt::Result {
    let target = known.target.name();
    let (verb, class) = match &label.deed {
        Some(deed) if folded(label) && deed.action == Action::Limit => ("is over its limit", "warn"),
        Some(_) if folded(label) => ("exploded", "bad"),
        _ => ("grows without end", "warn"),
    };
    write!(page, "<h2 class=\"{class}\">Label <code>{}</code> of ", Text(&label.name))?;
    for (at, metric) in metrics.iter().take(NAMED).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(page, "{comma}<a href=\"{}\"><code>{}</code></a>", link(target, &metric.name), Text(&metric.name))?;
    }
    if metrics.len() > NAMED {
        write!(page, " and {} more", metrics.len() - NAMED)?;
    }
    writeln!(page, " on <a href=\"{}\">{}</a> {verb}</h2>", link(target, ""), Text(target))?;
    write!(page, "<p>{}. ", values(label))?;
    let sum = |of: fn(&Metric) -> u64| count(metrics.iter().map(|metric| of(metric)).sum());
    let (received, forwarded) = (sum(|metric| metric.received), sum(|metric| metric.forwarded));
    match label.deed.as_ref().filter(|_| folded(label)) {
        Some(deed) => {
            write!(page, "The guard {} ", words(deed))?;
            if let Some(since) = deed.since {
                let (since, ago) = (rfc3339(since), ago(since, view.now));
                write!(page, "since <time datetime=\"{since}\">{} UTC</time> ({ago}), ", &since[11..19])?;
            }
            write!(page, "because policy <code>{}</code> says so: ", Text(&deed.policy))?;
            writeln!(
                page,
                "{received} series in the last scrape, {forwarded} forwarded. Sums and rates stay true.</p>"
            )?;
            write_release(view, target, metrics, page)
        }
        None => {
            match label.deed.as_ref().filter(|deed| deed.manner == Manner::Observed) {
                Some(deed) => write!(page, "Policy <code>{}</code> only observes it: ", Text(&deed.policy))?,
                None => write!(page, "No policy acts on it yet: ")?,
            }
            writeln!(page, "{received} series received, {forwarded} forwarded.</p>")
        }
    }
}

fn write_release(view: &View<'_>, target: &str, metrics: &[&Metric], page: &mut String) -> fmt::Result {
    let metric = match metrics {
        [one] => format!("&metric={}", Query(&one.name)),
        _ => String::new(),
    };
    let command = format!("curl -X POST 'http://{}/api/v1/release?target={}{metric}'", view.reached, Query(target));
    writeln!(page, "<p class=\"quiet\">When the exporter is mended: <code>{}</code></p>", Block(&command))
}

fn write_series(known: &Known, metric: &Metric, deed: &Deed, page: &mut String) -> fmt::Result {
    let target = known.target.name();
    write!(
        page,
        "<h2 class=\"bad\"><a href=\"{}\"><code>{}</code></a>",
        link(target, &metric.name),
        Text(&metric.name)
    )?;
    writeln!(page, " on <a href=\"{}\">{}</a> is over its limit</h2>", link(target, ""), Text(target))?;
    write!(page, "<p>The guard {}, because policy <code>{}</code> says so: ", words(deed), Text(&deed.policy))?;
    writeln!(
        page,
        "{} series in the last scrape, {} forwarded, {} kept out.</p>",
        count(metric.received),
        count(metric.forwarded),
        count(deed.dropped)
    )
}

fn write_down(view: &View<'_>, known: &Known, page: &mut String) -> fmt::Result {
    let Some(last) = &known.target.last else { return Ok(()) };
    let target = known.target.name();
    writeln!(
        page,
        "<h2 class=\"bad\">The last scrape of <a href=\"{}\">{}</a> failed</h2>",
        link(target, ""),
        Text(target)
    )?;
    let ago = ago(crate::admin::when::wall(last.at), view.now);
    writeln!(page, "<p>{ago}: <code>{}</code></p>", Text(&last.reason))
}

fn write_policy(known: &Known, page: &mut String) -> fmt::Result {
    if known.steps.is_empty() {
        return Ok(());
    }
    let target = known.target.name();
    let text = proposals::text(target, &known.found.metrics, &known.steps);
    let id = Slug(target);
    writeln!(page, "<details id=\"policy-{id}\" open><summary>Policy to paste</summary>")?;
    writeln!(page, "<button type=\"button\" id=\"copy-{id}\" data-copy=\"text-{id}\" hidden>Copy the policy</button>")?;
    let label = format!("Suggested policy for {target}");
    write!(page, "<pre id=\"text-{id}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">", Text(&label))?;
    writeln!(page, "<code>{}</code></pre>\n</details>", Block(&text))
}

/// `1,234 different values (uuid), such as a, b`.
pub(super) fn values(label: &Label) -> String {
    let mut text = match (label.values, label.estimated()) {
        (None, _) => return "Its values are not counted".to_owned(),
        (Some(values), Estimated::Yes) => format!("About {} different values", count(values.value)),
        (Some(values), Estimated::No) => format!("{} different values", count(values.value)),
    };
    // Writing to a String cannot fail.
    let _ = write!(text, " ({})", label.shape.map_or("mixed", Shape::as_str));
    for (at, sample) in label.samples.iter().take(2).enumerate() {
        let _ = write!(text, "{}<code>{}</code>", if at == 0 { ", such as " } else { ", " }, Text(sample));
    }
    text
}

/// What the guard does, after its name.
pub(super) fn words(deed: &Deed) -> &'static str {
    match (deed.stage, deed.action) {
        (Stage::Watching, Action::Limit) => "lets the first values keep their name",
        (Stage::Watching, _) => "counts its values",
        (_, Action::Drop | Action::Quantile) => "drops it",
        (_, Action::Hash) => "hashes it",
        (_, Action::Replace | Action::Relabel) => "rewrites it",
        (_, Action::Normalize) => "makes the ids inside it placeholders",
        (_, Action::Keep) => "keeps the values that are named",
        (_, Action::Limit) => "folds values beyond the limit into one",
        (_, Action::Collapse | Action::SeriesCollapse) => "folds it away",
        (_, Action::SeriesOverflow) => "folds new series into one, __overflow__",
        (_, Action::PolicyDrop | Action::SeriesDrop) => "leaves series out",
    }
}
