//! A state written down and read again is the state it was: what it answers next is byte for byte
//! what the one that never went away answers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Extent, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};
use proptest::prelude::*;

const POLICY: &str = "
policies:
  - name: job-ids
    match: '{__name__!=\"raw_total\"}'
    hold: 20s
    member_ttl: 100s
    group_ttl: 200s
    labels: [{label: job_id, action: drop}]
";

/// The bytes of a state, as a store would hold them.
#[derive(Default)]
struct Log(Vec<Vec<u8>>);

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    client: u64,
}

impl Log {
    fn keep(&mut self, state: &mut EndpointState) {
        let mut bytes = Vec::new();
        if state.changes(&mut bytes) == Extent::Whole {
            self.0.clear();
        }
        self.0.push(bytes);
    }

    fn restore(&self) -> Box<EndpointState> {
        EndpointState::restore(self.0.iter().map(Vec::as_slice)).unwrap()
    }
}

impl Endpoint {
    fn new(policy: &str, format: Format) -> Endpoint {
        Endpoint {
            state: Some(EndpointState::new(format, Seed::new(7))),
            plan: plan(policy),
            now: Duration::from_secs(5000),
            client: 0,
        }
    }

    /// Fails when the body is malformed, and then changes nothing.
    fn try_scrape(&mut self, gap: u64, body: &str) -> Result<String, String> {
        self.now += Duration::from_secs(gap);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: Limits::default(),
            now: self.now,
            wall_seconds: 1.7e9 + self.now.as_secs_f64(),
            client: self.client,
            annotate: Annotate::Yes,
            start: Start::Baseline,
            commons: None,
        };
        let mut guard = Guard::begin(self.state.take().unwrap(), scrape);
        let mut out = Vec::new();
        if let Err(error) = guard.push(body.as_bytes()) {
            self.state = Some(guard.abort());
            return Err(error.to_string());
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        report.map(|_| String::from_utf8(out).unwrap()).map_err(|e| e.to_string())
    }

    fn scrape(&mut self, gap: u64, body: &str) -> String {
        self.try_scrape(gap, body).unwrap()
    }

    fn state(&mut self) -> &mut EndpointState {
        self.state.as_mut().unwrap()
    }

    /// Dies and comes back from what was written; time goes on, but nobody saw it.
    fn restart(&mut self, log: &Log) {
        self.state = Some(log.restore());
        self.now += Duration::from_secs(99_999);
    }
}

fn plan(policy: &str) -> Arc<Plan> {
    let source = Source { name: "policy.yaml".into(), text: policy.into() };
    let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
    Arc::new(policies.plan(None, Mode::Enforce))
}

fn value(body: &str, series: &str) -> f64 {
    let line = body.lines().find(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{body}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

// ---------------------------------------------------------------------------------------------
// What is generated

#[derive(Clone, Debug)]
struct Step {
    series: Vec<(usize, u8, u8, u16)>,
    /// When the process says it began; 0 = it does not say.
    start: u16,
    gap: u64,
    event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Nothing,
    /// The process dies after this scrape.
    Restart,
    /// This body is cut: nothing may come of it.
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let series = prop::collection::vec((0usize..6, 0u8..5, 0u8..3, 0u16..40), 0..16);
    let event = prop_oneof![3 => Just(Event::Nothing), 2 => Just(Event::Restart), 1 => Just(Event::Cut)];
    let start = prop_oneof![4 => Just(1000u16), 1 => 1000u16..3000, 1 => Just(0)];
    let step =
        (series, start, 1u64..60, event).prop_map(|(series, start, gap, event)| Step { series, start, gap, event });
    prop::collection::vec(step, 2..14)
}

fn body(step: &Step) -> String {
    let mut body = String::new();
    if step.start > 0 {
        let _ = writeln!(body, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {}", step.start);
    }
    for (family, (name, kind)) in
        ["c_total counter", "raw_total counter", "g gauge", "h histogram", "s summary", "i_info gauge"]
            .map(|f| f.split_once(' ').unwrap())
            .into_iter()
            .enumerate()
    {
        let _ = writeln!(body, "# TYPE {name} {kind}");
        for &(_, job, q, v) in step.series.iter().filter(|s| s.0 == family) {
            // Job 4 has no job: a lone member of its group's own label set.
            let labels = if job == 4 { format!("q=\"{q}\"") } else { format!("job_id=\"{job}\",q=\"{q}\"") };
            lines(&mut body, name, kind, &labels, job, v);
        }
    }
    body
}

fn lines(body: &mut String, name: &str, kind: &str, labels: &str, job: u8, v: u16) {
    let stamp = if job == 1 { format!(" {}", 1_700_000_000_000u64 + u64::from(v)) } else { String::new() };
    let _ = match kind {
        "histogram" => {
            let least = if job == 2 { "0.5" } else { "1" };
            writeln!(
                body,
                "h_bucket{{{labels},le=\"{least}\"}} {}\nh_bucket{{{labels},le=\"+Inf\"}} {v}\n\
                 h_sum{{{labels}}} {}\nh_count{{{labels}}} {v}",
                v / 2,
                f64::from(v) * 0.1
            )
        }
        "summary" => writeln!(body, "s_sum{{{labels}}} {}\ns_count{{{labels}}} {v}", f64::from(v) * 0.1),
        _ => writeln!(body, "{name}{{{labels}}} {v}{stamp}"),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn rule_7_2_what_was_written_answers_as_what_never_went_away(steps in steps()) {
        let (mut control, mut durable) = (Endpoint::new(POLICY, Format::Text), Endpoint::new(POLICY, Format::Text));
        let mut log = Log::default();
        let mut stands_still = false;
        for (number, step) in steps.iter().enumerate() {
            let mut body = body(step);
            if step.event == Event::Cut {
                body.push_str("c_total{job_id=\"cut");
            }
            // No client is regular, so that `hold` means the same to both.
            (control.client, durable.client) = (number as u64, number as u64);
            let gap = if stands_still { 0 } else { step.gap };
            let (want, got) = (control.try_scrape(gap, &body), durable.try_scrape(step.gap, &body));
            prop_assert_eq!(&want, &got, "scrape {}", number);
            stands_still &= want.is_err();
            if want.is_ok() {
                log.keep(durable.state());
            }
            if step.event == Event::Restart && !log.0.is_empty() {
                durable.restart(&log);
                stands_still = true;
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// One case a rule

fn m(members: &[(&str, f64)]) -> String {
    let line = |(job, v): &(&str, f64)| format!("m_total{{job_id=\"{job}\",q=\"x\"}} {v}\n");
    "# TYPE m_total counter\n".to_owned() + &members.iter().map(line).collect::<String>()
}

const M: &str = "m_total{q=\"x\"}";

#[test]
fn rule_7_2_increments_over_the_restart_are_counted_once() {
    let (mut endpoint, mut log) = (Endpoint::new(POLICY, Format::Text), Log::default());
    for body in [m(&[("a", 5000.0)]), m(&[("a", 5007.0), ("b", 1.0)])] {
        endpoint.scrape(15, &body);
        log.keep(endpoint.state());
    }
    endpoint.restart(&log);
    let out = endpoint.scrape(15, &m(&[("a", 5010.0), ("b", 1.0), ("c", 2.0)]));
    assert_eq!(value(&out, M), 13.0, "7 + 1 before, 3 + 2 over the restart");
    assert_eq!(value(&out, "cardinality_guard_scrape_epoch_seconds"), 1.7e9 + 5015.0, "the same memory");
}

/// Found by the property above: the sweep asked where a group went that never came to be.
#[test]
fn rule_2_4_groups_of_a_broken_scrape_are_nobodys_when_others_leave() {
    let mut endpoint = Endpoint::new(POLICY, Format::Text);
    endpoint.scrape(15, &m(&[("a", 1.0)]));
    let cut =
        m(&[("a", 2.0)]) + "m_total{job_id=\"b\",q=\"y\"} 1\nm_total{job_id=\"c\",q=\"z\"} 1\nm_total{job_id=\"cut";
    assert!(endpoint.try_scrape(15, &cut).is_err());
    let other = "# TYPE n_total counter\nn_total{job_id=\"a\"} 1\n";
    for _ in 0..10 {
        endpoint.scrape(60, other);
    }
    assert!(!endpoint.scrape(15, other).contains("m_total"), "absent for longer than group_ttl");
    assert_eq!(value(&endpoint.scrape(15, &m(&[("a", 5.0)])), M), 0.0, "born again");
}

#[test]
fn rule_7_2_a_change_is_much_smaller_than_the_whole() {
    let (mut endpoint, mut log) = (Endpoint::new(POLICY, Format::Text), Log::default());
    let jobs: Vec<String> = (0..1000).map(|i| format!("job-{i}")).collect();
    let mut members: Vec<(&str, f64)> = jobs.iter().map(|j| (j.as_str(), 1.0)).collect();
    for _ in 0..3 {
        members[500].1 += 1.0;
        endpoint.scrape(15, &m(&members));
        log.keep(endpoint.state());
    }
    let sizes: Vec<usize> = log.0.iter().map(Vec::len).collect();
    assert!(sizes[0] > 10_000 && sizes[2] < 200, "{sizes:?}");
}

#[test]
fn rule_7_3_a_hold_that_grows_takes_nothing_back() {
    let auto = POLICY.replace("    hold: 20s\n", "");
    let (mut endpoint, mut log) = (Endpoint::new(&auto, Format::Text), Log::default());
    let other = |q: &str, v: f64| m(&[("a", 1.0)]) + &format!("m_total{{job_id=\"z\",q=\"{q}\"}} {v}\n");
    for body in [m(&[("a", 1.0)]), m(&[("a", 1.0)]), m(&[("a", 1.0)]), other("y", 5.0)] {
        endpoint.scrape(10, &body);
    }
    endpoint.scrape(10, &other("y", 5.0));
    let shown = endpoint.scrape(10, &other("y", 6.0));
    assert_eq!(value(&shown, "m_total{q=\"y\"}"), 6.0, "held for twice the interval");
    log.keep(endpoint.state());
    endpoint.restart(&log);
    let shown = endpoint.scrape(10, &other("y", 6.0));
    assert_eq!(value(&shown, "m_total{q=\"y\"}"), 6.0, "though no client is known any more");
}

#[test]
fn rule_7_5_a_changed_policy_keeps_members_and_freezes_old_groups() {
    let (mut endpoint, mut log) = (Endpoint::new(POLICY, Format::Text), Log::default());
    for body in [m(&[("a", 10.0)]), m(&[("a", 14.0)])] {
        endpoint.scrape(15, &body);
        log.keep(endpoint.state());
    }
    endpoint.restart(&log);
    endpoint.plan = plan(&POLICY.replace("labels: [", "labels: [{label: q, action: drop}, "));
    let out = endpoint.scrape(15, &m(&[("a", 17.0)]));
    assert_eq!((value(&out, M), value(&out, "m_total")), (4.0, 0.0), "frozen, and born at 0");
    endpoint.scrape(15, &m(&[("a", 17.0)]));
    let out = endpoint.scrape(15, &m(&[("a", 18.0)]));
    assert_eq!((value(&out, M), value(&out, "m_total")), (4.0, 4.0), "every increment once");
}

#[test]
fn rule_5_8_a_family_touched_for_the_first_time_after_the_restart_is_a_baseline() {
    let (mut endpoint, mut log) = (Endpoint::new("policies: []", Format::Text), Log::default());
    endpoint.scrape(15, &m(&[("a", 50_000.0)]));
    log.keep(endpoint.state());
    endpoint.restart(&log);
    endpoint.plan = plan(POLICY);
    let out = endpoint.scrape(15, &m(&[("a", 50_001.0)]));
    assert_eq!(value(&out, M), 0.0);
    endpoint.scrape(15, &m(&[("a", 50_001.0)]));
    endpoint.scrape(15, &m(&[("a", 50_002.0)]));
    assert_eq!(value(&endpoint.scrape(15, &m(&[("a", 50_003.0)])), M), 2.0);
}

#[test]
fn rule_5_8_what_was_left_out_or_passed_before_the_restart_is_a_baseline_after_it() {
    let ids = "- {name: ids, hold: 0s, labels: [{label: job_id, action: drop}]}";
    for first in
        ["{name: x, match: 'm_total{q=\"x\"}', action: drop}", "{name: x, match: 'm_total{q=\"x\"}', action: pass}"]
    {
        let before = format!("policies:\n  - {first}\n  {ids}\n");
        let (mut endpoint, mut log) = (Endpoint::new(&before, Format::Text), Log::default());
        let body = |y: f64, x: f64| {
            format!(
                "# TYPE m_total counter\nm_total{{q=\"y\",job_id=\"b\"}} {y}\nm_total{{q=\"x\",job_id=\"a\"}} {x}\n"
            )
        };
        for at in 0..3 {
            endpoint.scrape(15, &body(1.0 + f64::from(at), 50_000.0));
            log.keep(endpoint.state());
            // As often as it likes, as long as nothing else changes.
            endpoint.restart(&log);
        }
        endpoint.plan = plan(&format!("policies:\n  {ids}\n"));
        for at in 0..3 {
            let out = endpoint.scrape(15, &body(3.0, 50_000.0 + f64::from(at)));
            assert_eq!((value(&out, M), value(&out, "m_total{q=\"y\"}")), (f64::from(at), 2.0), "{first}");
        }
    }
}

#[test]
fn rule_1_2_a_birth_counts_over_a_restart_beside_series_that_are_left_out() {
    let policy = "policies:\n  - {name: x, match: 'm_total{q=\"y\"}', action: drop}\n  - {name: ids, hold: 0s, labels: [{label: job_id, action: drop}]}\n";
    let (mut endpoint, mut log) = (Endpoint::new(policy, Format::Text), Log::default());
    let left = "m_total{q=\"y\",job_id=\"b\"} 7\n";
    endpoint.scrape(15, &(m(&[("a", 5.0)]) + left));
    log.keep(endpoint.state());
    endpoint.restart(&log);
    assert_eq!(value(&endpoint.scrape(15, &(m(&[("a", 6.0), ("c", 2.0)]) + left)), M), 3.0);
}

#[test]
fn rule_5_8_who_was_absent_when_the_plan_changed_is_a_baseline_after_a_restart_as_after_a_reload() {
    let both = ["m_total{q=\"x\"}", "m_total{q=\"z\"}"].map(|m| {
        format!("policies:\n  - {{name: x, match: '{m}', action: drop}}\n  - {{name: ids, hold: 0s, labels: [{{label: job_id, action: drop}}]}}\n")
    });
    let shown = [false, true].map(|restarts| {
        let (mut endpoint, mut log) = (Endpoint::new(&both[1], Format::Text), Log::default());
        let body = |y: f64, x: f64| m(&[("a", x)]) + &format!("m_total{{q=\"y\",job_id=\"b\"}} {y}\n");
        // Remembered at 10, left out until it is 90,000.
        for (at, policy) in [1, 0, 0, 1, 1].into_iter().enumerate() {
            endpoint.plan = plan(&both[policy]);
            endpoint.scrape(15, &body(at as f64, [10.0, 20.0, 90_000.0, 90_001.0, 90_003.0][at]));
            log.keep(endpoint.state());
            if restarts && at > 1 {
                endpoint.restart(&log);
            }
        }
        value(&endpoint.scrape(15, &body(9.0, 90_004.0)), M)
    });
    assert_eq!(shown, [3.0, 3.0]);
}

#[test]
fn rule_5_8_who_was_refused_before_the_restart_and_has_room_after_it_is_old() {
    let policy = |limit: u32| {
        format!(
            "policies: [{{name: b, hold: 0s, series_limit: {limit}, series_limit_action: drop, labels: [{{label: job_id, action: drop}}]}}]"
        )
    };
    let body = |n: u64| -> String {
        let lines = ["a", "b", "c"].map(|q| format!("m_total{{q=\"{q}\",job_id=\"1\"}} {n}\n"));
        "# TYPE m_total counter\n".to_owned() + &lines.concat()
    };
    let (mut endpoint, mut log) = (Endpoint::new(&policy(2), Format::Text), Log::default());
    for n in [50_000, 50_001] {
        assert!(!endpoint.scrape(15, &body(n)).contains("q=\"c\""));
        log.keep(endpoint.state());
    }
    endpoint.restart(&log);
    endpoint.plan = plan(&policy(9));
    for n in [50_002, 50_003, 50_004] {
        assert_eq!(value(&endpoint.scrape(15, &body(n)), "m_total{q=\"c\"}"), (n - 50_002) as f64);
    }
}
