//! What people see on a screen, and what files and pipes do not: colours, and how far a long command
//! has come.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
#[allow(dead_code)]
mod support;

use std::process::Command;

use support::{Scratch, run, scratch};

const BODY: &str = "# TYPE jobs_total counter\njobs_total{job_id=\"1\"} 3\njobs_total{job_id=\"2\"} 3\n";
const BAD_POLICY: &str = "policies:\n  - {name: a, labls: []}\n";

/// Runs a command line of a shell on a screen of its own. `$guard` is the binary.
fn on_a_screen(line: &str, dir: &Scratch, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", line, "/dev/null"]).current_dir(dir.path(""));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("TERM", "xterm");
    command.env("guard", env!("CARGO_BIN_EXE_cardinality-guard")).envs(environment.iter().copied());
    let output = command.stdin(std::process::Stdio::null()).output().expect("script of util-linux");
    String::from_utf8(output.stdout).unwrap()
}

/// Escape sequences that set a colour or weight.
fn colours(text: &str) -> usize {
    let sequences = text.split("\x1b[").skip(1);
    sequences.filter(|rest| rest.find(|c: char| !c.is_ascii_digit() && c != ';') == rest.find('m')).count()
}

#[test]
fn colours_are_for_screens_that_want_them() {
    let dir = scratch(&[("body.prom", BODY), ("bad.yaml", BAD_POLICY)]);
    for command in ["analyze body.prom", "check bad.yaml", "--help", "demo --seconds 1"] {
        let line = format!("$guard {command}");
        let seen = on_a_screen(&line, &dir, &[]);
        assert!(colours(&seen) > 0, "{command}: {seen:?}");
        let seen = on_a_screen(&line, &dir, &[("NO_COLOR", "1")]);
        assert!(seen.len() > 40 && colours(&seen) == 0, "{command}: {seen:?}");
        let seen = on_a_screen(&line, &dir, &[("NO_COLOR", "")]);
        assert!(colours(&seen) > 0, "{command}: an empty NO_COLOR is none: {seen:?}");
        let seen = on_a_screen(&format!("{line} 2>&1 | cat"), &dir, &[]);
        assert!(seen.len() > 40 && !seen.contains('\x1b'), "{command}: {seen:?}");
    }
}

/// Few series and many bytes, so that it takes no time in a build that is not optimised.
fn large() -> String {
    let help = format!("# HELP jobs_total {}\n", "x".repeat(100_000));
    format!("{}{BODY}", help.repeat(90))
}

#[test]
fn a_large_body_is_told_on_a_screen_how_far_it_is() {
    let dir = scratch(&[("body.prom", &large())]);
    for command in ["analyze body.prom", "suggest body.prom"] {
        let line = format!("$guard {command} >out.txt");
        let seen = on_a_screen(&line, &dir, &[]);
        for words in
            ["looking through body.prom (9.0 MB) 1 %", "looking through body.prom (9.0 MB) 99 %", "guarding body.prom"]
        {
            assert!(seen.contains(words), "{command}: {words:?} in {seen:?}");
        }
        assert!(seen.ends_with("\r\x1b[K"), "nothing of it is left: {:?}", &seen[seen.len() - 40..]);
        assert_eq!(colours(&seen), 0, "{seen:?}");
        let out = std::fs::read_to_string(dir.path("out.txt")).unwrap();
        let alone = run(&[command.split(' ').next().unwrap(), &dir.path("body.prom")]);
        assert_eq!((alone.code, alone.stderr.as_str()), (0, ""), "{command}");
        assert_eq!(out, alone.stdout.replace(&dir.path("body.prom"), "body.prom"), "{command}");
    }
}

#[test]
fn nobody_is_told_where_nobody_looks() {
    let dir = scratch(&[("body.prom", &large()), ("small.prom", BODY)]);
    for (line, environment) in [
        ("$guard analyze body.prom 2>err.txt >out.txt; cat err.txt", &[][..]),
        ("$guard analyze body.prom >out.txt", &[("TERM", "dumb")]),
        ("$guard analyze small.prom >out.txt", &[]),
    ] {
        assert_eq!(on_a_screen(line, &dir, environment), "", "{line}");
    }
}

#[test]
fn an_exporter_that_is_waited_for_is_named() {
    let dir = scratch(&[]);
    let seen = on_a_screen("$guard analyze http://127.0.0.1:1/metrics", &dir, &[]);
    assert!(seen.contains("waiting for http://127.0.0.1:1/metrics…\r\x1b[K"), "{seen:?}");
    assert!(seen.trim_end().ends_with("connection refused"), "{seen:?}");
}
