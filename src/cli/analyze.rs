//! What a body costs: series per metric, values per label, and the label that is responsible.

mod json;
mod table;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Context;

use self::table::Style;
use super::inventory::Inventory;
use super::policy_args::PolicyArgs;
use super::source;
use super::terminal::Color;
use crate::engine::policy::Mode;

const EXAMPLES: &str = "\
Examples:
  cardinality-guard analyze http://worker:9394/metrics
      which label makes the series, and what dropping it would leave
  curl -s worker:9394/metrics | cardinality-guard analyze --top 3 -
  cardinality-guard analyze --policy policy.yaml body.prom
      what is left to analyze behind a policy
  cardinality-guard analyze --json body.prom | jq '.labels[0]'

Exit codes: 0 ok, 1 it could not be fetched or is no exposition, 2 usage.";

/// Say which metrics and labels make the series of an exposition.
///
/// For each metric: its series, the distinct values of each label and what they look like, and the
/// label without which the fewest series would be left. Labels such as queue, status and task are
/// blamed last. Uses the given policies and nothing else; without --policy everything is counted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// Write JSON
    #[arg(long)]
    json: bool,

    /// Show the N largest metrics [default: 10; all with --json]
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// A URL, a file (.gz is gunzipped) or `-` for stdin
    #[arg(value_name = "SOURCE")]
    source: String,
}

/// Metrics shown when nobody says how many.
const TOP: usize = 10;

pub(super) fn run(args: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    let plan = args.policy.load()?.plan(None, Mode::Enforce);
    let body = source::read(&args.source)?.guarded(plan)?;
    let inventory = Inventory::of(&body)?;
    let told = if args.json {
        let shown = args.top.unwrap_or(usize::MAX);
        format!("{:#}\n", json::of(&inventory, &body.name, shown))
    } else {
        table::of(&inventory, &body.name, args.top.unwrap_or(TOP), Style::of(Color::of(&stdout())))
    };
    stdout().lock().write_all(told.as_bytes()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}
