//! The words and the table, as text; drawing them is the screen's business.

use std::fmt::Write;
use std::time::Duration;

use super::super::Addresses;
use super::super::tally::{Exporter, Tally, Verdict};
use crate::cli::terminal::Color;
use crate::cli::units::{bars, bytes, clock, count, milliseconds};

/// Colours, or none.
#[derive(Clone, Copy)]
pub struct Style {
    bold: &'static str,
    dim: &'static str,
    good: &'static str,
    bad: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style { bold: "", dim: "", good: "", bad: "", off: "" };
const COLOR: Style = Style { bold: "\x1b[1m", dim: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[31m", off: "\x1b[0m" };

impl Style {
    pub fn of(color: Color) -> Style {
        match color {
            Color::Always => COLOR,
            Color::Never => PLAIN,
        }
    }
}

/// What runs, what to curl before and after the guard, and the policy in force.
pub fn introduction(addresses: &Addresses, policy: &str, style: Style) -> String {
    let Style { bold, dim, off, .. } = style;
    let guard = addresses.guard;
    let mut text = format!("{bold}Three exporters name every job in a label. Without the guard:{off}\n");
    for (_, address) in &addresses.exporters {
        let _ = writeln!(text, "  curl -s http://{address}/metrics");
    }
    let _ = writeln!(text, "{bold}Through the guard, with the policy below:{off}");
    for (name, _) in &addresses.exporters {
        let _ = writeln!(text, "  curl -s http://{guard}/scrape/{name}");
    }
    let _ = writeln!(text, "{bold}What the guard says about itself:{off}\n  curl -s http://{guard}/metrics");
    let _ = writeln!(text, "{bold}The policy in force:{off}");
    for line in policy.lines() {
        let _ = writeln!(text, "  {dim}{line}{off}");
    }
    text
}

/// The live table.
pub fn picture(tally: &Tally, resident: Option<u64>, style: Style) -> String {
    let Style { bold, dim, off, .. } = style;
    let clock = clock(tally.elapsed);
    let mut text = format!("{bold}cardinality-guard demo{off}  {clock}  {dim}Ctrl-C ends{off}\n\n");
    let _ =
        writeln!(text, "{dim}exporter   series in  series out     dropped   new/s   bytes in  bytes out   scrape{off}");
    for exporter in &tally.exporters {
        row(&mut text, exporter, style);
    }
    total(&mut text, tally, style);
    trend(&mut text, tally, style);
    text += &truth(tally, style);
    if let Some(resident) = resident {
        let _ = writeln!(text, "{dim}memory of this process, fleet and scraper included: {}{off}", bytes(resident));
    }
    text
}

/// One round as a line of `key=value`.
pub fn line(tally: &Tally, resident: Option<u64>) -> String {
    let took: Duration = tally.sum(|e| e.guarded.took);
    let mut line = format!(
        "seconds={} series_in={} series_out={} dropped={} new={} bytes_in={} bytes_out={} scrape_ms={:.1}",
        tally.elapsed.as_secs(),
        tally.sum(|e| e.direct.series),
        tally.sum(|e| e.guarded.series),
        tally.sum(|e| e.guarded.dropped),
        tally.sum(|e| e.series_new),
        tally.sum(|e| e.direct.bytes),
        tally.sum(|e| e.guarded.bytes),
        took.as_secs_f64() * 1e3,
    );
    if let Some(resident) = resident {
        let _ = write!(line, " rss_bytes={resident}");
    }
    let (jobs, guarded, direct) = counts(tally);
    let _ = write!(line, " jobs={jobs} counted_through_guard={guarded} counted_directly={direct}");
    for (exporter, error) in tally.exporters.iter().filter_map(|e| Some((e.name, error_of(e)?))) {
        let _ = write!(line, " error_{exporter}={error:?}");
    }
    line
}

/// What it all came to, in one line.
pub fn summary(tally: &Tally, Style { bold, off, .. }: Style) -> String {
    let seconds = tally.elapsed.as_secs();
    let ever = count(tally.sum(|e| e.series_ever));
    let held = count(tally.sum(|e| e.guarded.series) as u64);
    format!("{bold}After {seconds} s{off} Prometheus would hold {ever} series; with the guard it holds {held}.")
}

fn row(text: &mut String, exporter: &Exporter, style: Style) {
    let Style { bad, off, .. } = style;
    if let Some(error) = error_of(exporter) {
        let _ = writeln!(text, "{:<9} {bad}{error}{off}", exporter.name);
        return;
    }
    cells(
        text,
        exporter.name,
        [exporter.direct.series, exporter.guarded.series, exporter.guarded.dropped],
        exporter.series_new,
        [exporter.direct.bytes, exporter.guarded.bytes],
        exporter.guarded.took,
        style,
    );
}

fn total(text: &mut String, tally: &Tally, style: Style) {
    let series = [tally.sum(|e| e.direct.series), tally.sum(|e| e.guarded.series), tally.sum(|e| e.guarded.dropped)];
    let size = [tally.sum(|e| e.direct.bytes), tally.sum(|e| e.guarded.bytes)];
    let name = format!("{}{:<9}{}", style.bold, "total", style.off);
    cells(text, &name, series, tally.sum(|e| e.series_new), size, tally.sum(|e| e.guarded.took), style);
}

fn cells(
    text: &mut String,
    name: &str,
    [series_in, series_out, dropped]: [usize; 3],
    new: u64,
    [bytes_in, bytes_out]: [usize; 2],
    took: Duration,
    Style { good, bad, off, .. }: Style,
) {
    let _ = writeln!(
        text,
        "{name:<9} {bad}{:>10}{off}  {good}{:>10}{off}  {:>10}  {:>6}  {:>9}  {:>9}  {:>7}",
        count(series_in as u64),
        count(series_out as u64),
        count(dropped as u64),
        count(new),
        bytes(bytes_in as u64),
        bytes(bytes_out as u64),
        milliseconds(took),
    );
}

/// Series in and out over the last minute, on one scale.
fn trend(text: &mut String, tally: &Tally, Style { good, bad, off, .. }: Style) {
    let max = tally.history.iter().map(|(series_in, _)| *series_in).max().unwrap_or(0);
    let series_in = bars(tally.history.iter().map(|pair| pair.0), max);
    let series_out = bars(tally.history.iter().map(|pair| pair.1), max);
    let _ = writeln!(text, "\nseries in   {bad}{series_in}{off}\nseries out  {good}{series_out}{off}\n");
}

/// Whether the numbers are still true: what PromQL sees of the jobs, with and without the guard.
pub fn truth(tally: &Tally, style: Style) -> String {
    let (jobs, guarded, direct) = counts(tally);
    let compared = |counted: u64| format!("{:>9}  {}", count(counted), verdict(counted as f64, jobs, style));
    format!(
        "jobs done since the first scrape, by the fleet's own count  {:>9}\n  \
         sum(increase()) over the series behind the guard          {}\n  \
         sum(increase()) over the raw series                       {}\n",
        count(jobs),
        compared(guarded),
        compared(direct),
    )
}

fn verdict(counted: f64, truth: u64, Style { good, bad, off, .. }: Style) -> String {
    match Verdict::of(counted, truth) {
        Verdict::Exact if truth == 0 => String::new(),
        Verdict::Exact => format!("{good}exact{off}"),
        Verdict::Off(part) => format!("{bad}{:+.0} %{off}", part * 100.0),
    }
}

/// Jobs, and how many of them each side lets PromQL see.
fn counts(tally: &Tally) -> (u64, u64, u64) {
    let guarded: f64 = tally.sum(|e| e.guarded.increase);
    let direct: f64 = tally.sum(|e| e.direct.increase);
    (tally.sum(|e| e.jobs), guarded.round() as u64, direct.round() as u64)
}

fn error_of(exporter: &Exporter) -> Option<&str> {
    exporter.guarded.error.as_deref().or(exporter.direct.error.as_deref())
}
