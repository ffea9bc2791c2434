//! `--policy` and `--builtin-policy`, as `filter` and `explain` take them.

use std::fs;
use std::io::stderr;
use std::path::PathBuf;

use super::failure::{AlreadyTold, Usage};
use super::findings;
use super::terminal::Color;
use crate::engine::policy::{Builtin, Policies, Source};

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
    /// Reads and compiles the files. An unreadable file is a usage error; what does not compile is
    /// told on stderr and ends the command. Warnings are for `check`.
    pub(super) fn load(&self) -> anyhow::Result<Policies> {
        let sources = self.read()?;
        let builtin = if self.builtin_policy { Builtin::Included } else { Builtin::Excluded };
        match Policies::compile(&sources, builtin, None) {
            Ok((policies, _)) => Ok(policies),
            Err(findings) => {
                eprint!("{}", findings::render(&findings, &sources, Color::of(&stderr())));
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
