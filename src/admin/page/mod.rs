//! The page: what explodes, who is scraped and how that goes, which labels make the series.
//!
//! Whole without a script; with one it renews itself. It needs nothing from elsewhere.

mod attention;
mod chart;
mod details;
mod events;
mod growth;
mod html;
mod overview;

use std::fmt::{self, Write as _};

use hyper::Uri;
use hyper::header::HeaderMap;

use self::html::{Query, Text};
use super::metrics::{self, Also, Found, holds};
use super::query::parameter;
use super::targets::{self, Target};
use super::{proposals, when};
use crate::advice::Step;
use crate::state::{Event, Shared};
use crate::telemetry::build;

pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");
pub(super) const ICON: &str = include_str!("page.svg");

/// With so many targets each is shown in detail; with more, only those that are asked for or that
/// need somebody.
const FEW_TARGETS: usize = 5;
/// Metrics shown of a target, and of the one target that is asked for.
const METRICS: usize = 15;
const METRICS_ALONE: usize = 100;

/// Bytes of a name that is linked to.
const LONGEST: usize = 500;

/// What is asked for.
struct Question {
    target: Option<String>,
    search: Option<String>,
}

/// What is known of one target.
struct Known {
    target: Target,
    events: Vec<Event>,
    found: Found,
    steps: Vec<Step>,
}

/// What all parts of the page are made of.
struct View<'a> {
    shared: &'a Shared,
    question: Question,
    known: Vec<Known>,
    /// Wall time, seconds since the epoch.
    now: f64,
    /// How this guard was reached.
    reached: String,
}

pub(super) fn render(shared: &Shared, headers: &HeaderMap, uri: &Uri) -> String {
    let given = |name| parameter(uri, name).filter(|value: &String| !value.is_empty());
    let question = Question { target: given("target"), search: given("q") };
    let reached = super::asked_as(headers, uri).map_or_else(|| "guard:10900".to_owned(), |name| name.to_string());
    let known = targets::of(shared).into_iter().map(|target| Known::of(shared, target, &question)).collect();
    let view = View { shared, question, known, now: when::now(), reached };
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = view.write(&mut page);
    page
}

impl Known {
    fn of(shared: &Shared, target: Target, question: &Question) -> Known {
        let events = shared.commons(target.name()).events();
        let alone = question.target.as_deref() == Some(target.name());
        let search = question.search.as_deref().filter(|word| alone || !holds(target.name(), word));
        let most = if alone { METRICS_ALONE } else { METRICS };
        let found = metrics::of(&target.active, &target.live(), &events, search, (most, Also::Troubled));
        let steps = proposals::steps(&found.metrics);
        Known { target, events, found, steps }
    }
}

impl View<'_> {
    fn write(&self, page: &mut String) -> fmt::Result {
        let findings = attention::findings(self);
        self.write_head(page, findings.len())?;
        writeln!(page, "<main id=\"main\" tabindex=\"-1\">")?;
        attention::write(self, &findings, page)?;
        overview::write(self, page)?;
        for known in self.known.iter().filter(|known| self.shows(known)) {
            details::write(self, known, page)?;
        }
        events::write(self, page)?;
        writeln!(page, "<p class=\"quiet asof\">As of <time>{}</time>.</p>", &when::rfc3339(self.now)[..19])?;
        writeln!(page, "</main>\n</body>\n</html>")
    }

    /// Whether a target is shown in detail.
    fn shows(&self, known: &Known) -> bool {
        match (&self.question.target, &self.question.search) {
            (Some(name), _) => known.target.name() == name,
            (None, Some(word)) => known.found.all > 0 || holds(known.target.name(), word),
            (None, None) => self.known.len() <= FEW_TARGETS || !known.steps.is_empty(),
        }
    }

    fn write_head(&self, page: &mut String, findings: usize) -> fmt::Result {
        let count = if findings == 0 { String::new() } else { format!("({findings}) ") };
        writeln!(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(page, "<meta name=\"color-scheme\" content=\"light dark\">")?;
        writeln!(page, "<title>{count}cardinality-guard</title>\n<link rel=\"icon\" href=\"/page.svg\">")?;
        writeln!(page, "<link rel=\"stylesheet\" href=\"/page.css\">\n<script src=\"/page.js\" defer></script>")?;
        writeln!(page, "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to what explodes</a>\n<header>")?;
        writeln!(page, "<h1><a href=\"/\">cardinality-guard</a></h1>")?;
        writeln!(page, "<span class=\"quiet\">{}</span>", build::VERSION)?;
        self.write_search(page)?;
        writeln!(page, "<button type=\"button\" id=\"live\" hidden>Pause updates</button>")?;
        writeln!(page, "<nav aria-label=\"Elsewhere\">")?;
        let config = self.shared.config();
        let telemetry_path = config.settings.web.telemetry_path.as_str();
        for (path, name) in [(telemetry_path, "Metrics"), ("/config", "Configuration"), ("/sd", "Service discovery")] {
            writeln!(page, "<a href=\"{}\">{name}</a>", Text(path))?;
        }
        writeln!(page, "</nav>\n</header>")?;
        writeln!(
            page,
            "<p id=\"status\" role=\"status\" class=\"{}\">{}</p>",
            state(findings),
            attention::told(findings)
        )
    }

    fn write_search(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "<form role=\"search\" action=\"/\" method=\"get\">")?;
        if let Some(target) = &self.question.target {
            writeln!(page, "<input type=\"hidden\" name=\"target\" value=\"{}\">", Text(target))?;
        }
        let search = self.question.search.as_deref().unwrap_or_default();
        write!(page, "<label for=\"q\" class=\"aside\">Target, metric or label</label>")?;
        write!(page, "<input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Target, metric or label\" ")?;
        writeln!(page, "value=\"{}\">\n<button type=\"submit\">Search</button>\n</form>", Text(search))
    }
}

fn state(findings: usize) -> &'static str {
    if findings == 0 { "good" } else { "bad" }
}

/// A link that shows one target, and in it what holds a word.
fn link(target: &str, word: &str) -> String {
    match word {
        word if word.is_empty() || word.len() > LONGEST => format!("/?target={}", Query(target)),
        word => format!("/?target={}&amp;q={}", Query(target), Query(word)),
    }
}
