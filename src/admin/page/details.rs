//! One target: its series over time, its metrics and their labels, its endpoints.

use std::fmt::{self, Write as _};

use super::attention::words;
use super::html::{Slug, Text};
use super::{Known, View, chart, link};
use crate::admin::deeds::{Deed, Stage};
use crate::admin::metrics::{Label, Metric};
use crate::admin::targets::Endpoint;
use crate::admin::when::{ago, rfc3339, wall};
use crate::advice::count;
use crate::engine::cardinality::Estimated;
use crate::engine::policy::{Manner, Shape};
use crate::telemetry::ScrapeResult;

/// Endpoints shown of a target: those that fail, then those with most series.
const ENDPOINTS: usize = 20;

pub(super) fn write(view: &View<'_>, known: &Known, page: &mut String) -> fmt::Result {
    let name = known.target.name();
    let id = Slug(name);
    writeln!(page, "<section aria-labelledby=\"target-{id}\">")?;
    writeln!(page, "<h2 id=\"target-{id}\"><a href=\"{}\">{}</a></h2>", link(name, ""), Text(name))?;
    let history = view.shared.history().of(name);
    chart::write(&history, view.shared.clock().now(), page)?;
    write_metrics(view, known, page)?;
    write_endpoints(view, known, page)?;
    writeln!(page, "</section>")
}

fn write_metrics(view: &View<'_>, known: &Known, page: &mut String) -> fmt::Result {
    let found = &known.found;
    writeln!(page, "<h3>Metrics with most series</h3>")?;
    if found.metrics.is_empty() {
        return writeln!(page, "<p class=\"quiet\">None.</p>");
    }
    for (at, metric) in found.metrics.iter().enumerate() {
        write_metric(view, known, metric, at, page)?;
    }
    let left = found.all - found.metrics.len();
    if left > 0 {
        let link = link(known.target.name(), "");
        writeln!(page, "<p class=\"quiet\">And {} more: <a href=\"{link}\">show more</a>.</p>", count(left as u64))?;
    }
    Ok(())
}

fn write_metric(view: &View<'_>, known: &Known, metric: &Metric, at: usize, page: &mut String) -> fmt::Result {
    let target = known.target.name();
    let open = if at == 0 || view.question.search.is_some() { " open" } else { "" };
    let id = format!("m-{}-{}", Slug(target), Slug(&metric.name));
    write!(page, "<details class=\"metric\" id=\"{id}\"{open}><summary><code>{}</code> ", Text(&metric.name))?;
    write!(page, "<span class=\"quiet\">{}</span> ", metric.kind.as_str())?;
    write!(page, "<span class=\"flow\">{} received, {} forwarded", count(metric.received), count(metric.forwarded))?;
    if let Some(limit) = metric.limit {
        write!(page, ", limit {}", count(limit))?;
        if metric.demand > metric.forwarded {
            write!(page, ", demand {}", count(metric.demand))?;
        }
    }
    writeln!(page, "</span></summary>")?;
    for deed in &metric.deeds {
        writeln!(page, "<p>{}</p>", told(deed, view.now))?;
    }
    write_misleading(metric, page)?;
    write_labels(view, metric, &id, page)?;
    let link = link(target, &metric.name);
    writeln!(page, "<p><a href=\"{link}\">Link to this metric</a></p>\n</details>")
}

/// What a look at the values has shown.
fn write_misleading(metric: &Metric, page: &mut String) -> fmt::Result {
    if let Some(ratio) = metric.beyond_range {
        write!(
            page,
            "<p><span class=\"warn\">{:.0} % of what it observes is beyond its last bucket</span>: ",
            ratio * 100.0
        )?;
        writeln!(
            page,
            "a quantile there is shown as the last boundary. It needs boundaries that cover its range.</p>"
        )?;
    }
    if let Some(gauges) = &metric.outlived {
        let (series, label) = (count(gauges.series), Text(&gauges.label));
        write!(
            page,
            "<p><span class=\"warn\">{series} of its series have not moved, nor has anything else with their "
        )?;
        writeln!(page, "<code>{label}</code></span>, while others did: the process is gone, its gauges are not.</p>")?;
    }
    Ok(())
}

fn write_labels(view: &View<'_>, metric: &Metric, id: &str, page: &mut String) -> fmt::Result {
    if metric.labels.is_empty() {
        return writeln!(page, "<p class=\"quiet\">No labels are counted.</p>");
    }
    let label = format!("Labels of {}", metric.name);
    writeln!(
        page,
        "<div class=\"wide\" id=\"l-{id}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">",
        Text(&label)
    )?;
    write!(page, "<table>\n<thead><tr><th scope=\"col\">Label</th><th scope=\"col\" class=\"n\">Values</th>")?;
    write!(page, "<th scope=\"col\">Shape</th><th scope=\"col\" class=\"n\">Left without it</th>")?;
    writeln!(page, "<th scope=\"col\">The guard</th><th scope=\"col\">Samples</th></tr></thead>\n<tbody>")?;
    for label in &metric.labels {
        write_label(view, label, page)?;
    }
    writeln!(page, "</tbody>\n</table>\n</div>")
}

fn write_label(view: &View<'_>, label: &Label, page: &mut String) -> fmt::Result {
    write!(page, "<tr><th scope=\"row\"><code>{}</code></th><td class=\"n\">", Text(&label.name))?;
    if label.estimated() == Estimated::Yes {
        write!(page, "about ")?;
    }
    if let Some(values) = label.values {
        write!(page, "{}", count(values.value))?;
    }
    write!(page, "</td><td>{}</td><td class=\"n\">", label.shape.map_or("mixed", Shape::as_str))?;
    if let Some(leaves) = label.leaves {
        write!(page, "{}", count(leaves.value))?;
    }
    write!(page, "</td><td class=\"why\">")?;
    match &label.deed {
        Some(deed) => write!(page, "{}", told(deed, view.now))?,
        None => write!(page, "<span class=\"quiet\">leaves it</span>")?,
    }
    write!(page, "</td><td class=\"samples\">")?;
    for sample in &label.samples {
        write!(page, "<code>{}</code> ", Text(sample))?;
    }
    writeln!(page, "</td></tr>")
}

/// What the guard does, why and since when.
fn told(deed: &Deed, now: f64) -> String {
    let class = match (deed.stage, deed.action.is_budget(), deed.manner) {
        (_, _, Manner::Observed) | (Stage::Watching, ..) => "quiet",
        (Stage::Acting, true, Manner::Enforced) => "bad",
        (Stage::Acting, false, Manner::Enforced) => "good",
    };
    let mut text = format!("<span class=\"{class}\">");
    // Writing to a String cannot fail.
    if deed.manner == Manner::Observed {
        text.push_str("only observes: ");
    }
    text.push_str(words(deed));
    if let (Stage::Watching, Some(places)) = (deed.stage, deed.places) {
        let _ = write!(text, ", acts beyond {}", count(places));
    }
    let _ = write!(text, "</span> <span class=\"quiet\">by <code>{}</code>", Text(&deed.policy));
    if deed.dropped > 0 {
        let _ = write!(text, ", {} series dropped", count(deed.dropped));
    }
    if let Some(since) = deed.since {
        let _ = write!(text, ", since <time datetime=\"{}\">{}</time>", rfc3339(since), ago(since, now));
    }
    text.push_str("</span>");
    text
}

fn write_endpoints(view: &View<'_>, known: &Known, page: &mut String) -> fmt::Result {
    let mut endpoints: Vec<&Endpoint> = known.target.endpoints.iter().collect();
    let failed = |endpoint: &Endpoint| endpoint.live.last.as_ref().is_some_and(|last| last.result != ScrapeResult::Ok);
    endpoints.sort_by_key(|endpoint| (!failed(endpoint), std::cmp::Reverse(endpoint.live.received)));
    let id = Slug(known.target.name());
    writeln!(page, "<details id=\"e-{id}\"><summary>Endpoints ({})</summary>", count(endpoints.len() as u64))?;
    writeln!(
        page,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Endpoints of {}\">",
        Text(known.target.name())
    )?;
    write!(page, "<table>\n<thead><tr><th scope=\"col\">Endpoint</th><th scope=\"col\">Last scrape</th>")?;
    write!(page, "<th scope=\"col\" class=\"n\">Took</th><th scope=\"col\" class=\"n\">Received</th>")?;
    writeln!(
        page,
        "<th scope=\"col\" class=\"n\">Forwarded</th><th scope=\"col\" class=\"n\">Dropped</th></tr></thead>\n<tbody>"
    )?;
    for Endpoint { url, live } in endpoints.iter().take(ENDPOINTS) {
        write!(page, "<tr><th scope=\"row\"><code>{}</code></th>", Text(url))?;
        match &live.last {
            None => write!(page, "<td class=\"quiet\">under way</td><td></td>")?,
            Some(last) => {
                let ago = ago(wall(last.at), view.now);
                match last.result {
                    ScrapeResult::Ok => write!(page, "<td><span class=\"good\">ok</span> {ago}</td>")?,
                    _ => write!(page, "<td><span class=\"bad\">failed</span> {ago}: {}</td>", Text(&last.reason))?,
                }
                write!(page, "<td class=\"n\">{:.3} s</td>", last.took.as_secs_f64())?;
            }
        }
        for number in [live.received, live.forwarded, live.dropped] {
            write!(page, "<td class=\"n\">{}</td>", count(number))?;
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody>\n</table>\n</div>")?;
    let left = endpoints.len().saturating_sub(ENDPOINTS);
    if left > 0 {
        writeln!(page, "<p class=\"quiet\">And {} more, in <code>/api/v1/targets</code>.</p>", count(left as u64))?;
    }
    writeln!(page, "</details>")
}
