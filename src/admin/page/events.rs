//! What happened lately: collapses, releases, reloads, modes set by hand.

use std::fmt::{self, Write as _};

use super::html::Text;
use super::{View, link};
use crate::admin::when::{ago, rfc3339, span, wall};
use crate::engine::policy::Manner;
use crate::state::{Event, Happening};
use crate::telemetry::{Entry, Fact};

/// Those of all targets together.
const MOST: usize = 50;

/// When, and what in HTML.
type Row = (f64, String);

pub(super) fn write(view: &View<'_>, page: &mut String) -> fmt::Result {
    let mut rows: Vec<Row> = Vec::new();
    for known in &view.known {
        let name = known.target.name();
        if view.question.target.as_deref().is_none_or(|target| target == name) {
            rows.extend(known.events.iter().map(|event| (event.wall_seconds, of_target(name, event))));
        }
    }
    rows.extend(view.shared.telemetry().diary().iter().map(|entry| (wall(entry.at), of_process(entry))));
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    writeln!(page, "<section aria-labelledby=\"events\">\n<h2 id=\"events\">Events</h2>\n<ol class=\"events\">")?;
    for (at, what) in rows.iter().take(MOST) {
        let time = rfc3339(*at);
        let shown = time[..19].replace('T', " ");
        writeln!(
            page,
            "<li><time datetime=\"{time}\">{shown}</time> <span class=\"quiet\">{}</span> {what}</li>",
            ago(*at, view.now)
        )?;
    }
    writeln!(page, "</ol>\n</section>")
}

fn of_target(target: &str, event: &Event) -> String {
    let learned = &event.learned;
    let what = match (event.what, learned.manner) {
        (Happening::Collapsed, Manner::Enforced) => "folded away",
        (Happening::Collapsed, Manner::Observed) => "would be folded away",
        (Happening::Released, _) => "released",
    };
    format!(
        "<a href=\"{}\">{}</a>: label <code>{}</code> of <code>{}</code> {what} <span class=\"quiet\">by <code>{}</code></span>",
        link(target, &learned.metric),
        Text(target),
        Text(&learned.label),
        Text(&learned.metric),
        Text(&learned.policy)
    )
}

fn of_process(entry: &Entry) -> String {
    match &entry.fact {
        Fact::Loaded { targets } => format!("configuration loaded, {targets} targets"),
        Fact::NotLoaded { reason } => {
            format!("<span class=\"bad\">configuration not loaded, the old one stays</span>: {}", Text(reason))
        }
        Fact::Mode { target, mode: Some((mode, time)) } => {
            format!("{}: mode {} by hand, for {}", Text(target), mode.as_str(), span(*time))
        }
        Fact::Mode { target, mode: None } => format!("{}: mode as configured again", Text(target)),
    }
}
