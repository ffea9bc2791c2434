//! Which policy and step decides for a series, and the series that leaves.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use super::failure::Usage;
use super::guess;
use super::policy_args::PolicyArgs;
use crate::engine::exposition::{Step, SyntaxLimits, Tokens};
use crate::engine::guard::{Survey, Surveyed};
use crate::engine::model::{Format, Kind, LabelSet};
use crate::engine::policy::Mode;

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
        None => (guess::kind(&name, &labels), Known::Guessed),
    };
    let mut survey = Survey::new(policies.plan(None, Mode::Enforce), Format::Text);
    survey.declare(guess::family(&name, kind), kind);
    let told = survey.series(&name, &labels, |asked| tell(asked, known));
    io::stdout().lock().write_all(told.as_bytes()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The walk in words, the series that leaves at its end.
fn tell(asked: Surveyed<'_>, known: Known) -> String {
    let Surveyed { family, kind, plan, series } = asked;
    let guessed = if known == Known::Guessed { " to go by the name (--type says otherwise)" } else { "" };
    let mut told = format!("family {family}: {kind}{guessed}\n");
    for line in plan.explain(series) {
        told.push_str(&line);
        told.push('\n');
    }
    told
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
}
