//! The commands. The only room that prints.

mod analyze;
mod check;
mod demo;
mod explain;
mod filter;
mod serve;
mod suggest;

mod body;
mod inventory;
mod policy_args;
mod promql;
mod scrapes;
mod source;

mod columns;
mod failure;
mod findings;
mod guess;
mod looks;
mod progress;
mod terminal;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::build;

const LONG_ABOUT: &str = "\
A proxy on the scrape path: Prometheus scrapes your exporters through it, labels that explode are
dropped, hashed, normalised or capped by policy, and the series that collapse are folded so that
sums, rates and quantiles over what is left stay true.";

const EXAMPLES: &str = "\
Examples:
  cardinality-guard demo
      see an explosion and the guard in front of it; nothing to install or configure
  cardinality-guard serve --config.file=guard.yaml
      run the proxy
  curl -s exporter:9808/metrics | cardinality-guard filter --policy policy.yaml
      try a policy on a real body
  cardinality-guard analyze http://exporter:9808/metrics
      which label makes the series
  cardinality-guard check guard.yaml policies/*.yaml
      every mistake at once, and what each step does
  cardinality-guard suggest http://exporter:9808/metrics > policy.yaml
      a policy to begin with
  cardinality-guard explain --policy policy.yaml 'jobs_total{job_id=\"4711\"}'
      why a series leaves as it does";

/// Keeps Prometheus' series bounded and the numbers true.
#[derive(Debug, Parser)]
#[command(name = "cardinality-guard", version = build::BOTH, propagate_version = true)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(analyze::AnalyzeArgs),
    Check(check::CheckArgs),
    Demo(demo::DemoArgs),
    Explain(explain::ExplainArgs),
    Filter(filter::FilterArgs),
    Serve(serve::ServeArgs),
    Suggest(suggest::SuggestArgs),
}

/// Reads the arguments, runs the command and says how it went.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Filter(args) => filter::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Suggest(args) => suggest::run(&args),
    };
    outcome.unwrap_or_else(|error| failure::report(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
