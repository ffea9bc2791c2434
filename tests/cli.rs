//! The built binary, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
mod support;

mod filter {
    use crate::support::{run, run_with_stdin, scratch};

    const BODY: &str = "# TYPE jobs_total counter\njobs_total{queue=\"a\"} 3\n";

    #[test]
    fn without_policy_a_body_passes_byte_for_byte() {
        let got = run_with_stdin(&["filter"], BODY);
        assert_eq!((got.code, got.stdout.as_str(), got.stderr.as_str()), (0, BODY, ""));
        let got = run_with_stdin(&["filter", "-"], BODY);
        assert_eq!((got.code, got.stdout.as_str()), (0, BODY));
    }

    #[test]
    fn several_bodies_are_numbered_and_the_last_alone_is_not() {
        let dir = scratch(&[("1.prom", "a 1\n"), ("2.prom", "a 2")]);
        let got = run(&["filter", &dir.path("1.prom"), &dir.path("2.prom")]);
        assert_eq!((got.code, got.stdout.as_str()), (0, "# scrape 1\na 1\n# scrape 2\na 2\n"));
        let got = run(&["filter", "--last", &dir.path("1.prom"), &dir.path("2.prom")]);
        assert_eq!((got.code, got.stdout.as_str()), (0, "a 2"));
    }

    #[test]
    fn gzip_files_are_read() {
        use std::io::Write;
        let dir = scratch(&[]);
        let file = std::fs::File::create(dir.path("1.prom.gz")).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        gzip.write_all(BODY.as_bytes()).unwrap();
        gzip.finish().unwrap();
        assert_eq!(run(&["filter", &dir.path("1.prom.gz")]).stdout, BODY);
    }

    #[test]
    fn a_report_is_a_line_of_json_per_scrape() {
        let dir = scratch(&[("1.prom", "a 1\n"), ("2.prom", "a 2\n")]);
        let got = run(&["filter", "--report", &dir.path("1.prom"), &dir.path("2.prom")]);
        let lines: Vec<serde_json::Value> = got.stderr.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["scrape"], 2);
        assert!(lines[1]["series_dropped"].is_u64());
    }

    #[test]
    fn a_body_that_fails_writes_nothing() {
        let got = run_with_stdin(&["filter"], "a 1\nb oops\n");
        assert_eq!((got.code, got.stdout.as_str()), (1, ""));
        assert!(got.stderr.starts_with("cardinality-guard: stdin: line 2: "), "{}", got.stderr);
        let got = run_with_stdin(&["filter", "--report"], "b oops\n");
        let line: serde_json::Value = serde_json::from_str(&got.stderr).unwrap();
        assert!(line["error"].as_str().unwrap().starts_with("line 1: "), "{line}");
    }

    #[test]
    fn of_several_bodies_one_may_fail() {
        let dir = scratch(&[("1.prom", "a 1\n"), ("2.prom", "a oops\n"), ("3.prom", "a 3\n")]);
        let inputs = ["1.prom", "2.prom", "3.prom"].map(|name| dir.path(name));
        let [one, two, three] = inputs.each_ref().map(String::as_str);
        let got = run(&["filter", one, two, three]);
        assert_eq!(got.code, 1);
        let lines: Vec<&str> = got.stdout.lines().collect();
        assert_eq!(lines[..2], ["# scrape 1", "a 1"]);
        assert!(lines[2].starts_with("# scrape 2 failed: line 1: "), "{}", got.stdout);
        assert_eq!(lines[3..], ["# scrape 3", "a 3"]);

        let got = run(&["filter", "--last", one, two, three]);
        assert_eq!((got.code, got.stdout.as_str()), (1, "a 3\n"));
        let got = run(&["filter", "--last", one, three, two]);
        assert_eq!((got.code, got.stdout.as_str()), (1, ""));
    }

    #[test]
    fn a_reader_that_leaves_is_no_error() {
        let body: String = (0..200_000).map(|i| format!("a{{i=\"{i}\"}} 1\n")).collect();
        let dir = scratch(&[("big.prom", &body)]);
        let mut child = crate::support::command(&["filter", &dir.path("big.prom")]).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
    }

    #[test]
    fn the_first_body_decides_the_format() {
        let openmetrics = "# TYPE a gauge\na 1\n# EOF\n";
        let dir = scratch(&[("1.om", openmetrics), ("2.prom", "a 1\n")]);
        let got = run(&["filter", &dir.path("1.om"), &dir.path("2.prom")]);
        assert_eq!(got.code, 1, "text lacks the # EOF that OpenMetrics ends with");
        assert!(got.stdout.contains("# scrape 2 failed: "), "{}", got.stdout);
        assert_eq!(run_with_stdin(&["filter", "--format", "openmetrics"], "a 1\n").code, 1);
        assert_eq!(run_with_stdin(&["filter", "--format", "text"], openmetrics).code, 0);
    }

    #[test]
    fn usage_errors_exit_2_and_write_nothing() {
        let dir = scratch(&[("1.prom", "a 1\n")]);
        let body = dir.path("1.prom");
        for args in [
            &["filter", "--no-such-flag"][..],
            &["filter", "--interval", "soon", &body],
            &["filter", "--interval", "0s", &body],
            &["filter", "--format", "protobuf", &body],
            &["filter", "/does/not/exist"],
            &["filter", "/"],
            &["filter", "--policy", "/does/not/exist", &body],
            &["filter", "-", "-"],
        ] {
            let got = run(args);
            assert_eq!((got.code, got.stdout.as_str()), (2, ""), "{args:?}");
            assert!(!got.stderr.is_empty(), "{args:?}");
        }
    }
}

#[test]
fn every_command_explains_itself() {
    for args in [&["--help"][..], &["filter", "--help"], &["demo", "--help"]] {
        let got = support::run(args);
        assert_eq!(got.code, 0, "{args:?}");
        assert!(got.stdout.contains("Usage: cardinality-guard"), "{args:?}");
    }
    let version = support::run(&["--version"]).stdout;
    assert_eq!(version, format!("cardinality-guard {}\n", env!("CARGO_PKG_VERSION")));
}
