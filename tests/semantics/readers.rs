//! Members that come back, readers that come in turns, and what each is told (1.7b, 2.5, 4.7, 6).

use super::*;

const FORGETFUL: &str = "policies: [{name: p, member_ttl: 2m, hold: 0s, labels: [{label: job_id, action: drop}]}]";

/// `a` is forgotten while `b` lives on.
fn with_a_forgotten() -> Endpoint {
    let mut e = Endpoint::new(FORGETFUL);
    e.scrape(&m(&[("a", 50_000.0), ("b", 1.0)]));
    for _ in 0..20 {
        e.scrape(&m(&[("b", 1.0)]));
    }
    e
}

#[test]
fn rule_1_7b_an_evicted_member_that_returns_is_a_baseline_and_no_birth() {
    let mut e = with_a_forgotten();
    let (out, report) = e.try_scrape(&m(&[("a", 50_400.0), ("b", 1.0)]), BodyEnd::Framed).unwrap();
    assert_eq!((value(&out, M), report.rebaselined), (0.0, 1));
    assert_eq!(e.value(M, &m(&[("a", 50_403.0), ("b", 1.0)])), 3.0, "from then on it counts");
    assert_eq!(e.value(M, &m(&[("b", 1.0), ("c", 7.0)])), 10.0, "one that was never there is born");
}

#[test]
fn rule_1_7b_a_restart_clears_the_fingerprints() {
    let body = |members: &[(&str, f64)], start: f64| format!("process_start_time_seconds {start}\n{}", m(members));
    let mut e = Endpoint::new(FORGETFUL);
    e.scrape(&body(&[("a", 50_000.0), ("b", 1.0)], 1000.0));
    for _ in 0..20 {
        e.scrape(&body(&[("b", 1.0)], 1000.0));
    }
    assert_eq!(e.value(M, &body(&[("b", 1.0)], 9000.0)), 1.0, "a restart");
    assert_eq!(e.value(M, &body(&[("a", 4.0), ("b", 1.0)], 9000.0)), 5.0, "of the new process, so all of it is new");
}

#[test]
fn rule_1_7b_as_many_fingerprints_stay_as_members_may_be_and_the_oldest_goes() {
    let mut e = Endpoint::new(DROP);
    e.limits.members = 4;
    let jobs = |from: u32| (from..from + 5).map(|i| (format!("j{i}"), 100.0)).collect::<Vec<_>>();
    let body = |jobs: &[(String, f64)]| m(&jobs.iter().map(|(n, v)| (n.as_str(), *v)).collect::<Vec<_>>());
    for wave in 0..6 {
        e.scrape(&body(&jobs(wave * 10)));
    }
    let (_, report) = e.try_scrape(&body(&jobs(40)), BodyEnd::Framed).unwrap();
    assert_eq!(report.rebaselined, 4, "four of the five that went last are known");
    let (_, report) = e.try_scrape(&body(&jobs(0)), BodyEnd::Framed).unwrap();
    assert_eq!(report.rebaselined, 0, "section 8: gone for longer than the guard remembers");
}

#[test]
fn rule_2_5_groups_belong_to_one_endpoint() {
    let (mut one, mut other) = (Endpoint::new(DROP), Endpoint::new(DROP));
    for e in [&mut one, &mut other] {
        e.scrape(&m(&[("a", 100.0)]));
        assert_eq!(e.value(M, &m(&[("a", 110.0)])), 10.0);
    }
    assert_eq!(one.value(M, &m(&[("a", 2.0)])), 12.0, "a restart");
    assert_eq!(other.value(M, &m(&[("a", 111.0)])), 11.0, "is none of the other's business");
}

#[test]
fn rule_4_7_openmetrics_leaves_with_eof_and_the_metadata_it_came_with() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    let head = "# HELP m_seconds Time at work.\n# TYPE m_seconds counter\n# UNIT m_seconds seconds\n";
    let body = |n: f64| format!("{head}m_seconds_total{{job_id=\"a\"}} {n}\n# EOF\n");
    assert_eq!(e.scrape(&body(5.0)), format!("{head}m_seconds_total 0\n# EOF\n"));
    assert_eq!(e.scrape(&body(7.0)), format!("{head}m_seconds_total 2\n# EOF\n"));
    let absent = e.scrape("# TYPE other gauge\nother 1\n# EOF\n");
    assert_eq!(
        absent, "# TYPE other gauge\nother 1\n# TYPE m_seconds counter\nm_seconds_total 2\n# EOF\n",
        "a family that is not in the body: TYPE without _total, EOF last"
    );
}

#[test]
fn rule_4_7_an_annotation_stands_before_the_end() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    e.annotate = Annotate::Yes;
    let out = e.scrape("# TYPE m counter\nm_total{job_id=\"a\"} 1\n# EOF\n");
    assert!(out.contains("\ncardinality_guard_scrape_series_received 1\n") && out.ends_with("\n# EOF\n"), "{out}");
    assert_eq!(out.matches("# EOF").count(), 1, "{out}");
}

#[test]
fn rule_6_two_readers_of_one_guard_each_see_a_series_that_only_rises() {
    let mut e = Endpoint::new(DROP);
    let mut shown = [Vec::new(), Vec::new()];
    let mut a = 1_000.0;
    for turn in 0..40 {
        let reader = usize::from(turn % 3 == 0);
        e.client = reader as u64;
        a += f64::from(turn % 4);
        // A job comes, works once and is purged.
        let job = format!("job-{}", turn / 2);
        shown[reader].push(e.value(M, &m(&[("a", a), (&job, f64::from(turn % 2) + 1.0)])));
    }
    for reader in &shown {
        assert!(reader.windows(2).all(|two| two[0] <= two[1]), "{reader:?}");
    }
    // From the second scrape on: what `a` did, the second half of job 0, both halves of 19 jobs.
    let happened = (a - 1_000.0) + 1.0 + 19.0 * 2.0;
    assert_eq!(shown[0].last().copied().unwrap().max(*shown[1].last().unwrap()), happened);
}

#[test]
fn rule_6_the_guard_says_whose_memory_it_is() {
    let mut e = Endpoint::new(DROP);
    e.annotate = Annotate::Yes;
    let mut epoch = || {
        e.wait(600);
        value(&e.scrape("a 1\n"), "cardinality_guard_scrape_epoch_seconds")
    };
    let first = epoch();
    assert_eq!(first, 1_701_000_615.0, "when it began to remember");
    assert_eq!((epoch(), epoch()), (first, first), "as long as it remembers");
}

/// What would jump, as `series: shown -> raw`.
fn jumps(e: &Endpoint, limit: usize) -> (Vec<String>, u64) {
    let jumps = e.state.as_ref().unwrap().jumps(limit);
    let text = |j: &cardinality_guard::engine::guard::Jump| format!("{}: {} -> {:?}", j.series, j.shown, j.raw);
    (jumps.first.iter().map(text).collect(), jumps.all)
}

#[test]
fn without_the_guard_a_fold_over_an_untouched_series_jumps() {
    let mut e = Endpoint::new(DROP);
    let body = |n: u32| {
        format!(
            "# TYPE m_total counter\nm_total{{q=\"x\"}} {}\nm_total{{job_id=\"a\",q=\"x\"}} {n}\n\
             m_total{{job_id=\"a\",q=\"y\"}} 1\nm_total{{q=\"z\"}} 7\n# TYPE g gauge\ng 1\ng{{job_id=\"a\"}} 2\n",
            5_000 + n
        )
    };
    e.scrape(&body(1));
    e.scrape(&body(3));
    assert_eq!(
        jumps(&e, 10),
        (vec!["m_total{q=\"x\"}: 4 -> Some(5003.0)".to_owned()], 1),
        "y ends, z was never folded"
    );
    e.reload("policies: []");
    e.scrape(&body(3));
    assert_eq!(jumps(&e, 10).1, 1, "rule 0.11: it stays a fold");
}

#[test]
fn without_the_guard_every_line_of_an_untouched_histogram_jumps() {
    let mut e = Endpoint::new(DROP);
    let untouched = |n: f64| h("a", [n, n, n], n).replace("job_id=\"a\",", "").replace("{job_id=\"a\"}", "");
    for n in [10.0, 12.0] {
        e.scrape(&format!("{H}{}{}", untouched(n), h("b", [n, n, n], n)));
    }
    let (all, _) = jumps(&e, 10);
    assert_eq!(all[..2], ["h_bucket{le=\"1\"}: 4 -> Some(12.0)", "h_bucket{le=\"10\"}: 4 -> Some(12.0)"]);
    assert_eq!(
        all[2..],
        ["h_bucket{le=\"+Inf\"}: 4 -> Some(12.0)", "h_sum: 4 -> Some(12.0)", "h_count: 4 -> Some(12.0)"]
    );
    assert_eq!(jumps(&e, 2), (all[..2].to_vec(), 5), "no more than was asked for");
}

#[test]
fn what_has_shown_zero_so_far_jumps_from_zero() {
    let mut e = Endpoint::new(DROP);
    e.scrape("# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 1\n");
    e.scrape("# TYPE m_total counter\nm_total{q=\"y\"} 3\nm_total{q=\"y\",job_id=\"a\"} 5\n");
    assert_eq!(jumps(&e, 10).0, ["m_total{q=\"y\"}: 0 -> Some(3.0)"], "as rule 2.1 has it");
}

#[test]
fn rule_0_1_bodies_that_fail_leave_no_boundary_and_no_memory_behind() {
    let mut e = Endpoint::new(DROP);
    e.limits.hold_output = 1;
    let count = "h_count{job_id=\"a\"} 3\n";
    e.scrape(&format!("{H}{count}"));
    let before = e.state.as_ref().unwrap().memory();
    for turn in 0..50 {
        let bucket = |i: i32| format!("h_bucket{{job_id=\"a\",le=\"{}\"}} 1\n", turn * 20 + i);
        let buckets: String = (0..20).map(bucket).collect();
        let sum = "h_sum{job_id=\"a\"} 7\n";
        let fails =
            format!("{H}{buckets}h_bucket{{job_id=\"a\",le=\"+Inf\"}} 4\n{sum}{count}# TYPE z gauge\nz 1\n<html>\n");
        assert!(e.try_scrape(&fails.replace("} 3", "} 4"), BodyEnd::Framed).is_err());
    }
    let grown = e.state.as_ref().unwrap().memory() - before;
    assert!(grown < 20_000, "{grown} bytes more");
    let out = e.scrape(&format!("{H}{count}"));
    assert!(!out.contains("h_sum") && !out.contains("le=\"0\""), "{out}");
    assert_eq!(value(&out, "h_count"), 0.0);
}
