//! The README's first command, run as a pipeline sees it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::http::get;
use crate::process::Process;

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
    command.arg("demo").args(args).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A line of `key=value`.
fn fields(line: &str) -> HashMap<&str, u64> {
    line.split(' ').filter_map(|field| field.split_once('=')).filter_map(|(k, v)| Some((k, v.parse().ok()?))).collect()
}

#[test]
fn after_twenty_seconds_series_in_explodes_and_series_out_is_flat_and_true() {
    let output = demo(&["--seconds", "20"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{stdout}");
    let rounds: Vec<_> = stdout.lines().filter(|line| line.starts_with("seconds=")).map(fields).collect();
    let (first, last) = (&rounds[0], &rounds[rounds.len() - 1]);
    assert!(last["seconds"] >= 20 && last["series_in"] > 10_000, "{last:?}");
    for (before, now) in rounds.iter().zip(&rounds[1..]) {
        assert!(now["series_in"] > before["series_in"], "{before:?} {now:?}");
    }
    for round in &rounds {
        assert_eq!(round["series_out"], first["series_out"], "{round:?}");
        assert_eq!(round["counted_through_guard"], round["jobs"], "{round:?}");
    }
    assert!(first["series_out"] < 200, "{first:?}");
    // Without the guard the births are lost, which is nearly everything.
    assert!(last["counted_directly"] < last["jobs"] / 2, "{last:?}");
    assert!(stdout.contains("  exact\n"), "{}", stdout);
    assert!(!stdout.contains('\x1b'), "colours and cursor movements are for terminals");
}

#[test]
fn what_it_says_to_curl_answers() {
    let mut child = demo(&[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("seconds=")).collect();
    let urls: Vec<&str> = said.iter().filter_map(|line| line.trim().strip_prefix("curl -s ")).collect();
    assert_eq!(urls.len(), 7, "{said:#?}");
    for url in urls {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let answer = get(address.parse().unwrap(), &format!("/{path}"));
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    }
    // The reader goes away first, as in `demo | head`: that is the end, and no error.
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_ends_it_with_a_summary() {
    let mut process = Process::start(&mut demo(&[]), "the binary under test");
    let mut lines = BufReader::new(process.child().stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line.starts_with("seconds=1 ")));
    assert_eq!(process.end_with("-INT"), Some(0));
    assert!(lines.any(|line| line.starts_with("After ") && line.contains("Prometheus would hold")));
}
