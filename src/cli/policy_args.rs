//! `--policy` and `--builtin-policy`, as `filter` and `explain` take them.

use std::fs;
use std::io::stderr;
use std::path::PathBuf;

use super::failure::{AlreadyTold, Usage};
use super::terminal::Color;
use crate::engine::policy::{Builtin, Finding, Policies, Severity, Source};

#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// Policy file; repeat for several, which apply in the order given
    #[arg(long = "policy", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Apply the shipped default policy after the given ones
    #[arg(long)]
    pub builtin_policy: bool,
}

impl PolicyArgs {
    /// Reads and compiles the files. An unreadable file is a usage error; findings go to stderr,
    /// and one that is an error ends the command.
    pub(super) fn load(&self) -> anyhow::Result<Policies> {
        let sources = self.read()?;
        let builtin = if self.builtin_policy { Builtin::Included } else { Builtin::Excluded };
        match Policies::compile(&sources, builtin, None) {
            Ok((policies, warnings)) => {
                print_findings(&warnings, &sources);
                Ok(policies)
            }
            Err(findings) => {
                print_findings(&findings, &sources);
                Err(AlreadyTold.into())
            }
        }
    }

    fn read(&self) -> Result<Vec<Source>, Usage> {
        let read_one = |path: &PathBuf| match fs::read_to_string(path) {
            Ok(text) => Ok(Source { name: path.display().to_string(), text }),
            Err(error) => Err(Usage(format!("cannot read policy file {}: {error}", path.display()))),
        };
        self.files.iter().map(read_one).collect()
    }
}

/// Prints findings to stderr, each with its line and a caret under the place.
pub(super) fn print_findings(findings: &[Finding], sources: &[Source]) {
    let color = Color::of(&stderr());
    let _ = (sources, color);
    for finding in findings {
        let severity = match finding.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        eprintln!("{severity}: {finding}");
        if let Some(help) = &finding.help {
            eprintln!("  help: {help}");
        }
    }
}
