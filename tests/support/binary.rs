//! Runs the binary and holds its files.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A directory that goes with the test.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// A directory with these files in it.
pub(crate) fn scratch(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch(tempfile::tempdir().unwrap());
    for (name, text) in files {
        std::fs::write(scratch.path(name), text).unwrap();
    }
    scratch
}

pub(crate) fn run(args: &[&str]) -> Run {
    run_with_stdin(args, "")
}

pub(crate) fn run_with_stdin(args: &[&str], stdin: &str) -> Run {
    let mut child = command(args).stdin(Stdio::piped()).spawn().unwrap();
    // The child may not want its stdin; that is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    ended(child.wait_with_output().unwrap())
}

/// The binary, with an environment that holds no settings of whoever runs the tests.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
    command.args(args).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
