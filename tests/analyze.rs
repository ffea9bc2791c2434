//! `analyze` as a user runs it: on real bodies, from files, stdin and a socket.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;
use support::{run, run_with_stdin, scratch};

const EXPLODED: &str = "tests/fixtures/prometheus_client/seed_single_job_id_explosion.text.prom.gz";

fn json(args: &[&str]) -> Value {
    let got = run(&[&["analyze", "--json"], args].concat());
    assert_eq!(got.code, 0, "{}", got.stderr);
    serde_json::from_str(&got.stdout).unwrap()
}

/// The entry of a list whose `key` says `name`.
fn entry<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|entry| entry[key] == name).unwrap_or_else(|| panic!("{name}: {list}"))
}

#[test]
fn job_id_is_named_first_on_36_061_series() {
    let got = json(&[EXPLODED]);
    assert_eq!(got["series"], 36_061);
    assert_eq!((&got["labels"][0]["label"], &got["labels"][0]["leaves"]), (&"job_id".into(), &133.into()));
    let largest = &got["metrics"][0];
    assert_eq!((&largest["metric"], &largest["series"]), (&"worker_exec_seconds".into(), &32_000.into()));
    assert_eq!(largest["responsible"], serde_json::json!({"label": "job_id", "leaves": 60}));
    let job_id = entry(&largest["labels"], "label", "job_id");
    assert_eq!((&job_id["values"], &job_id["shape"]), (&2_000.into(), &"uuid".into()));
    assert_eq!((&job_id["estimated"], job_id["samples"].as_array().unwrap().len()), (&false.into(), 3));

    let table = run(&["analyze", EXPLODED]).stdout;
    let first = table.lines().find(|line| line.contains("133")).expect("what is left");
    assert!(first.trim_start().starts_with("job_id"), "{table}");
    assert!(table.contains("worker_exec_seconds (histogram): 32,000 series, 60 without job_id"), "{table}");
}

#[test]
fn what_dropping_a_label_would_leave_is_what_dropping_it_leaves() {
    for (label, body) in [
        ("job_id", "prometheus_client/seed_single_job_id_explosion.text.prom.gz"),
        ("job_id", "bullmq/poller_mistake_job_id.text.prom.gz"),
        ("hostname", "celery/celery_exporter_k8s_producer_churn.text.prom.gz"),
        ("hostname", "celery/celery_exporter_baseline.om.prom"),
        ("scrape_job", "go/prometheus_3.5.3.text.prom.gz"),
    ] {
        let policy = format!("policies: [{{name: p, labels: [{{label: {label}, action: drop}}]}}]");
        let dir = scratch(&[("p.yaml", &policy)]);
        let body = format!("tests/fixtures/{body}");
        let before = json(&[&body]);
        let after = json(&["--policy", &dir.path("p.yaml"), &body]);
        assert_eq!(entry(&before["labels"], "label", label)["leaves"], after["series"], "{label} in {body}");
        assert!(before["series"].as_u64() > after["series"].as_u64(), "{body}");
    }
}

#[test]
fn a_healthy_body_blames_nobody() {
    let table = run_with_stdin(&["analyze", "-"], "# TYPE a gauge\na 1\nb{x=\"1\"} 2\n").stdout;
    assert!(table.starts_with("stdin: 2 series in 2 metrics\nNo label is responsible"), "{table}");
    assert!(table.contains("a (gauge): 1 series\n"), "{table}");
}

#[test]
fn the_largest_come_first_and_as_many_as_asked_for() {
    let body = "a{x=\"1\"} 1\nb{x=\"1\"} 1\nb{x=\"2\"} 1\nc{x=\"1\"} 1\n";
    let table = run_with_stdin(&["analyze", "--top", "1", "-"], body).stdout;
    assert!(table.contains("\nb (unknown): 2 series, 1 without x\n"), "{table}");
    assert!(
        !table.contains("\na (unknown)") && table.ends_with("and 2 smaller metrics (--top N shows more)\n"),
        "{table}"
    );
}

#[test]
fn hostile_values_do_not_steer_the_terminal() {
    let table = run_with_stdin(&["analyze", "-"], "a{x=\"\u{1b}[2J\"} 1\na{x=\"b\\nc\"} 1\n").stdout;
    assert!(!table.contains('\u{1b}') && table.contains("\\u{1b}[2J") && table.contains("b\\u{a}c"), "{table}");
}

#[test]
fn an_exporter_is_asked_over_its_socket() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let exporter = std::thread::spawn(move || {
        let mut paths = Vec::new();
        for body in ["a{job_id=\"1\"} 1\na{job_id=\"2\"} 1\n", "a b\n"] {
            let (mut stream, _) = socket.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            paths.push(String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned());
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
            write!(stream, "{answer}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
        paths
    });
    assert_eq!(json(&[&url])["metrics"][0]["responsible"]["label"], "job_id");
    let broken = run(&["analyze", &format!("{url}/probe?x=1")]);
    assert_eq!((broken.code, broken.stdout.as_str()), (1, ""));
    assert!(broken.stderr.contains("exporter: line 1: "), "{}", broken.stderr);
    assert_eq!(exporter.join().unwrap(), ["/metrics", "/probe?x=1"]);
    let gone = run(&["analyze", &url]);
    assert!(gone.code == 1 && gone.stderr.contains("connection refused"), "{}", gone.stderr);
}

#[test]
fn what_cannot_be_had_is_a_usage_error_and_what_cannot_be_read_a_failure() {
    for args in
        [&["analyze"][..], &["analyze", "/does/not/exist"], &["analyze", "--top", "x", "-"], &["analyze", "ftp://a/"]]
    {
        assert_eq!(run(args).code, 2, "{args:?}");
    }
    let got = run_with_stdin(&["analyze", "-"], "a oops\n");
    assert_eq!((got.code, got.stdout.as_str()), (1, ""));
    assert!(got.stderr.contains("stdin: line 1: "), "{}", got.stderr);
}
