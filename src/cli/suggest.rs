//! A policy file that brings a body under budget, with the least loss.

mod evidence;
mod proposal;
mod protected;
mod text;

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use self::proposal::Proposal;
use self::protected::Protected;
use super::failure::{FAILED, Usage};
use super::promql::Questions;
use super::source;
use super::units::count;
use crate::engine::policy::Plan;
use crate::telemetry::Printable;

const EXAMPLES: &str = "\
Examples:
  cardinality-guard suggest http://worker:9394/metrics > policy.yaml
  cardinality-guard suggest --rules rules/*.yml body.prom > policy.yaml
      keeps every label that the rules use
  cardinality-guard check policy.yaml --against body.prom
  cardinality-guard filter --policy policy.yaml body.prom
      what the suggestion does, and what leaves

Exit codes: 0 ok, 1 a metric stays over budget or SOURCE cannot be read, 2 usage.";

/// Write a policy file that brings an exposition under budget with the least loss.
///
/// Identifiers of single jobs, users or requests are dropped, ids inside longer values become
/// placeholders, and where a metric is over budget all the same the label goes that cuts it most.
/// Labels such as queue, status and task go last. Tried on SOURCE before it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SuggestArgs {
    /// Rule files or dashboards: what they select, group or match by is left alone
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,

    /// Series a metric may have
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,

    /// A URL, a file (.gz is gunzipped) or `-` for stdin
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
}

impl SuggestArgs {
    /// SOURCE, and the rule files: where both stand together, SOURCE is the last.
    fn split(&self) -> Result<(&str, &[PathBuf]), Usage> {
        match (&self.source, self.rules.as_slice()) {
            (Some(source), rules) => Ok((source, rules)),
            (None, [rules @ .., source]) if !rules.is_empty() => {
                let text = source.to_str().ok_or_else(|| Usage("SOURCE is no text".into()))?;
                Ok((text, rules))
            }
            (None, _) => Err(Usage("say what to look at: a URL, a file or `-` for stdin".into())),
        }
    }
}

pub(super) fn run(args: &SuggestArgs) -> anyhow::Result<ExitCode> {
    let (source, rules) = args.split()?;
    let questions = Questions::read(rules)?;
    if let Some(finding) = questions.findings.first() {
        anyhow::bail!("{finding}");
    }
    let body = source::read(source)?.guarded(Plan::default())?;
    let proposal = Proposal::of(&body, args.budget, &Protected(questions))?;
    let told = text::of(&proposal, &body.name);
    stdout().lock().write_all(told.as_bytes()).context("writing to stdout")?;
    for (metric, series) in &proposal.over {
        let (metric, series) = (Printable(metric), count(*series));
        eprintln!("cardinality-guard: {metric} still has {series} series: its other labels are used or fixed");
    }
    Ok(if proposal.over.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
