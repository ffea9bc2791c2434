//! How folded numbers stay true: each test carries the number of its rule in
//! `docs/how-the-numbers-stay-true.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{
    Annotate, BadSample, BodyEnd, EndpointState, Guard, Limits, Report, Scrape, ScrapeError, Start,
};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

#[path = "semantics/readers.rs"]
mod readers;
#[path = "semantics/regrouping.rs"]
mod regrouping;

const DROP: &str = "
policies:
  - name: job-ids
    hold: 0s
    labels: [{label: job_id, action: drop}]
";

/// One endpoint behind a policy, scraped every 15 virtual seconds.
struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    limits: Limits,
    client: u64,
    annotate: Annotate,
}

impl Endpoint {
    fn new(policy: &str) -> Endpoint {
        Endpoint::with_format(policy, Format::Text)
    }

    fn with_format(policy: &str, format: Format) -> Endpoint {
        Endpoint {
            state: Some(EndpointState::new(format, Seed::new(7))),
            plan: plan(policy),
            now: Duration::from_secs(1_000_000),
            limits: Limits::default(),
            client: 1,
            annotate: Annotate::No,
        }
    }

    fn reload(&mut self, policy: &str) {
        self.plan = plan(policy);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn guard(&mut self) -> Guard {
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: self.limits,
            now: self.now,
            wall_seconds: 1.7e9 + self.now.as_secs_f64(),
            client: self.client,
            annotate: self.annotate,
            start: Start::Baseline,
            commons: None,
        };
        Guard::begin(self.state.take().expect("a scrape gives its state back"), scrape)
    }

    fn try_scrape(&mut self, body: &str, end: BodyEnd) -> Result<(String, Report), ScrapeError> {
        self.wait(15);
        let mut guard = self.guard();
        let mut out = Vec::new();
        for chunk in body.as_bytes().chunks(7) {
            if let Err(error) = guard.push(chunk) {
                self.state = Some(guard.abort());
                return Err(error);
            }
            guard.drain(&mut out);
        }
        let (state, report) = guard.finish(end, &mut out);
        self.state = Some(state);
        report.map(|r| (String::from_utf8(out).unwrap(), r))
    }

    fn scrape(&mut self, body: &str) -> String {
        self.try_scrape(body, BodyEnd::Framed).unwrap().0
    }

    /// The value of a series in the answer to this body.
    fn value(&mut self, series: &str, body: &str) -> f64 {
        value(&self.scrape(body), series)
    }
}

fn plan(policy: &str) -> Arc<Plan> {
    let source = Source { name: "policy.yaml".into(), text: policy.into() };
    match Policies::compile(&[source], Builtin::Excluded, None) {
        Ok((policies, _)) => Arc::new(policies.plan(None, Mode::Enforce)),
        Err(findings) => panic!("{}", findings.iter().map(|f| format!("{f}\n")).collect::<String>()),
    }
}

fn value(body: &str, series: &str) -> f64 {
    let line = body.lines().find(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{body}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn has(body: &str, series: &str) -> bool {
    body.lines().any(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))
}

/// A counter family with these members.
fn m(members: &[(&str, f64)]) -> String {
    let mut body = String::from("# TYPE m_total counter\n");
    for (job, value) in members {
        body.push_str(&format!("m_total{{job_id=\"{job}\",q=\"x\"}} {value}\n"));
    }
    body
}

const M: &str = "m_total{q=\"x\"}";

#[test]
fn rule_0_1_a_cut_body_commits_nothing() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 123450.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 123455.0)])), 5.0);
    let cut = m(&[("a", 12346.0)]);
    let cut = cut.trim_end();
    assert_eq!(e.try_scrape(cut, BodyEnd::Closed).unwrap_err(), ScrapeError::Truncated);
    assert!(e.try_scrape("m_total{job_id=\"a\",q=\"x\"} 1\nm_total{", BodyEnd::Framed).is_err());
    assert_eq!(e.value(M, &m(&[("a", 123465.0)])), 15.0);
}

#[test]
fn rule_0_2_openmetrics_ends_in_eof_and_framed_text_may_lack_its_newline() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    assert!(e.try_scrape("# TYPE m counter\nm_total 1\n", BodyEnd::Framed).is_err());
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.scrape("up_now 1"), "up_now 1");
    assert!(e.try_scrape("up_now 1", BodyEnd::Closed).is_err());
}

#[test]
fn rule_0_3_a_body_without_the_group_keeps_it() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 10.0)]));
    assert_eq!(e.value(M, &m(&[("a", 14.0)])), 4.0);
    let other = e.scrape("# TYPE other gauge\nother 1\n");
    assert!(other.contains("# TYPE m_total counter\n"), "{other}");
    assert_eq!(value(&other, M), 4.0);
    assert_eq!(e.scrape(""), "");
    assert_eq!(e.value(M, &m(&[("a", 15.0)])), 5.0);
}

#[test]
fn rule_0_6_a_commit_stays_whoever_reads_it() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 5.0)])), 0.0);
    e.scrape(&m(&[("a", 7.0)]));
    assert_eq!(e.value(M, &m(&[("a", 9.0)])), 4.0);
}

#[test]
fn rule_0_8_an_untouched_series_leaves_byte_for_byte() {
    let mut e = Endpoint::new(DROP);
    let body = "# HELP g  odd   help\n# TYPE g gauge\ng { x = \"1\" , } 1e3 1700000000000\ng{y=\"\\n\"}  +Inf\n";
    assert_eq!(e.scrape(body), body);
    assert_eq!(e.scrape(body), body);
}

#[test]
fn rule_0_9_input_order_is_free() {
    let mut e = Endpoint::new(DROP);
    let first = "h_bucket{job_id=\"a\",le=\"1\"} 1\nm_total{job_id=\"a\",q=\"x\"} 1\n# TYPE m_total counter\n\
                 h_bucket{job_id=\"a\",le=\"+Inf\"} 2\nh_count{job_id=\"a\"} 2\nm_total{job_id=\"b\",q=\"x\"} 1\n\
                 # TYPE h histogram\nh_sum{job_id=\"a\"} 3\n";
    e.scrape(first);
    let second = first.replace("} 1\n", "} 2\n").replace("} 2\nm_total{job_id=\"b\"", "} 3\nm_total{job_id=\"b\"");
    let out = e.scrape(&second);
    assert_eq!(value(&out, M), 2.0, "{out}");
    assert_eq!(out.matches("h_bucket{le=\"1\"}").count(), 1, "{out}");
    assert!(!out.contains("job_id"), "{out}");
}

#[test]
fn rule_0_9_without_a_policy_no_order_makes_a_long_body_fail() {
    let mut e = Endpoint::new("policies: []");
    e.limits.hold_output = 100;
    let body = "u_sum 1\nu_count 1\nh_bucket{le=\"+Inf\"} 1\na 1\nh_count 1\nu_sum{x=\"1\"} 1\n".to_owned()
        + &"# a comment that makes the body longer than what is held\n".repeat(9)
        + "# TYPE h histogram\n# TYPE a gauge\nh_sum 1\n";
    for _ in 0..3 {
        assert_eq!(e.scrape(&body), body);
    }
}

#[test]
fn a_body_that_is_annotated_already_is_left_as_it_is() {
    let body =
        "a 1\n# TYPE cardinality_guard_scrape_series_received gauge\ncardinality_guard_scrape_series_received 1\n";
    let mut e = Endpoint::new(DROP);
    e.annotate = Annotate::Yes;
    for _ in 0..3 {
        assert_eq!(e.scrape(body), body);
    }
    assert!(e.scrape("a 1").starts_with("a 1\n# HELP cardinality_guard_scrape_series_received"));
}

#[test]
fn rule_0_10_of_a_series_twice_the_first_wins() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 10.0)]));
    let body = format!("{}m_total{{q=\"x\",job_id=\"a\"}} 99\n", m(&[("a", 13.0), ("a", 50.0)]));
    let (out, report) = e.try_scrape(&body, BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, M), 3.0);
    assert_eq!(report.input_duplicates, 2);
    assert_eq!(report.received, 1);
}

#[test]
fn rule_0_11_an_untouched_series_with_the_groups_labels_is_a_member() {
    let mut e = Endpoint::new(DROP);
    let alone = "# TYPE m_total counter\nm_total{q=\"x\",tenant_id=\"\"} 5000\n";
    assert_eq!(e.scrape(alone), alone, "alone it passes raw");
    let both = "# TYPE m_total counter\nm_total{q=\"x\",tenant_id=\"\"} 5003\nm_total{q=\"x\",job_id=\"a\"} 4\n";
    let out = e.scrape(both);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(value(&out, M), 0.0, "a clean reset first");
    assert_eq!(e.value(M, both), 7.0, "and nothing is missed");
    let out = e.scrape(&alone.replace("5000", "5010"));
    assert_eq!(value(&out, M), 14.0, "from then on it stays a fold");
    assert!(!out.contains("5010"), "{out}");
    e.reload("policies: [{name: other, match: z, labels: [{label: job_id, action: drop}]}]");
    assert_eq!(e.value(M, &alone.replace("5000", "5011")), 15.0, "also after a reload that lets go of it");
}

#[test]
fn rule_0_11_the_order_of_the_two_does_not_matter() {
    let mut e = Endpoint::new(DROP);
    let both = "# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 4\nm_total{q=\"x\"} 3\n";
    let out = e.scrape(both);
    assert_eq!(out, "# TYPE m_total counter\nm_total{q=\"x\"} 0\n");
}

#[test]
fn rule_1_1_the_first_scrape_is_the_baseline() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 5000.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 5007.0)])), 7.0);
}

#[test]
fn rule_1_2_a_member_never_seen_counts_from_zero() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 5000.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 5000.0), ("b", 1.0)])), 1.0);
    assert_eq!(e.value(M, &m(&[("a", 5000.0), ("b", 1.0), ("c", 3.0)])), 4.0);
}

#[test]
fn rule_1_3_a_fall_is_a_reset() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 100.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 104.0)])), 4.0);
    assert_eq!(e.value(M, &m(&[("a", 3.0)])), 7.0);
}

#[test]
fn rule_1_4_a_process_that_restarted_counts_from_zero_though_values_rose() {
    let body = |a: f64, start: f64| format!("{}process_start_time_seconds {start}\n", m(&[("a", a)]));
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &body(10.0, 1000.0)), 0.0);
    assert_eq!(e.value(M, &body(40.0, 2000.0)), 40.0);
    let mut e = Endpoint::new(DROP);
    e.scrape(&body(10.0, 1000.0));
    assert_eq!(e.value(M, &body(12.0, 1001.0)), 2.0, "a second of jitter is no restart");
}

#[test]
fn rule_1_4_a_restart_reaches_members_that_are_absent() {
    let body = |members: &[(&str, f64)], start: f64| format!("process_start_time_seconds {start}\n{}", m(members));
    let mut e = Endpoint::new(DROP);
    e.scrape(&body(&[("a", 10.0), ("b", 50.0)], 1000.0));
    assert_eq!(e.value(M, &body(&[("a", 1.0)], 2000.0)), 1.0);
    assert_eq!(e.value(M, &body(&[("a", 1.0), ("b", 60.0)], 2000.0)), 61.0);
}

#[test]
fn rule_1_5_a_newer_created_is_a_reset_though_the_value_rose() {
    let body = |value: f64, created: f64| {
        format!(
            "# TYPE m_total counter\nm_total{{q=\"x\",job_id=\"a\"}} {value}\n\
             # TYPE m_created gauge\nm_created{{q=\"x\",job_id=\"a\"}} {created}\n"
        )
    };
    let mut e = Endpoint::new(DROP);
    e.scrape(&body(10.0, 100.0));
    assert_eq!(e.value(M, &body(12.0, 100.0)), 2.0);
    assert_eq!(e.value(M, &body(40.0, 200.0)), 42.0);
}

#[test]
fn rule_1_6_a_missing_member_changes_nothing() {
    let mut e = Endpoint::new(DROP);
    assert_eq!(e.value(M, &m(&[("a", 10.0), ("b", 1.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 12.0), ("b", 2.0)])), 3.0);
    assert_eq!(e.value(M, &m(&[("a", 13.0)])), 4.0);
    assert_eq!(e.value(M, "# TYPE m_total counter\n"), 4.0);
    assert_eq!(e.value(M, &m(&[("z", 1.0)])), 5.0);
}

#[test]
fn rule_1_7_members_age_on_the_endpoint_clock_and_an_outage_ages_nothing() {
    let mut e =
        Endpoint::new("policies: [{name: p, member_ttl: 10m, hold: 0s, labels: [{label: job_id, action: drop}]}]");
    e.scrape(&m(&[("a", 100.0), ("b", 1.0)]));
    e.wait(24 * 3600);
    assert_eq!(e.value(M, &m(&[("a", 105.0), ("b", 1.0)])), 5.0, "remembered over the outage");
    for _ in 0..60 {
        e.scrape(&m(&[("b", 1.0)]));
    }
    let (out, report) = e.try_scrape(&m(&[("a", 105.0), ("b", 1.0)]), BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, M), 5.0, "rule 1.7b: evicted, but its fingerprint says that it is old");
    assert_eq!(report.rebaselined, 1);
}

#[test]
fn rule_1_7_the_limit_evicts_the_longest_absent_and_none_that_is_present() {
    let mut e = Endpoint::new(DROP);
    e.limits.members = 10;
    let old: Vec<(String, f64)> = (0..8).map(|i| (format!("old{i}"), 1.0)).collect();
    let new: Vec<(String, f64)> = (0..20).map(|i| (format!("new{i}"), 1.0)).collect();
    let body = |members: &[(String, f64)]| m(&members.iter().map(|(n, v)| (n.as_str(), *v)).collect::<Vec<_>>());
    e.scrape(&body(&old));
    let (out, report) = e.try_scrape(&body(&new), BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, M), 20.0);
    assert_eq!(report.members_evicted, 8);
    assert_eq!(report.members, 20, "one scrape alone holds more: the limit yields");
    assert_eq!(e.value(M, &body(&new)), 20.0);
}

#[test]
fn rule_1_8_other_label_names_on_the_whole_family_are_a_baseline() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 50_000.0)]));
    let renamed = "# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\",region=\"eu\"} 50003\n";
    let (out, report) = e.try_scrape(renamed, BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, "m_total{q=\"x\",region=\"eu\"}"), 0.0);
    assert_eq!(report.rebaselined, 1);
    assert_eq!(e.value("m_total{q=\"x\",region=\"eu\"}", &renamed.replace("50003", "50010")), 7.0);
}

#[test]
fn rule_1_8_what_comes_back_after_other_label_names_is_a_baseline_too() {
    let mut e = Endpoint::new("policies: [{name: p, hold: 0s, labels: [{label: 'job_id|region', action: drop}]}]");
    let with_region = |v: f64| m(&[("a", v)]).replace("q=", "region=\"eu\",q=");
    e.scrape(&m(&[("a", 50_000.0)]));
    assert_eq!(e.value(M, &with_region(50_003.0)), 0.0);
    assert_eq!(e.value(M, &with_region(50_007.0)), 4.0);
    assert_eq!(e.value(M, &m(&[("a", 50_009.0)])), 4.0, "known, but what it did meanwhile is counted already");
    assert_eq!(e.value(M, &m(&[("a", 50_010.0)])), 5.0);
    let both = |v: f64| format!("{}m_total{{q=\"x\"}} {v}\n", m(&[("a", 50_010.0)]));
    assert_eq!(e.value(M, &both(2.0)), 7.0, "not the whole family: a birth");
    assert_eq!(e.value(M, "# TYPE m_total counter\nm_total{q=\"x\"} 5\n"), 10.0, "nor is this a change");
}

#[test]
fn rule_1_8_other_values_alone_are_churn() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 50.0)]));
    assert_eq!(e.value(M, &m(&[("b", 3.0)])), 3.0);
}

#[test]
fn rule_1_9_something_old_that_moved_in_is_a_baseline() {
    let body = |members: &[(&str, f64, f64)]| {
        let mut values = String::from("# TYPE m_total counter\n");
        let mut created = String::from("# TYPE m_created gauge\n");
        for (job, value, at) in members {
            values.push_str(&format!("m_total{{q=\"x\",job_id=\"{job}\"}} {value}\n"));
            created.push_str(&format!("m_created{{q=\"x\",job_id=\"{job}\"}} {at}\n"));
        }
        values + &created
    };
    let mut e = Endpoint::new(DROP);
    e.scrape(&body(&[("a", 1.0, 500.0)]));
    assert_eq!(e.value(M, &body(&[("a", 1.0, 500.0), ("b", 90_000.0, 400.0)])), 0.0);
    assert_eq!(e.value(M, &body(&[("a", 1.0, 500.0), ("b", 90_002.0, 400.0), ("c", 3.0, 600.0)])), 5.0);
}

#[test]
fn rule_1_10_what_no_counter_can_hold_is_as_if_absent() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 10.0)]));
    for bad in ["NaN", "+Inf", "-Inf", "-1"] {
        let body = format!("# TYPE m_total counter\nm_total{{q=\"x\",job_id=\"a\"}} {bad}\n");
        let (out, report) = e.try_scrape(&body, BodyEnd::Framed).unwrap();
        assert_eq!(value(&out, M), 0.0, "{bad}");
        assert_eq!(report.bad_samples.iter().map(|(_, n)| n).sum::<u64>(), 1, "{bad}");
    }
    assert_eq!(e.value(M, &m(&[("a", 12.0)])), 2.0);
}

#[test]
fn rule_1_11_an_accumulator_starts_again_before_it_loses_ones() {
    let mut e = Endpoint::new(DROP);
    let big = 4_503_599_627_370_490.0;
    e.scrape(&m(&[("a", 0.0)]));
    assert_eq!(e.value(M, &m(&[("a", big)])), big);
    assert_eq!(e.value(M, &m(&[("a", big + 8.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", big + 9.0)])), 1.0);
}

#[test]
fn rule_1_12_fractions_never_make_a_sum_fall() {
    let mut e = Endpoint::new(DROP);
    let mut before = 0.0;
    for i in 0..200u32 {
        let members: Vec<(String, f64)> =
            (0..7).map(|j| (format!("j{j}"), f64::from(i) * 0.1 * f64::from(j))).collect();
        let now = e.value(M, &m(&members.iter().map(|(n, v)| (n.as_str(), *v)).collect::<Vec<_>>()));
        assert!(now >= before, "{now} < {before}");
        before = now;
    }
}

const HOLD_3: &str = "policies: [{name: p, hold: 3s, labels: [{label: job_id, action: drop}]}]";

#[test]
fn rule_2_1_a_newborn_group_shows_zero_first() {
    let y = |value: f64| format!("# TYPE m_total counter\nm_total{{q=\"y\",job_id=\"a\"}} {value}\n");
    let mut e = Endpoint::new(HOLD_3);
    let series = "m_total{q=\"y\"}";
    e.scrape("# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 1\n");
    assert_eq!(e.value(series, &y(5.0)), 0.0);
    e.now -= Duration::from_secs(13);
    assert_eq!(e.value(series, &y(5.0)), 0.0, "2 s later");
    assert_eq!(e.value(series, &y(6.0)), 6.0);
}

#[test]
fn rule_2_2_hold_follows_the_slowest_regular_client_and_the_first_exposure_is_zero() {
    let auto = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";
    let x = "# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 1\n";
    let both = format!("{x}m_total{{q=\"y\",job_id=\"a\"}} 5\n");
    let series = "m_total{q=\"y\"}";
    let mut e = Endpoint::new(auto);
    for _ in 0..4 {
        e.scrape(x);
    }
    assert_eq!(e.value(series, &both), 0.0);
    assert_eq!(e.value(series, &both), 0.0, "15 s");
    assert_eq!(e.value(series, &both), 5.0, "30 s: twice the interval");
    let mut e = Endpoint::new(DROP);
    e.scrape(x);
    assert_eq!(e.value(series, &both), 0.0, "hold: 0s too");
    assert_eq!(e.value(series, &both), 5.0);
}

#[test]
fn rule_7_3_a_hold_that_grows_takes_back_nothing_that_was_shown() {
    let x = "# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 1\n";
    let both = format!("{x}m_total{{q=\"y\",job_id=\"a\"}} 5\n");
    let series = "m_total{q=\"y\"}";
    let mut e = Endpoint::new("policies: [{name: p, labels: [{label: job_id, action: drop}]}]");
    for _ in 0..4 {
        e.scrape(x);
    }
    assert_eq!([(); 3].map(|()| e.value(series, &both)), [0.0, 0.0, 5.0]);
    e.wait(100);
    assert_eq!([(); 3].map(|()| e.value(series, &both)), [5.0; 3], "the longest gap is 115 s now");
}

#[test]
fn rule_2_3_a_group_without_members_stays_frozen() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 1.0)]));
    e.scrape(&m(&[("a", 3.0)]));
    let (out, report) = e.try_scrape("# TYPE m_total counter\n", BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, M), 2.0);
    assert_eq!(report.frozen, 1);
    assert_eq!(report.forwarded, 1);
}

#[test]
fn rule_2_4_a_group_is_evicted_after_its_ttl_and_comes_back_at_zero() {
    let mut e = Endpoint::new(
        "policies: [{name: p, hold: 0s, group_ttl: 5m, member_ttl: 2m, labels: [{label: job_id, action: drop}]}]",
    );
    e.scrape(&m(&[("a", 1.0)]));
    e.scrape(&m(&[("a", 3.0)]));
    for _ in 0..30 {
        e.scrape("other 1\n");
    }
    assert!(!has(&e.scrape("other 1\n"), M));
    assert_eq!(e.value(M, &m(&[("n", 4.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("n", 4.0)])), 4.0);
}

#[test]
fn rule_3_1_gauges_aggregate_the_members_of_this_scrape() {
    let mut e = Endpoint::new(DROP);
    let g = |members: &str| format!("# TYPE g gauge\n{members}");
    assert_eq!(e.value("g", &g("g{job_id=\"a\"} 2\ng{job_id=\"b\"} 3\n")), 5.0);
    assert_eq!(e.value("g", &g("g{job_id=\"b\"} 4\n")), 4.0);
    assert!(!has(&e.scrape(&g("")), "g"));
}

#[test]
fn rule_3_1_the_policy_chooses_the_aggregate() {
    let body = "# TYPE g gauge\ng{job_id=\"a\"} 2\ng{job_id=\"b\"} 4\n";
    for (with, expected) in [("sum", 6.0), ("max", 4.0), ("min", 2.0), ("avg", 3.0), ("count", 2.0)] {
        let policy = format!(
            "policies: [{{name: p, labels: [{{label: job_id, action: drop}}], aggregate: [{{metric: g, with: {with}}}]}}]"
        );
        assert_eq!(Endpoint::new(&policy).value("g", body), expected, "{with}");
    }
}

#[test]
fn rule_3_2_timestamps_fold_to_the_latest() {
    let mut e = Endpoint::new(DROP);
    let body = "# TYPE last_timestamp_seconds gauge\nlast_timestamp_seconds{job_id=\"a\"} 170\n\
                last_timestamp_seconds{job_id=\"b\"} 180\n";
    assert_eq!(e.value("last_timestamp_seconds", body), 180.0);
}

#[test]
fn rule_3_3_nan_spoils_a_gauge_sum() {
    let mut e = Endpoint::new(DROP);
    assert!(e.value("g", "# TYPE g gauge\ng{job_id=\"a\"} NaN\ng{job_id=\"b\"} 4\n").is_nan());
}

/// A histogram member: buckets 1, 10, +Inf, then sum and count.
fn h(job: &str, buckets: [f64; 3], sum: f64) -> String {
    let [one, ten, inf] = buckets;
    format!(
        "h_bucket{{job_id=\"{job}\",le=\"1\"}} {one}\nh_bucket{{job_id=\"{job}\",le=\"10\"}} {ten}\n\
         h_bucket{{job_id=\"{job}\",le=\"+Inf\"}} {inf}\nh_sum{{job_id=\"{job}\"}} {sum}\nh_count{{job_id=\"{job}\"}} {inf}\n"
    )
}

const H: &str = "# TYPE h histogram\n";

#[test]
fn rule_3_4_a_histogram_member_resets_as_a_whole() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&format!("{H}{}", h("a", [5.0, 8.0, 10.0], 50.0)));
    let out = e.scrape(&format!("{H}{}", h("a", [6.0, 6.0, 12.0], 60.0)));
    assert_eq!(value(&out, "h_bucket{le=\"1\"}"), 6.0, "one bucket fell, so all count from 0");
    assert_eq!(value(&out, "h_bucket{le=\"10\"}"), 6.0);
    assert_eq!(value(&out, "h_bucket{le=\"+Inf\"}"), 12.0);
    assert_eq!(value(&out, "h_count"), 12.0);
    assert_eq!(value(&out, "h_sum"), 60.0);
}

#[test]
fn rule_3_5_a_sum_that_falls_is_no_reset() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&format!("{H}{}", h("a", [5.0, 8.0, 10.0], 50.0)));
    let out = e.scrape(&format!("{H}{}", h("a", [6.0, 9.0, 11.0], 40.0)));
    assert_eq!(value(&out, "h_sum"), -10.0);
    assert_eq!(value(&out, "h_count"), 1.0);
}

#[test]
fn rule_3_6_le_is_a_number_printed_as_first_seen() {
    let mut e = Endpoint::new(DROP);
    let python = h("b", [1.0, 1.0, 1.0], 1.0).replace("le=\"1\"", "le=\"1.0\"").replace("le=\"10\"", "le=\"10.0\"");
    e.scrape(&format!("{H}{}{python}", h("a", [1.0, 1.0, 1.0], 1.0)));
    let python = python.replace("} 1\n", "} 3\n");
    let out = e.scrape(&format!("{H}{}{python}", h("a", [1.0, 1.0, 1.0], 1.0)));
    assert_eq!(value(&out, "h_bucket{le=\"1\"}"), 2.0, "{out}");
    assert!(!out.contains("1.0\""), "{out}");
}

#[test]
fn rule_3_7_only_common_boundaries_are_exposed() {
    let mut e = Endpoint::new(DROP);
    let fine = "h_bucket{job_id=\"b\",le=\"1\"} 1\nh_bucket{job_id=\"b\",le=\"5\"} 1\n\
                h_bucket{job_id=\"b\",le=\"+Inf\"} 2\nh_sum{job_id=\"b\"} 9\nh_count{job_id=\"b\"} 2\n";
    let body = format!("{H}{}{fine}", h("a", [1.0, 2.0, 3.0], 9.0));
    let (out, report) = e.try_scrape(&body, BodyEnd::Framed).unwrap();
    assert!(has(&out, "h_bucket{le=\"1\"}") && has(&out, "h_bucket{le=\"+Inf\"}"), "{out}");
    assert!(!out.contains("le=\"10\"") && !out.contains("le=\"5\""), "{out}");
    assert!(report.bucket_layout_conflicts > 0);
    let out = e.scrape(&format!("{H}{}", h("a", [1.0, 2.0, 3.0], 9.0)));
    assert!(!out.contains("le=\"10\""), "a dropped boundary stays out: {out}");
}

#[test]
fn rule_3_7_pinned_boundaries() {
    let mut e =
        Endpoint::new("policies: [{name: p, labels: [{label: job_id, action: drop}], histogram_buckets: [10, 60]}]");
    let out = e.scrape(&format!("{H}{}", h("a", [1.0, 2.0, 3.0], 9.0)));
    assert!(out.contains("le=\"10\"") && !out.contains("le=\"1\"") && !out.contains("le=\"60\""), "{out}");
}

#[test]
fn rule_3_8_infinity_and_count_stand_in_for_each_other_and_must_agree() {
    let mut e = Endpoint::new(DROP);
    let without_inf = |n: f64| {
        h("a", [n, n, n], n).lines().filter(|l| !l.contains("+Inf")).map(|l| format!("{l}\n")).collect::<String>()
    };
    e.scrape(&format!("{H}{}", without_inf(1.0)));
    let out = e.scrape(&format!("{H}{}", without_inf(4.0)));
    assert_eq!(value(&out, "h_bucket{le=\"+Inf\"}"), 3.0);
    let broken = h("a", [9.0, 9.0, 9.0], 9.0).replace("h_count{job_id=\"a\"} 9", "h_count{job_id=\"a\"} 8");
    let (out, report) = e.try_scrape(&format!("{H}{broken}"), BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, "h_count"), 3.0);
    assert_eq!(report.bad_samples.len(), 1);
    assert_eq!(value(&e.scrape(&format!("{H}{}", without_inf(5.0))), "h_count"), 4.0);
}

#[test]
fn rule_3_9_a_summary_keeps_sum_and_count_and_loses_its_quantiles() {
    let s = |n: f64| {
        format!(
            "# TYPE s summary\ns{{job_id=\"a\",quantile=\"0.5\"}} 1\ns_sum{{job_id=\"a\"}} {n}\ns_count{{job_id=\"a\"}} {n}\n"
        )
    };
    let mut e = Endpoint::new(DROP);
    e.scrape(&s(10.0));
    let (out, report) = e.try_scrape(&s(12.0), BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, "s_sum"), 2.0);
    assert_eq!(value(&out, "s_count"), 2.0);
    assert!(!out.contains("quantile"), "{out}");
    assert!(report.dropped_by.iter().any(|d| d.cause.action.as_str() == "quantile" && d.count == 1));
    let untouched = "# TYPE t summary\nt{quantile=\"0.5\"} 1\nt_sum 1\nt_count 1\n";
    assert!(e.scrape(untouched).contains("t{quantile=\"0.5\"} 1"));
}

#[test]
fn rule_3_10_info_is_one() {
    let mut e = Endpoint::new(DROP);
    let body =
        "# TYPE app_info gauge\napp_info{job_id=\"a\",version=\"1\"} 1\napp_info{job_id=\"b\",version=\"1\"} 1\n";
    assert_eq!(e.value("app_info{version=\"1\"}", body), 1.0);
}

#[test]
fn rule_3_11_a_folded_state_set_is_a_gauge_that_counts() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    let body = "# TYPE s stateset\ns{job_id=\"a\",s=\"on\"} 1\ns{job_id=\"a\",s=\"off\"} 0\n\
                s{job_id=\"b\",s=\"on\"} 1\ns{job_id=\"b\",s=\"off\"} 0\n# TYPE t stateset\nt{t=\"on\"} 1\n# EOF\n";
    let folded = "# TYPE s gauge\ns{s=\"on\"} 2\ns{s=\"off\"} 0\n# TYPE t stateset\nt{t=\"on\"} 1\n# EOF\n";
    assert_eq!(e.scrape(body), folded);
    assert_eq!(e.scrape(body), folded);
}

#[test]
fn rule_3_12_gauge_histograms_are_summed_per_scrape() {
    let g = |n: f64| {
        format!(
            "# TYPE g histogram\ng_bucket{{job_id=\"a\",le=\"1\"}} {n}\ng_bucket{{job_id=\"a\",le=\"+Inf\"}} {n}\n\
             # TYPE g_gcount gauge\ng_gcount{{job_id=\"a\"}} {n}\n# TYPE g_gsum gauge\ng_gsum{{job_id=\"a\"}} {n}\n"
        )
    };
    let mut e = Endpoint::new(DROP);
    e.scrape(&g(5.0));
    let out = e.scrape(&g(3.0));
    assert_eq!(value(&out, "g_bucket{le=\"1\"}"), 3.0);
    assert_eq!(value(&out, "g_gcount"), 3.0);
}

#[test]
fn rule_3_13_untyped_totals_are_cumulative() {
    let mut e = Endpoint::new(DROP);
    e.scrape("u_total{job_id=\"a\"} 10\nv{job_id=\"a\"} 10\n");
    let out = e.scrape("u_total{job_id=\"a\"} 12\nv{job_id=\"a\"} 12\n");
    assert_eq!(value(&out, "u_total"), 2.0);
    assert_eq!(value(&out, "v"), 12.0);
}

#[test]
fn rule_3_13_untyped_parts_that_go_together_are_cumulative() {
    let u = |n: f64| {
        format!(
            "w_count{{job_id=\"z\"}} {n}\nu_bucket{{job_id=\"a\",le=\"+Inf\"}} {n}\nu_sum{{job_id=\"a\"}} {n}\nu_count{{job_id=\"a\"}} {n}\n"
        )
    };
    let mut e = Endpoint::new(DROP);
    e.scrape(&u(10.0));
    let out = e.scrape(&u(12.0));
    for part in ["u_bucket{le=\"+Inf\"}", "u_sum", "u_count"] {
        assert_eq!(value(&out, part), 2.0, "{part}");
    }
    assert_eq!(value(&out, "w_count"), 12.0, "a count that stands alone may count what is there");
}

#[test]
fn rule_3_14_another_type_starts_again_at_zero() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 10.0)]));
    assert_eq!(e.value(M, &m(&[("a", 15.0)])), 5.0);
    let gauge = m(&[("a", 7.0)]).replace("counter", "gauge");
    assert_eq!(e.value(M, &gauge), 7.0);
    assert_eq!(e.value(M, &m(&[("a", 20.0)])), 0.0);
}

#[test]
fn rule_3_15_created_gauges_go_with_the_members_they_are_of() {
    let body = "# TYPE m_total counter\nm_total{q=\"x\",job_id=\"a\"} 1\n# TYPE m_created gauge\nm_created{q=\"x\",job_id=\"a\"} 5\n";
    let mut e = Endpoint::new(DROP);
    let out = e.scrape(body);
    assert!(!out.contains("m_created{"), "{out}");
    let position = |what: &str| out.find(what).unwrap_or_else(|| panic!("{what} in {out}"));
    assert!(position(M) < position("# TYPE m_created"), "under its own TYPE: {out}");
}

#[test]
fn rule_4_1_created_never_leaves_a_fold() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    let body = "# TYPE m counter\nm_total{q=\"x\",job_id=\"a\"} 1\nm_created{q=\"x\",job_id=\"a\"} 5\n# EOF\n";
    let out = e.scrape(body);
    assert_eq!(out, "# TYPE m counter\nm_total{q=\"x\"} 0\n# EOF\n");
}

#[test]
fn rule_4_3_a_folded_line_has_one_exemplar_of_a_member_that_moved() {
    let mut e = Endpoint::with_format(DROP, Format::OpenMetrics);
    let body = |a: u32, b: u32| {
        format!(
            "# TYPE m counter\nm_total{{job_id=\"a\"}} {a} # {{trace=\"ta\"}} 1 50\n\
             m_total{{job_id=\"b\"}} {b} # {{trace=\"tb\"}} 1 60\n# EOF\n"
        )
    };
    e.scrape(&body(1, 1));
    assert_eq!(e.scrape(&body(2, 1)), "# TYPE m counter\nm_total 1 # {trace=\"ta\"} 1 50\n# EOF\n");
    assert_eq!(e.scrape(&body(3, 2)), "# TYPE m counter\nm_total 3 # {trace=\"tb\"} 1 60\n# EOF\n");
    assert_eq!(e.scrape(&body(3, 2)), "# TYPE m counter\nm_total 3\n# EOF\n");
}

/// A member's line with an explicit timestamp.
fn stamped(value: f64, stamp: i64) -> String {
    format!("# TYPE m_total counter\nm_total{{q=\"x\",job_id=\"a\"}} {value} {stamp}\n")
}

#[test]
fn rule_4_4_explicit_timestamps_are_dropped() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&stamped(10.0, 1000));
    let out = e.scrape(&stamped(12.0, 2000));
    assert!(out.ends_with("m_total{q=\"x\"} 2\n"), "{out}");
}

#[test]
fn rule_4_5_a_sample_older_than_its_members_last_one_is_ignored() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&stamped(10.0, 1000));
    e.scrape(&stamped(12.0, 2000));
    let (out, report) = e.try_scrape(&stamped(11.0, 1500), BodyEnd::Framed).unwrap();
    assert_eq!(value(&out, M), 2.0);
    assert_eq!(report.bad_samples.len(), 1);
    assert_eq!(e.value(M, &stamped(13.0, 3000)), 3.0);
}

#[test]
fn rule_5_7_a_reload_that_changes_grouping_moves_nothing() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 10.0)]));
    assert_eq!(e.value(M, &m(&[("a", 15.0)])), 5.0);
    e.reload("policies: [{name: p, hold: 0s, labels: [{label: 'job_id|q', action: drop}]}]");
    let out = e.scrape(&m(&[("a", 17.0)]));
    assert_eq!(value(&out, M), 5.0, "the old group freezes");
    assert_eq!(value(&out, "m_total"), 0.0, "the new one is born at 0");
    let out = e.scrape(&m(&[("a", 18.0)]));
    assert_eq!((value(&out, M), value(&out, "m_total")), (5.0, 3.0));
}

#[test]
fn rule_5_8_a_family_touched_for_the_first_time_is_a_baseline() {
    let mut e = Endpoint::new("policies: [{name: p, match: other, labels: [{label: job_id, action: drop}]}]");
    assert!(e.scrape(&m(&[("a", 50_000.0)])).contains("50000"));
    e.reload(DROP);
    assert_eq!(e.value(M, &m(&[("a", 50_004.0)])), 0.0);
    assert_eq!(e.value(M, &m(&[("a", 50_006.0)])), 2.0);
}

#[test]
fn rule_3_8_a_histogram_without_a_count_counts_each_increment_once() {
    let mut e = Endpoint::new(DROP);
    let body = |n: f64| format!("{H}h_bucket{{job_id=\"a\",le=\"+Inf\"}} {n}\n");
    assert_eq!(value(&e.scrape(&body(10.0)), "h_count"), 0.0);
    assert_eq!(value(&e.scrape(&body(11.0)), "h_count"), 1.0);
    assert_eq!(value(&e.scrape(&body(12.0)), "h_count"), 2.0);
}

#[test]
fn rule_3_9_a_summary_with_a_sum_alone() {
    let mut e = Endpoint::new(DROP);
    let shown: Vec<f64> = [5.0, 5.0, 6.0, 6.0, 7.0]
        .map(|v| value(&e.scrape(&format!("# TYPE s summary\ns_sum{{job_id=\"a\"}} {v}\n")), "s_sum"))
        .into();
    assert_eq!(shown, [0.0, 0.0, 1.0, 1.0, 2.0]);
}

#[test]
fn rule_1_10_a_histogram_survives_what_is_no_number() {
    let mut e = Endpoint::new(DROP);
    e.scrape(&format!("{H}{}", h("a", [1.0, 2.0, 3.0], 4.0)));
    let good = h("a", [2.0, 3.0, 4.0], 5.0);
    for (from, to) in [("h_count{job_id=\"a\"} 4", "h_count{job_id=\"a\"} NaN"), ("le=\"1\"} 2", "le=\"1\"} NaN")] {
        e.scrape(&format!("{H}{}", good.replace(from, to)));
    }
    e.scrape(&format!("{H}{}", good.replace("h_sum{job_id=\"a\"} 5", "h_sum{job_id=\"a\"} +Inf")));
    let out = e.scrape(&format!("{H}{}", h("a", [3.0, 4.0, 5.0], 6.0)));
    assert_eq!((value(&out, "h_count"), value(&out, "h_sum")), (2.0, 2.0), "{out}");
    assert_eq!(value(&out, "h_bucket{le=\"1\"}"), 2.0);
}

#[test]
fn rule_3_7_a_member_that_changes_its_boundaries() {
    let mut e = Endpoint::new(DROP);
    let body = |le: &str, n: f64| h("a", [n, n, n], n).replace("le=\"10\"", &format!("le=\"{le}\""));
    e.scrape(&format!("{H}{}", body("10", 10.0)));
    e.scrape(&format!("{H}{}", body("10", 20.0)));
    let out = e.scrape(&format!("{H}{}", body("5", 30.0)));
    assert!(!out.contains("le=\"10\""), "{out}");
    assert_eq!(value(&out, "h_bucket{le=\"1\"}"), 20.0);
}

#[test]
fn rule_1_4_only_the_sample_without_labels_tells_and_only_a_number() {
    let mut e = Endpoint::new(DROP);
    let body = |starts: &str, v: f64| format!("{starts}{}", m(&[("a", v)]));
    let pids =
        |a, b| format!("process_start_time_seconds{{pid=\"1\"}} {a}\nprocess_start_time_seconds{{pid=\"2\"}} {b}\n");
    e.scrape(&body(&pids(1000, 9000), 100.0));
    assert_eq!(e.value(M, &body(&pids(9000, 1000), 101.0)), 1.0);
    let mut e = Endpoint::new(DROP);
    e.scrape(&body("process_start_time_seconds 1000\n", 100.0));
    for i in 1..4 {
        assert_eq!(e.value(M, &body("process_start_time_seconds +Inf\n", 100.0 + f64::from(i))), f64::from(i));
    }
}

#[test]
fn rule_2_4_a_member_goes_with_its_group_and_never_leaves_raw() {
    let mut e =
        Endpoint::new("policies: [{name: p, hold: 0s, group_ttl: 1m, labels: [{label: job_id, action: drop}]}]");
    e.scrape(&m(&[("a", 100.0)]));
    for _ in 0..12 {
        e.scrape("other 1\n");
    }
    let out = e.scrape(&m(&[("a", 107.0)]));
    assert!(!out.contains("job_id"), "{out}");
    assert_eq!(value(&out, M), 0.0);
}

#[test]
fn rule_3_14_a_type_line_that_goes_and_comes() {
    let mut e = Endpoint::new(DROP);
    let parts = |n: f64| format!("s_count{{job_id=\"a\"}} {n}\ns_sum{{job_id=\"a\"}} {n}\n");
    e.scrape(&format!("# TYPE s summary\n{}", parts(5.0)));
    let shown: Vec<f64> = [1_000_006.0, 1_000_007.0, 1_000_008.0]
        .map(|n| {
            let out = e.scrape(&parts(n));
            assert_eq!(out.matches("s_count").count(), 1, "{out}");
            value(&out, "s_count")
        })
        .into();
    assert_eq!(shown, [0.0, 1.0, 2.0]);
    let out = e.scrape(&format!("# TYPE s summary\n{}", parts(1_000_009.0)));
    assert_eq!((value(&out, "s_count"), out.matches("s_count").count()), (0.0, 1), "{out}");
}

#[test]
fn rule_5_8_what_was_shown_raw_is_no_increase_when_the_policy_returns() {
    let other = "policies: [{name: other, match: z, labels: [{label: job_id, action: drop}]}]";
    let mut e = Endpoint::new(DROP);
    e.scrape(&m(&[("a", 5.0)]));
    assert_eq!(e.value(M, &m(&[("a", 7.0)])), 2.0);
    e.reload(other);
    for v in [500.0, 1000.0] {
        assert!(e.scrape(&m(&[("a", v)])).contains("job_id"));
    }
    e.reload(DROP);
    assert_eq!(e.value(M, &m(&[("a", 1001.0)])), 2.0);
    assert_eq!(e.value(M, &m(&[("a", 1003.0)])), 4.0);
}

#[test]
fn rule_0_9_folds_stand_under_their_own_type_whatever_the_order_of_metadata() {
    let mut e = Endpoint::new(DROP);
    let body = "# HELP a x\n# HELP b x\n# TYPE a counter\n# TYPE b counter\na{job_id=\"1\"} 1\nb{job_id=\"2\"} 1\n";
    let expected = "# HELP a x\n# HELP b x\n# TYPE a counter\n# TYPE b counter\na 0\nb 0\n";
    assert_eq!(e.scrape(body), expected);
    assert_eq!(e.scrape(body), expected);
    let mut e = Endpoint::new(DROP);
    e.scrape("b{job_id=\"1\"} 2\n# TYPE a gauge\na{job_id=\"1\"} 1\n");
    assert_eq!(e.scrape("# TYPE a gauge\na{job_id=\"1\"} 1\nb{job_id=\"1\"} 2\n"), "# TYPE a gauge\na 1\nb 2\n");
}

/// A rule that reads what tells the lines of a histogram apart takes the histogram apart.
#[test]
fn rule_3_4_a_member_whose_lines_go_to_several_groups_is_bad_in_every_scrape() {
    const SPLIT: &str = "policies:\n  - {name: ids, labels: [{label: job_id, action: drop}]}\n  - name: split\n    \
         metric_relabel_configs: [{source_labels: [le], regex: '1', target_label: speed, replacement: fast}]\n";
    let bodies = |n: f64| format!("{H}{}# TYPE c counter\nc_total{{job_id=\"a\"}} {n}\n", h("a", [n, n, n], n));
    let mut e = Endpoint::new(SPLIT);
    for n in [1.0, 5.0, 9.0] {
        let (out, report) = e.try_scrape(&bodies(n), BodyEnd::Framed).unwrap();
        assert_eq!(report.bad_samples, [(BadSample::Inconsistent, 1)], "{out}");
        assert!(!out.contains(" 5") && !out.contains("h_count 4"), "{out}");
        assert_eq!(value(&out, "c_total"), n - 1.0, "the others go on");
    }
    // Under a policy that leaves it whole it is as good as born.
    e.reload(DROP);
    assert_eq!(value(&e.scrape(&bodies(10.0)), "h_count"), 10.0);
    let (out, report) = e.try_scrape(&bodies(12.0), BodyEnd::Framed).unwrap();
    assert_eq!((report.bad_samples.len(), value(&out, "h_count")), (0, 12.0), "{out}");
    // Lines known from before a reload that takes it apart are bad, too.
    e.reload(SPLIT);
    let (_, report) = e.try_scrape(&bodies(13.0), BodyEnd::Framed).unwrap();
    assert_eq!(report.bad_samples, [(BadSample::Inconsistent, 1)]);
}
