//! Which policy and step decides for a series, and the series that leaves.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use super::failure::Usage;
use super::policy_args::PolicyArgs;
use crate::engine::exposition::{Step, SyntaxLimits, Tokens, write_name_and_labels};
use crate::engine::guard::{Survey, Surveyed};
use crate::engine::model::{Format, Kind, LabelSet};
use crate::engine::policy::{Action, Aggregate, Cause, FamilyPlan, FoldSettings, Mode, Outcome, SettingsId};

const EXAMPLES: &str = "\
Examples:
  cardinality-guard explain --policy policy.yaml 'jobs_total{queue=\"mail\",job_id=\"4711\"}'
  cardinality-guard explain --builtin-policy 'requests{request_id=\"8f14e45f\"}'
  cardinality-guard explain --policy policy.yaml --type histogram 'latency_seconds_sum{path=\"/orders/17\"}'";

/// Say which policy and step decides for a series, and the series that leaves.
///
/// Uses the given policies and nothing else; those bound to targets are asked as if the series came
/// from one of them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// What its TYPE line says: counter, gauge, histogram, summary, untyped, ... [default: guessed from the name]
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<Kind>,

    /// The series as the exporter exposes it, in quotes for the shell
    #[arg(value_name = "SERIES")]
    series: String,
}

/// How the type of the family is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Told,
    Guessed,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (name, labels) = read_series(&args.series)?;
    let policies = args.policy.load()?;
    let (kind, known) = match args.kind {
        Some(kind) => (kind, Known::Told),
        None => (guess(&name, &labels), Known::Guessed),
    };
    let mut survey = Survey::new(policies.plan(None, Mode::Enforce), Format::Text);
    survey.declare(family_of(&name, kind), kind);
    let told = survey.series(&name, &labels, |asked| tell(asked, known));
    io::stdout().lock().write_all(told.as_bytes()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The walk in words, the verdict, and what leaves.
fn tell(asked: Surveyed<'_>, known: Known) -> String {
    let Surveyed { family, kind, plan, series } = asked;
    let guessed = if known == Known::Guessed { ", to go by the name (--type says otherwise)" } else { "" };
    let mut told =
        format!("{}\nfamily {family}, {kind}{guessed}\n\n", written(series.name, series.labels, series.reserved));
    for line in Vec::<String>::new() {
        told.push_str(&line);
        told.push('\n');
    }
    let mut out = LabelSet::default();
    let decision = plan.decide(series, &mut out);
    told.push('\n');
    let leaves = || format!("leaves: {}\n", written(series.name, &out, series.reserved));
    match &decision.outcome {
        Outcome::Pass => told.push_str("decided by: no policy\nleaves: as it came\n"),
        Outcome::Unchanged => {
            told.push_str("decided by: no step, its labels stay as they are\nleaves: as it came, unless others are folded into it\n");
        }
        Outcome::Changed(cause) => {
            told.push_str(&format!("decided by: {}\n{}", blame(cause), leaves()));
            told.push_str(&fold(plan, decision.settings));
        }
        Outcome::Dropped(cause) => told.push_str(&format!("decided by: {}\nleaves: not at all\n", blame(cause))),
    }
    for observed in &decision.observed {
        let would = match &observed.labels {
            Some(labels) => format!("leave as {}", written(series.name, labels, series.reserved)),
            None => "not leave at all".into(),
        };
        told.push_str(&format!("observed only: by {} it would {would}\n", blame(&observed.cause)));
    }
    told
}

fn blame(cause: &Cause) -> String {
    let Cause { policy, label, action } = cause;
    match action {
        Action::PolicyDrop => format!("policy `{policy}`, action drop"),
        _ if label.is_empty() => format!("policy `{policy}`, action {}", action.as_str()),
        _ => format!("policy `{policy}`, action {} on label `{label}`", action.as_str()),
    }
}

/// How the series that leave alike become one.
fn fold(plan: &FamilyPlan, id: SettingsId) -> String {
    let FoldSettings { aggregate, hold, member_ttl, group_ttl, .. } = plan.settings(id);
    let aggregate = match aggregate {
        None => "by its type",
        Some(Aggregate::Sum) => "sum",
        Some(Aggregate::Max) => "max",
        Some(Aggregate::Min) => "min",
        Some(Aggregate::Avg) => "avg",
        Some(Aggregate::Count) => "count",
        Some(Aggregate::Drop) => "drop",
    };
    let hold = hold.map_or("from the scrape interval".to_owned(), |hold| format!("{hold:?}"));
    format!(
        "folded with whatever else leaves like this: aggregate {aggregate}, hold {hold}, member_ttl {member_ttl:?}, \
         group_ttl {group_ttl:?}\n"
    )
}

/// The exposition's own reader reads it, so what it refuses Prometheus refuses too.
fn read_series(text: &str) -> Result<(String, LabelSet), Usage> {
    let line = format!("{} 1\n", text.trim_end());
    let mut tokens = Tokens::new(Format::Text, SyntaxLimits { sample_size: 0, labels: 0 });
    match tokens.next(line.as_bytes(), true) {
        Ok(Step::Sample(sample)) if sample.tail.end == line.len() => {
            Ok((tokens.name().to_owned(), tokens.labels().clone()))
        }
        Ok(_) => Err(Usage(format!("`{text}` is not one series, as in 'jobs_total{{queue=\"mail\"}}'"))),
        Err(error) => Err(Usage(format!("`{text}` is no series: {}", error.kind))),
    }
}

fn written(name: &str, labels: &LabelSet, reserved: Option<(&str, &str)>) -> String {
    let mut out = Vec::new();
    write_name_and_labels(&mut out, name, labels.iter().chain(reserved));
    String::from_utf8_lossy(&out).into_owned()
}

/// What a series of this name and with these labels most probably is.
fn guess(name: &str, labels: &LabelSet) -> Kind {
    let ends = |suffix| name.ends_with(suffix);
    if labels.get("quantile").is_some() {
        Kind::Summary
    } else if ends("_bucket") && labels.get("le").is_some() || ends("_sum") || ends("_count") {
        Kind::Histogram
    } else if ends("_total") {
        Kind::Counter
    } else {
        Kind::Gauge
    }
}

/// The name on the TYPE line that a sample of this name and type stands under.
fn family_of(name: &str, kind: Kind) -> &str {
    let suffixes: &[&str] = match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        Kind::Summary => &["_sum", "_count"],
        Kind::Counter | Kind::Gauge | Kind::Info | Kind::StateSet | Kind::Unknown => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

fn kind(text: &str) -> Result<Kind, Usage> {
    let text = if text == "untyped" { "unknown" } else { text };
    let words = || Kind::ALL.map(Kind::as_str).join(", ");
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| Usage(format!("one of untyped, {}", words())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_as_prometheus_reads_it() {
        let (name, labels) = read_series(r#"jobs_total{b="2", a="x y",}"#).unwrap();
        assert_eq!((name.as_str(), labels.iter().collect::<Vec<_>>()), ("jobs_total", vec![("a", "x y"), ("b", "2")]));
        assert_eq!(read_series(r#"{"größe",a="1"}"#).unwrap().0, "größe");
        for wrong in ["", "a{", "a b", "# TYPE a gauge", "a 1\nb", r#"a{x="1",x="2"}"#, "1a"] {
            assert!(read_series(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn types_are_guessed_from_names() {
        let no_labels = LabelSet::default();
        let le: LabelSet = [("le", "1")].into_iter().collect();
        let quantile: LabelSet = [("quantile", "0.5")].into_iter().collect();
        for (name, labels, kind, family) in [
            ("a_total", &no_labels, Kind::Counter, "a_total"),
            ("a_bucket", &le, Kind::Histogram, "a"),
            ("a_bucket", &no_labels, Kind::Gauge, "a_bucket"),
            ("a_sum", &no_labels, Kind::Histogram, "a"),
            ("a", &quantile, Kind::Summary, "a"),
            ("a", &no_labels, Kind::Gauge, "a"),
        ] {
            let guessed = guess(name, labels);
            assert_eq!((guessed, family_of(name, guessed)), (kind, family), "{name}");
        }
    }
}
