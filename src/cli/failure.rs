//! How a command fails: one place that turns an error into words and an exit code.

use std::io;
use std::process::ExitCode;

/// Exit code: findings, a failed scrape, a server that could not start.
pub(super) const FAILED: u8 = 1;
/// Exit code: the command line asks for something that cannot be had. Clap's own errors use it too.
pub(super) const USAGE: u8 = 2;

/// The command line asks for something that cannot be had: an unreadable file, a bad value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub String);

/// Findings have been printed already; nothing is left to say.
#[derive(Debug, thiserror::Error)]
#[error("see the findings above")]
pub(super) struct AlreadyTold;

/// Prints `error` to stderr unless there is nothing to say, and gives the exit code. Whoever reads
/// our output may stop at any time: a broken pipe is no error.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    if error.is::<AlreadyTold>() {
        return ExitCode::from(FAILED);
    }
    eprintln!("cardinality-guard: {error:#}");
    if error.is::<Usage>() { ExitCode::from(USAGE) } else { ExitCode::from(FAILED) }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    io_kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_broken_pipe_is_found_under_its_context() {
        let broken = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        let full = Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull)).context("writing").unwrap_err();
        assert!(is_broken_pipe(&broken));
        assert!(!is_broken_pipe(&full));
    }
}
