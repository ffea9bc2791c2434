//! An explosion and the guard in front of it, with nothing installed.

use std::process::ExitCode;

/// Watch a job_id explode behind the guard: an embedded worker fleet, no configuration.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Stop after this many seconds (default: at Ctrl-C)
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
}

pub fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demo is not built yet ({args:?})")
}
