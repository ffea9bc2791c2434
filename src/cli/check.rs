//! Settings and policy files: what is wrong with them, and what they do in words.

mod against;
mod asked;
mod files;
mod places;
mod takes;

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use self::files::Files;
use super::failure::FAILED;
use super::findings;
use super::promql::Questions;
use super::terminal::Color;
use super::units::counted;
use crate::engine::policy::Severity;

const EXAMPLES: &str = "\
Examples:
  cardinality-guard check guard.yaml
      the settings and every policy file they name
  cardinality-guard check policies/*.yaml
      policy files on their own: every mistake, and what each step does in words
  cardinality-guard check policy.yaml --against body.prom
      also names the steps that match nothing in a real body
  cardinality-guard check policy.yaml --rules rules/*.yml --dashboards dashboards/*.json
      also finds every PromQL expression that asks for a label a policy removes or changes

Exit codes: 0 ok, 1 findings, 2 usage.";

/// Check settings and policy files: every mistake at once, at its place, and what each step does.
///
/// Which of the two a file is, is told by its keys.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// Settings and policy files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Expositions to try the policies on, after the files: warns of steps that match nothing
    #[arg(long, value_name = "BODY", num_args = 1..)]
    against: Vec<String>,

    /// Rule files, after the files: warns of expressions that select, group or match by a label
    /// which a policy removes or changes
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,

    /// Grafana dashboards (JSON), asked the same
    #[arg(long, value_name = "FILE", num_args = 1..)]
    dashboards: Vec<PathBuf>,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let bodies = against::read(&args.against)?;
    let questions = Questions::read(args.rules.iter().chain(&args.dashboards))?;
    let mut checked = Files::read(&args.files)?.check();
    if !checked.has_errors() {
        let unused = against::unused(&checked, &bodies)?;
        let lost = asked::lost(&checked, &questions, &bodies)?;
        checked.findings.extend(unused.into_iter().chain(lost));
    }
    checked.findings.extend(questions.findings);
    checked.sources.extend(questions.sources);
    checked.findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    // What the policies tell by themselves, a body may show again.
    checked.findings.dedup();
    let mut told = findings::render(&checked.findings, &checked.sources, Color::of(&stdout()));
    if !checked.has_errors() {
        told.push_str(&checked.words);
    }
    let counted = checked.findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    told.push_str(&verdict(counted, args.files.len()));
    stdout().lock().write_all(told.as_bytes()).context("writing to stdout")?;
    Ok(if counted > 0 { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn verdict(findings: usize, files: usize) -> String {
    match findings {
        0 => format!("ok: {}\n", counted(files as u64, "file")),
        _ => format!("{} in {}\n", counted(findings as u64, "finding"), counted(files as u64, "file")),
    }
}
