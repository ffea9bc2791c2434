//! Several guards with one memory between them show what a single one would: each takes up what
//! the others wrote before it scrapes, and writes what it changed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "fleet/mod.rs"]
mod fleet;

use std::collections::HashSet;
use std::time::Duration;

use cardinality_guard::engine::guard::{EndpointState, Extent, Report};
use cardinality_guard::engine::model::Format;
use cardinality_guard::engine::policy::Builtin;

use endpoint::{Endpoint, plan};
use fleet::work::Fleet;

/// What all of them have written, the last whole first.
#[derive(Default)]
struct Log {
    pieces: Vec<Vec<u8>>,
    /// Pieces before the first of those.
    base: usize,
}

/// One of several, and how much of the log it knows.
struct Replica {
    endpoint: Endpoint,
    known: usize,
}

impl Log {
    fn end(&self) -> usize {
        self.base + self.pieces.len()
    }

    fn write(&mut self, state: &mut EndpointState) {
        let mut piece = Vec::new();
        if state.changes(&mut piece) == Extent::Whole {
            self.base = self.end();
            self.pieces.clear();
        }
        self.pieces.push(piece);
    }
}

impl Replica {
    fn new(policy: &str) -> Replica {
        Replica { endpoint: Endpoint::of(plan(policy, Builtin::Excluded), Format::Text), known: 0 }
    }

    fn catch_up(&mut self, log: &Log) {
        if log.pieces.is_empty() {
            return;
        }
        let goes_on = self.known > log.base && self.endpoint.state().is_in_place();
        if goes_on {
            let news = log.pieces[self.known - log.base..].iter().map(Vec::as_slice);
            self.endpoint.state().catch_up(news).unwrap();
        } else {
            let mut read = EndpointState::restore(log.pieces.iter().map(Vec::as_slice)).unwrap();
            if let Some(old) = self.endpoint.take().filter(|_| self.known > 0) {
                read.inherit(old);
            }
            self.endpoint.put(read);
        }
        self.known = log.end();
    }
}

/// With a `hold`: without one each guard has to find out for itself who scrapes how often.
const POLICIES: [(&str, &str); 4] = [
    ("drop", "policies: [{name: p, hold: 20s, labels: [{label: job_id, action: drop}]}]"),
    ("limit", "policies: [{name: p, hold: 20s, labels: [{label: job_id, action: limit, limit: 3}]}]"),
    ("collapse", "policies: [{name: p, hold: 20s, labels: [{label: job_id, action: collapse, limit: 12}]}]"),
    ("series", "policies: [{name: p, hold: 20s, series_limit: 20, labels: [{label: kind, action: drop}]}]"),
];

/// Turns that are not just one after the other.
fn turn(at: usize, replicas: usize) -> usize {
    (at * at / 3 + at) % replicas
}

#[test]
fn any_of_several_guards_shows_what_a_single_one_would() {
    for (what, policy) in POLICIES {
        for seed in 1..5 {
            let mut fleet = Fleet::new(seed);
            let mut alone = Endpoint::of(plan(policy, Builtin::Excluded), Format::Text);
            let mut replicas: Vec<Replica> = (0..3).map(|_| Replica::new(policy)).collect();
            let mut log = Log::default();
            for at in 0..60 {
                for _ in 0..7 {
                    fleet.step();
                }
                if at == 30 {
                    fleet.restart();
                }
                let body = fleet.expose();
                fleet.shown("all");
                let want = alone.scrape(&body);
                let replica = &mut replicas[turn(at, 3)];
                replica.catch_up(&log);
                // Time goes on for all of them, and each knows when the last scrape was.
                let behind = 15 * (at as u64 + 1) - 15;
                let now = Duration::from_secs(1_000_000 + behind);
                replica.endpoint.set_time(now);
                if at > 0 {
                    replica.endpoint.state().last_scraped(Duration::from_secs(15), now + Duration::from_secs(15));
                }
                let got = replica.endpoint.scrape(&body);
                assert_eq!(different(&got, &want), "", "{what}, seed {seed}, scrape {at}");
                log.write(replica.endpoint.state());
                replica.known = log.end();
            }
            assert!(log.pieces.len() > 1, "{what}: everything was written each time");
        }
    }
}

/// Lines that only one of the two has, in whatever order.
fn different(got: &str, want: &str) -> String {
    let only = |one: &str, other: &str, sign: char| -> String {
        let other: HashSet<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign}{line}\n")).collect()
    };
    only(got, want, '+') + &only(want, got, '-')
}

#[test]
fn a_piece_that_holds_everything_is_no_change() {
    let mut one = Endpoint::of(plan(POLICIES[0].1, Builtin::Excluded), Format::Text);
    one.scrape("a_total{job_id=\"1\"} 1\n");
    let mut whole = Vec::new();
    one.state().snapshot(&mut whole);
    assert!(one.state().catch_up([whole.as_slice()]).is_err());
    assert!(one.state().catch_up([&b"no piece"[..]]).is_err());
}

/// Two that take turns: one reloads and then hears of a birth from the other.
#[test]
fn rule_5_8_a_reload_is_a_baseline_whoever_has_met_new_series_since() {
    let ids = "- {name: ids, hold: 0s, labels: [{label: job_id, action: drop}]}";
    let before = format!("policies:\n  - {{name: x, match: 'm_total{{q=\"x\"}}', action: drop}}\n  {ids}\n");
    let (mut one, mut other, mut log) = (Replica::new(&before), Replica::new(&before), Log::default());
    let body = |jobs: u64, x: u64| -> String {
        let lines = (0..jobs).map(|job| format!("m_total{{q=\"y\",job_id=\"{job}\"}} 1\n")).collect::<String>();
        format!("# TYPE m_total counter\nm_total{{q=\"x\",job_id=\"a\"}} {x}\n{lines}")
    };
    let mut scrape = |replica: &mut Replica, body: &str| {
        replica.catch_up(&log);
        let out = replica.endpoint.scrape(body);
        log.write(replica.endpoint.state());
        replica.known = log.end();
        out
    };
    scrape(&mut one, &body(1, 50_000));
    scrape(&mut other, &body(1, 50_000));
    scrape(&mut one, &body(1, 50_000));
    scrape(&mut other, &body(2, 50_000));
    one.endpoint.reload(&format!("policies:\n  {ids}\n"));
    for at in 0..3 {
        let out = scrape(&mut one, &body(2, 50_000 + at));
        assert_eq!(endpoint::value(&out, "m_total{q=\"x\"}"), at as f64);
    }
}

/// What a scrape says came new and was kept out, enforced and observed.
fn news(report: &Report) -> [u64; 2] {
    [&report.blocked_by, &report.observed_blocked_by].map(|by| by.iter().map(|by| by.count).sum())
}

#[test]
fn nothing_is_new_because_everything_was_read_again() {
    let policy = "policies:\n  - {name: x, match: gone_total, action: drop}\n  - {name: o, mode: observe, match: m_total, labels: [{label: job, action: drop}]}\n  - {name: b, series_limit: 3, series_limit_action: drop}\n";
    let body = |jobs: u64| -> String {
        let of =
            |name: &str, jobs: u64| (0..jobs).map(|job| format!("{name}{{job=\"{job}\"}} 1\n")).collect::<String>();
        format!("# TYPE gone_total counter\n{}# TYPE m_total counter\n{}", of("gone_total", 9), of("m_total", jobs))
    };
    let (mut one, mut other, mut log) = (Replica::new(policy), Replica::new(policy), Log::default());
    assert_eq!(news(&one.endpoint.told(&body(20)).1), [17 + 9, 19]);
    log.write(one.endpoint.state());
    one.known = log.end();
    // A guard that was not there before: as after a restart.
    other.catch_up(&log);
    assert_eq!(news(&other.endpoint.told(&body(20)).1), [0, 0], "after a restart");
    assert_eq!(news(&other.endpoint.told(&body(21)).1), [1, 1], "one is");
    let mut whole = Vec::new();
    other.endpoint.state().snapshot(&mut whole);
    (log.base, log.pieces) = (log.end() + 1, vec![whole]);
    // And one that was, and reads everything.
    let labels = |replica: &mut Replica| replica.endpoint.state().label_rows().len();
    let before = labels(&mut one);
    one.catch_up(&log);
    assert!(before > 0 && labels(&mut one) == before, "what is known of labels stays known");
    assert_eq!(news(&one.endpoint.told(&body(20)).1), [0, 0], "after a whole read");
    assert_eq!(news(&one.endpoint.told(&body(22)).1), [2, 2], "the other's has come new here, too");
}
