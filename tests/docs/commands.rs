//! Commands, run by a shell as they stand, with the addresses of an exporter and a guard of this
//! test in the place of those in the text. A `serve` is started, becomes ready and is ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::markdown::{Block, root};
use crate::scratch::Scratch;

/// Commands that are not run here, and why.
const NOT_RUN: [(&str, &str); 9] = [
    ("kubectl", "needs a cluster; tests/deploy reads what it would be given"),
    ("helm", "make setup installs none; tests/deploy reads what it would be given"),
    ("docker", "needs a daemon; tests/deploy reads what it would be given"),
    ("journalctl", "needs the unit to be installed; tests/deploy asks systemd-analyze about it"),
    ("systemd-sysusers", "changes the machine"),
    ("install", "changes the machine; tests/deploy sees that the files are there"),
    ("promtool query", "needs a Prometheus with this job; its expression is one of those that are checked"),
    ("make", "starts what this is a part of; it must be a target of the Makefile"),
    ("cargo", "compiles, or starts what this is a part of; what it names must be there"),
];

/// What a page says, and what it stands for here.
fn stands_for(scratch: &Scratch) -> Vec<(&'static str, String)> {
    let exporter = scratch.exporter.address.to_string();
    let guard = format!("http://{}", scratch.guard.address);
    vec![
        ("http://127.0.0.1:10900", guard.clone()),
        ("http://guard:10900", guard.clone()),
        ("$GUARD", guard),
        ("celery-exporter:9808", exporter.clone()),
        ("worker-1.svc:8000", exporter.clone()),
        ("http://EXPORTER", format!("http://{exporter}")),
        ("http://INSTANCE", format!("http://{exporter}")),
        ("HOST:PORT", exporter),
        ("target=TARGET", "target=celery".to_owned()),
        ("target=NAME", "target=celery".to_owned()),
        ("scrape/TARGET", "scrape/celery".to_owned()),
        ("METRIC", "worker_jobs_total".to_owned()),
        ("LABEL", "job_id".to_owned()),
    ]
}

/// An answer that is no good is a failure, and so is a part of a pipe; `head` reads to the end, so
/// that nobody before it is cut off.
const PRELUDE: &str = r#"
set -e -o pipefail
curl() { command curl --fail-with-body "$@"; }
head() { local n=10; case "${1:-}" in -n) n=$2 ;; -*) n=${1#-} ;; esac; sed -n "1,${n}p"; }
"#;

/// The binary, under the name that the pages use.
const BINARY: &str = r#"#!/usr/bin/env bash
if [ "$1" != serve ]; then exec "$guard_binary" "$@"; fi
: >serve.log # what an earlier one said there is not this one's
"$guard_binary" "${@/0.0.0.0:10900/127.0.0.1:0}" --storage.path= 2>>serve.log &
pid=$!
until grep -q 'message=listening\|message="listening' serve.log; do
    kill -0 $pid 2>/dev/null || { cat serve.log >&2; exit 1; }
    sleep 0.1
done
kill -TERM $pid
wait $pid
"#;

pub(crate) fn run(block: &Block, scratch: &Scratch) {
    let mut script = String::from(PRELUDE);
    for line in logical_lines(&block.text) {
        match NOT_RUN.iter().find(|(command, _)| starts_with(&line, command)) {
            Some((command, reason)) => {
                assert_names_what_is_there(&line, &block.place);
                eprintln!("{}: not run: {command}: {reason}", block.place);
            }
            None => script = script + &line + "\n",
        }
    }
    for (said, meant) in stands_for(scratch) {
        script = script.replace(said, &meant);
    }
    scratch.fresh_mixin();
    let bin = scratch.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("cardinality-guard"), BINARY).unwrap();
    fs::set_permissions(bin.join("cardinality-guard"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(scratch.directory())
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("guard_binary", env!("CARGO_BIN_EXE_cardinality-guard"))
        .env("CARDINALITY_GUARD__WEB__LISTEN_ADDRESS", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{}: {}\n{script}\n{said}", block.place, output.status);
}

/// Lines as a shell takes them: without comments, continued ones in one piece.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()) {
        match lines.last_mut() {
            Some(last) if open => *last = format!("{last}\n{line}"),
            _ => lines.push(line.to_owned()),
        }
        let last = lines.last().unwrap();
        let braces = last.matches("{ ").count() > last.matches("; }").count();
        open = last.ends_with('\\') || (last.starts_with("{ ") && braces);
    }
    lines
}

/// Whether a command of the line is this one.
fn starts_with(line: &str, command: &str) -> bool {
    let pieces = line.split(['|', ';', '&', '(']).map(str::trim_start);
    pieces.filter_map(|piece| piece.strip_prefix(command)).any(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// A target of the Makefile, a test, a bench, a file.
fn assert_names_what_is_there(line: &str, place: &str) {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    for target in words.windows(2).filter(|pair| pair[0] == "make").map(|pair| pair[1]) {
        assert!(read("Makefile").contains(&format!("\n{target}:")), "{place}: {line}");
    }
    let after = |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1]);
    if let Some(test) = after("--test") {
        let found = ["main.rs", ""].iter().any(|file| {
            let path = if file.is_empty() { format!("tests/{test}.rs") } else { format!("tests/{test}/{file}") };
            root().join(path).exists()
        });
        assert!(found || read("Cargo.toml").contains(&format!("name = \"{test}\"")), "{place}: {line}");
    }
    if let Some(bench) = after("--bench") {
        assert!(read("Cargo.toml").contains(&format!("name = \"{bench}\"")), "{place}: {line}");
    }
    let files = words.iter().filter(|word| ["deploy/", "examples/", "mixin/"].iter().any(|dir| word.starts_with(dir)));
    for file in files {
        assert!(root().join(file).exists(), "{place}: {file}");
    }
}

#[test]
fn commands_are_told_apart() {
    let lines = logical_lines("# why\nkubectl a \\\n  b\n{ echo\n  a; } > f\n\nls\n");
    assert_eq!(lines, ["kubectl a \\\n  b", "{ echo\n  a; } > f", "ls"]);
    assert!(starts_with("curl a | kubectl apply", "kubectl") && starts_with("make test", "make"));
    assert!(!starts_with("makeup", "make") && !starts_with("promtool check rules", "promtool query"));
}

/// What no page says any more is not excused any more.
#[test]
fn every_command_that_is_not_run_is_somewhere() {
    let pages = crate::markdown::pages();
    let shells = pages.iter().flat_map(|page| &page.blocks).filter(|block| block.info == "sh");
    let lines: Vec<String> = shells.flat_map(|block| logical_lines(&block.text)).collect();
    for (command, reason) in NOT_RUN {
        assert!(lines.iter().any(|line| starts_with(line, command)), "{command}: {reason}");
    }
}
