//! Expositions from files or stdin, guarded, to stdout.

mod report;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::body;
use super::failure::{FAILED, Usage};
use super::policy_args::PolicyArgs;
use super::scrapes::{Outcome, Scrapes};
use crate::engine::guard::Start;
use crate::engine::model::Format;
use crate::engine::policy::{Mode, yaml};

/// Exit code: a series was kept out under `--fail-on-drop`.
const DROPPED: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  curl -s worker:9394/metrics | cardinality-guard filter --policy policy.yaml
      what leaves, for one body; folded counters show the plain sum
  cardinality-guard filter --policy policy.yaml --interval 15s 1.prom 2.prom 3.prom
      successive scrapes of one endpoint, folded exactly as serve folds
  cardinality-guard filter --policy policy.yaml --fail-on-drop --report body.prom >/dev/null
      in a pipeline: exit 3 when a series is kept out, and which, as JSON on stderr

Exit codes: 0 ok, 1 a scrape failed or a policy does not compile, 2 usage,
3 a series was kept out under --fail-on-drop; 2 before 1 before 3.";

/// Guard expositions from files or stdin and write what leaves to stdout.
///
/// Uses the given policies and nothing else; without --policy everything passes byte for byte.
/// One IN is a body on its own. Several are successive scrapes of one endpoint: each output
/// follows a line `# scrape N`, a failed one is the line `# scrape N failed: REASON`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FilterArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// Time between two IN, on a virtual clock
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = interval)]
    interval: Duration,

    /// Format of the bodies [default: openmetrics when the first ends in `# EOF`, else text]
    #[arg(long, value_name = "text|openmetrics", value_parser = format)]
    format: Option<Format>,

    /// Of several IN, write only the last one's output, without its `# scrape N` line
    #[arg(long)]
    last: bool,

    /// Report each scrape as a line of JSON on stderr
    #[arg(long)]
    report: bool,

    /// Exit 3 when a series was kept out
    #[arg(long)]
    fail_on_drop: bool,

    /// Expositions, `-` for stdin; those ending in .gz are gunzipped [default: stdin]
    #[arg(value_name = "IN")]
    inputs: Vec<String>,
}

/// What the whole run comes to.
#[derive(Default)]
struct Tally {
    failed: usize,
    dropped: u64,
}

pub(super) fn run(args: &FilterArgs) -> anyhow::Result<ExitCode> {
    let inputs = body::open(&args.inputs)?;
    let plan = args.policy.load()?.plan(None, Mode::Enforce);
    let start = if inputs.len() == 1 { Start::Sum } else { Start::Baseline };
    let mut scrapes = Scrapes::new(plan, start);
    let mut tally = Tally::default();
    let count = inputs.len();
    for (index, input) in inputs.into_iter().enumerate() {
        let number = index + 1;
        let name = input.name();
        let now = args.interval.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
        let outcome = input.read().map_err(|error| error.to_string());
        let outcome = outcome.and_then(|bytes| scrapes.scrape(&bytes, now, args.format));
        tally.count(&outcome);
        tell(args, number, &name, &outcome);
        let only = count == 1 || args.last;
        if !only || number == count {
            show(number, only, &outcome)?;
        }
    }
    Ok(tally.exit_code(args.fail_on_drop))
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Ok((_, report)) => self.dropped += report.dropped,
            Err(_) => self.failed += 1,
        }
    }

    fn exit_code(&self, fail_on_drop: bool) -> ExitCode {
        match self {
            Tally { failed: 1.., .. } => ExitCode::from(FAILED),
            Tally { dropped: 1.., .. } if fail_on_drop => ExitCode::from(DROPPED),
            Tally { .. } => ExitCode::SUCCESS,
        }
    }
}

/// To stderr: JSON with `--report`, else only what failed.
fn tell(args: &FilterArgs, number: usize, name: &str, outcome: &Outcome) {
    match outcome {
        Ok((_, report)) if args.report => eprintln!("{}", report::committed(number, name, report)),
        Err(reason) if args.report => eprintln!("{}", report::failed(number, name, reason)),
        Err(reason) => eprintln!("cardinality-guard: {name}: {reason}{}", hint(name)),
        Ok(_) => {}
    }
}

/// To stdout: the output alone when it is the only one, else under a line that numbers it.
fn show(number: usize, only: bool, outcome: &Outcome) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = match outcome {
        Ok((out, _)) if only => stdout.write_all(out),
        Err(_) if only => Ok(()),
        Ok((out, _)) => writeln!(stdout, "# scrape {number}").and_then(|()| write_lines(&mut stdout, out)),
        Err(reason) => writeln!(stdout, "# scrape {number} failed: {reason}"),
    };
    written.and_then(|()| stdout.flush()).context("writing to stdout")
}

/// A body may end without a newline; the next `# scrape N` still begins a line.
fn write_lines(stdout: &mut impl Write, out: &[u8]) -> io::Result<()> {
    stdout.write_all(out)?;
    match out.last() {
        None | Some(b'\n') => Ok(()),
        Some(_) => stdout.write_all(b"\n"),
    }
}

fn hint(name: &str) -> &'static str {
    let looks_like_policy = name.ends_with(".yaml") || name.ends_with(".yml");
    if looks_like_policy { " (a policy file? write --policy before each)" } else { "" }
}

fn interval(text: &str) -> Result<Duration, Usage> {
    match yaml::duration(text) {
        Some(Duration::ZERO) => Err(Usage("must be longer than 0".into())),
        Some(interval) => Ok(interval),
        None => Err(Usage("a number and a unit, as in 15s, 1m, 500ms".into())),
    }
}

fn format(text: &str) -> Result<Format, Usage> {
    match text {
        "text" => Ok(Format::Text),
        "openmetrics" => Ok(Format::OpenMetrics),
        _ => Err(Usage("text or openmetrics".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_before_drops() {
        let code = |failed, dropped, fail_on_drop| Tally { failed, dropped }.exit_code(fail_on_drop);
        assert_eq!(code(0, 9, false), ExitCode::SUCCESS);
        assert_eq!(code(0, 9, true), ExitCode::from(DROPPED));
        assert_eq!(code(1, 9, true), ExitCode::from(FAILED));
        assert_eq!(code(0, 0, true), ExitCode::SUCCESS);
    }
}
