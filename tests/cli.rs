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

mod folding {
    use crate::support::{run, scratch};

    const POLICY: &str = "policies: [{name: ids, match: jobs_total, labels: [{label: job_id, action: drop}]}]\n";
    const ONE: &str =
        "# TYPE jobs_total counter\njobs_total{q=\"a\",job_id=\"1\"} 3\njobs_total{q=\"a\",job_id=\"2\"} 4\n";
    const TWO: &str =
        "# TYPE jobs_total counter\njobs_total{q=\"a\",job_id=\"1\"} 5\njobs_total{q=\"a\",job_id=\"3\"} 1\n";

    #[test]
    fn one_body_shows_the_plain_sum_and_several_count_from_the_first() {
        let dir = scratch(&[("p.yaml", POLICY), ("1.prom", ONE), ("2.prom", TWO)]);
        let (policy, one, two) = (dir.path("p.yaml"), dir.path("1.prom"), dir.path("2.prom"));
        let got = run(&["filter", "--policy", &policy, &one]);
        assert_eq!((got.code, got.stdout.as_str()), (0, "# TYPE jobs_total counter\njobs_total{q=\"a\"} 7\n"));
        let got = run(&["filter", "--policy", &policy, &one, &two]);
        let want = "# scrape 1\n# TYPE jobs_total counter\njobs_total{q=\"a\"} 0\n\
                    # scrape 2\n# TYPE jobs_total counter\njobs_total{q=\"a\"} 3\n";
        assert_eq!((got.code, got.stdout.as_str()), (0, want));
        let got = run(&["filter", "--last", "--policy", &policy, &one, &two]);
        assert_eq!(got.stdout, "# TYPE jobs_total counter\njobs_total{q=\"a\"} 3\n");
    }

    #[test]
    fn what_is_kept_out_is_an_exit_code_when_asked() {
        let dir = scratch(&[("p.yaml", POLICY), ("1.prom", ONE), ("bad.prom", "x\n"), ("none.prom", "a 1\n")]);
        let policy = dir.path("p.yaml");
        let code = |inputs: &[&str]| {
            let inputs: Vec<String> = inputs.iter().map(|name| dir.path(name)).collect();
            let mut args = vec!["filter", "--fail-on-drop", "--policy", &policy];
            args.extend(inputs.iter().map(String::as_str));
            run(&args).code
        };
        assert_eq!((code(&["none.prom"]), code(&["1.prom"]), code(&["none.prom", "1.prom"])), (0, 3, 3));
        assert_eq!(code(&["1.prom", "bad.prom"]), 1, "a failure comes before a drop");
        assert_eq!(code(&["1.prom", "missing.prom"]), 2, "and usage before both");
    }

    #[test]
    fn a_policy_that_does_not_compile_writes_nothing() {
        let dir = scratch(&[("p.yaml", "policies: [{name: a, labls: []}]\n"), ("1.prom", ONE)]);
        let got = run(&["filter", "--policy", &dir.path("p.yaml"), &dir.path("1.prom")]);
        assert_eq!((got.code, got.stdout.as_str()), (1, ""));
        assert!(got.stderr.contains("p.yaml:1:22: error: unknown key `labls`"), "{}", got.stderr);
    }
}

mod check {
    use crate::support::{run, scratch};

    #[test]
    fn five_mistakes_are_five_findings_with_carets() {
        let text = "\
policies:
  - name: a
    labls: []
    hold: soon
    labels:
      - {label: '(', action: drop}
      - {label: x, action: dorp}
      - {label: le, action: drop}
";
        let dir = scratch(&[("p.yaml", text)]);
        let got = run(&["check", &dir.path("p.yaml")]);
        assert_eq!(got.code, 1);
        for place in ["p.yaml:3:5:", "p.yaml:4:11:", "p.yaml:6:17:", "p.yaml:7:28:", "p.yaml:8:"] {
            assert!(got.stdout.contains(place), "{place}\n{}", got.stdout);
        }
        assert!(got.stdout.contains("did you mean `labels`?") && got.stdout.contains("^^^^^"), "{}", got.stdout);
        assert!(got.stdout.ends_with("5 findings in 1 file\n"), "{}", got.stdout);
    }

    #[test]
    fn good_files_are_told_in_words() {
        let settings =
            "policy_files: [p/*.yaml]\nweb: {config_file: web.yaml}\ntargets: [{name: t, url: 'http://a/m'}]\n";
        let policy = "policies: [{name: ids, targets: [t], labels: [{label: job_id, action: drop}]}]\n";
        let dir = scratch(&[("guard.yaml", settings), ("web.yaml", "http_server_config: {http2: false}\n")]);
        std::fs::create_dir(dir.path("p")).unwrap();
        std::fs::write(dir.path("p/a.yaml"), policy).unwrap();
        let got = run(&["check", &dir.path("guard.yaml")]);
        assert_eq!(got.code, 0, "{}", got.stdout);
        for words in ["policy `ids`", "step 1: label `job_id` goes", "ok: 1 file"] {
            assert!(got.stdout.contains(words), "{words}\n{}", got.stdout);
        }
        let got = run(&["check", &dir.path("guard.yaml"), &dir.path("p/a.yaml")]);
        assert_eq!(got.code, 0, "a file named twice is one file: {}", got.stdout);
        std::fs::write(dir.path("p/a.yaml"), policy.replace("[t]", "[u]")).unwrap();
        let got = run(&["check", &dir.path("guard.yaml")]);
        assert!(got.code == 1 && got.stdout.contains("a.yaml:1:34: error:"), "{}", got.stdout);
    }

    #[test]
    fn settings_and_policies_are_told_apart() {
        let dir = scratch(&[("guard.yaml", "tragets: []\n"), ("p.yaml", "policies: [{name: a, hold: 1}]\n")]);
        let got = run(&["check", &dir.path("guard.yaml"), &dir.path("p.yaml")]);
        assert_eq!(got.code, 1);
        assert!(got.stdout.contains("guard.yaml:1:1: error: unknown key `tragets`"), "{}", got.stdout);
        assert!(got.stdout.contains("p.yaml:1:28: error:"), "{}", got.stdout);
        assert_eq!(run(&["check"]).code, 2);
        assert_eq!(run(&["check", "/does/not/exist"]).code, 2);
    }

    #[test]
    fn folds_without_sense_are_warned_of() {
        let policy = "policies:\n  - {name: a, match: cpu_ratio, labels: [{label: job_id, action: drop}]}\n";
        let dir = scratch(&[("p.yaml", policy), ("q.yaml", &policy.replace("}]}", "}], aggregate: [{with: avg}]}"))]);
        let got = run(&["check", &dir.path("p.yaml")]);
        assert_eq!(got.code, 1);
        assert!(got.stdout.contains("p.yaml:2:5: warning: the sum of `cpu_ratio`"), "{}", got.stdout);
        assert_eq!(run(&["check", &dir.path("q.yaml")]).code, 0);
    }

    #[test]
    fn steps_that_match_nothing_and_folds_without_sense_are_warned_of() {
        let policy = "\
policies:
  - name: ids
    match: '{__name__=~\"jobs_.+\"}'
    labels:
      - {label: job_id, action: drop}
      - {label: jobid, action: drop}
  - {name: idle, match: nothing_like_it, action: drop}
";
        let body = "# TYPE jobs_ratio gauge\njobs_ratio{job_id=\"1\"} 0.5\n# TYPE jobs_total counter\njobs_total 1\n";
        let dir = scratch(&[("p.yaml", policy), ("1.prom", body), ("bad.prom", "a b\n")]);
        let got = run(&["check", &dir.path("p.yaml"), "--against", &dir.path("1.prom")]);
        assert_eq!(got.code, 1);
        for finding in [
            "p.yaml:6:9: warning: step 2 of policy `ids` matches nothing",
            "p.yaml:7:25: warning: policy `idle` selects no series",
            "p.yaml:2:5: warning: the sum of `jobs_ratio`",
            "3 findings",
        ] {
            assert!(got.stdout.contains(finding), "{finding}\n{}", got.stdout);
        }
        let got = run(&["check", &dir.path("p.yaml"), "--against", &dir.path("bad.prom")]);
        assert_eq!(got.code, 2);
        assert!(got.stderr.contains("bad.prom: line 1: "), "{}", got.stderr);
    }
}

mod explain {
    use crate::support::{run, scratch};

    #[test]
    fn the_policy_and_step_that_decide_are_named_with_what_leaves() {
        let policy = "policies: [{name: ids, match: jobs_total, labels: [{label: job_id, action: drop}]}]\n";
        let dir = scratch(&[("p.yaml", policy)]);
        let got = run(&["explain", "--policy", &dir.path("p.yaml"), r#"jobs_total{q="a",job_id="1"}"#]);
        assert_eq!(got.code, 0, "{}", got.stderr);
        for words in
            ["family jobs_total: counter", "policy `ids`", "job_id=\"1\" goes", r#"leaves as jobs_total{q="a"}"#]
        {
            assert!(got.stdout.contains(words), "{words}\n{}", got.stdout);
        }
        let got = run(&["explain", "--policy", &dir.path("p.yaml"), "other"]);
        assert!(got.stdout.contains("leaves as it came: other"), "{}", got.stdout);
    }

    #[test]
    fn the_type_can_be_told() {
        let policy = "policies: [{name: all, match: x, labels: [{label: path, action: drop}]}]\n";
        let dir = scratch(&[("p.yaml", policy)]);
        let series = r#"x_bucket{path="/a",le="0.5"}"#;
        let got = run(&["explain", "--policy", &dir.path("p.yaml"), series]);
        assert!(got.stdout.contains(r#"leaves as x_bucket{le="0.5"}"#), "{}", got.stdout);
        let got = run(&["explain", "--policy", &dir.path("p.yaml"), "--type", "gauge", series]);
        assert!(got.stdout.contains("leaves as it came"), "{}", got.stdout);
    }

    #[test]
    fn what_is_no_series_is_a_usage_error() {
        for series in ["", "a{", "a b c", "# TYPE a gauge"] {
            let got = run(&["explain", series]);
            assert_eq!((got.code, got.stdout.as_str()), (2, ""), "{series}");
        }
        assert_eq!(run(&["explain", "--type", "guess", "a"]).code, 2);
    }
}

#[test]
fn every_command_explains_itself() {
    for args in [
        &["--help"][..],
        &["analyze", "--help"],
        &["check", "--help"],
        &["demo", "--help"],
        &["explain", "--help"],
        &["filter", "--help"],
        &["serve", "--help"],
        &["suggest", "--help"],
    ] {
        let got = support::run(args);
        assert_eq!(got.code, 0, "{args:?}");
        assert!(got.stdout.contains("Usage: cardinality-guard"), "{args:?}");
    }
    let version = support::run(&["--version"]).stdout;
    // Not optimised, so no revision: tests/release.rs shows what says one.
    let known = format!("cardinality-guard {} (revision ", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&known) && version.ends_with(")\n"), "{version}");
}
