//! What a policy that changes makes of members and groups (section 5).

use std::collections::BTreeMap;

use super::*;

const BY_QUEUE: &str = DROP;
const ALL_IN_ONE: &str = "policies: [{name: p, hold: 0s, labels: [{label: 'job_id|q', action: drop}]}]";
const HASHED: &str = "policies: [{name: p, hold: 0s, labels: [{label: job_id, action: hash, buckets: 8}]}]";
const ELSEWHERE: &str = "policies: [{name: p, match: other, labels: [{label: job_id, action: drop}]}]";

/// What the folds of a body show.
fn folds(body: &str) -> BTreeMap<&str, f64> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("m_total")?.rsplit_once(' '));
    lines.map(|(labels, value)| (labels, value.parse().unwrap())).collect()
}

/// Jobs 0 to 12, in three queues, after `done` rounds of work.
fn fleet(done: u32) -> String {
    let line = |job: u32| {
        let worked = 1_000 * job + done * (job + 1);
        format!("m_total{{job_id=\"{job}\",q=\"{}\"}} {worked}\n", job % 3)
    };
    "# TYPE m_total counter\n".to_owned() + &(0..13).map(line).collect::<String>()
}

#[test]
fn rule_5_1_an_increment_goes_where_its_member_maps_to_now_and_nothing_moves() {
    // A policy, and how the labels of its groups begin.
    let (by_queue, in_one, hashed) = ((BY_QUEUE, "{q="), (ALL_IN_ONE, ""), (HASHED, "{job_id="));
    let rounds = [by_queue, in_one, hashed, by_queue, hashed, in_one];
    let mut e = Endpoint::new(BY_QUEUE);
    let mut before = e.scrape(&fleet(0));
    let a_round = f64::from((1..=13).sum::<u32>());
    for (done, (policy, begin)) in (1..).zip(rounds) {
        e.reload(policy);
        // A group that is born now shows 0 once, whatever `hold` says.
        e.scrape(&fleet(done));
        let out = e.scrape(&fleet(done));
        let (was, is) = (folds(&before), folds(&out));
        assert_eq!(is.values().sum::<f64>(), was.values().sum::<f64>() + a_round, "every increment once:\n{out}");
        let moved = is.iter().filter(|(labels, value)| was.get(*labels).unwrap_or(&0.0) != *value);
        let is_theirs = |labels: &str| labels.starts_with(begin) && labels.is_empty() == begin.is_empty();
        let strangers: Vec<_> = moved.filter(|(labels, _)| !is_theirs(labels)).collect();
        assert!(strangers.is_empty(), "in round {done} these are frozen: {strangers:?}");
        before = out;
    }
}

#[test]
fn rule_5_6_a_bucket_is_prometheus_hashmod_and_says_of_how_many() {
    let mut e = Endpoint::new(&HASHED.replace('8', "64"));
    // The last 8 bytes of md5("a") are 0x31c399e269772661, of md5("") 0xe9800998ecf8427e.
    assert_eq!(e.value("m_total{job_id=\"33/64\",q=\"x\"}", &m(&[("a", 4.0)])), 0.0);
    e.reload(&HASHED.replace('8', "1000003"));
    let bucket = 0x31c3_99e2_6977_2661_u64 % 1_000_003;
    assert_eq!(e.value(&format!("m_total{{job_id=\"{bucket}/1000003\",q=\"x\"}}"), &m(&[("a", 6.0)])), 0.0);
}

#[test]
fn rule_5_6_the_same_bucket_of_another_number_is_another_series() {
    let mut e = Endpoint::new(&HASHED.replace('8', "1"));
    e.scrape(&m(&[("a", 1.0)]));
    assert_eq!(e.value("m_total{job_id=\"0/1\",q=\"x\"}", &m(&[("a", 3.0)])), 2.0);
    // An odd hash: bucket 1 of 2.
    e.reload(&HASHED.replace('8', "2"));
    let out = e.scrape(&m(&[("a", 4.0)]));
    assert_eq!(value(&out, "m_total{job_id=\"0/1\",q=\"x\"}"), 2.0, "the old one freezes");
    assert_eq!(value(&out, "m_total{job_id=\"1/2\",q=\"x\"}"), 0.0, "the new one is born");
}

#[test]
fn rule_5_7_an_old_group_stays_until_its_ttl_and_a_new_one_waits_for_its_hold() {
    let grouping = |labels: &str| {
        format!("policies: [{{name: p, hold: 40s, group_ttl: 5m, labels: [{{label: '{labels}', action: drop}}]}}]")
    };
    let mut e = Endpoint::new(&grouping("job_id"));
    e.scrape(&m(&[("a", 10.0)]));
    assert_eq!(e.value(M, &m(&[("a", 15.0)])), 5.0);
    e.reload(&grouping("job_id|q"));
    let shown: Vec<(f64, f64)> = (1..=4)
        .map(|n| {
            let out = e.scrape(&m(&[("a", 15.0 + f64::from(n))]));
            (value(&out, M), value(&out, "m_total"))
        })
        .collect();
    assert_eq!(shown, [(5.0, 0.0), (5.0, 0.0), (5.0, 0.0), (5.0, 4.0)], "held for 40 s, then nothing is missing");
    for _ in 0..24 {
        e.scrape(&m(&[("a", 19.0)]));
    }
    let out = e.scrape(&m(&[("a", 20.0)]));
    assert!(!has(&out, M), "frozen for over 5 min: {out}");
    assert_eq!(value(&out, "m_total"), 5.0);
}

#[test]
fn rule_5_8_a_family_let_go_of_is_raw_again_and_its_group_freezes() {
    let mut e = Endpoint::new(BY_QUEUE);
    e.scrape(&m(&[("a", 10.0)]));
    assert_eq!(e.value(M, &m(&[("a", 14.0)])), 4.0);
    e.reload(ELSEWHERE);
    for now in [20.0, 30.0] {
        let out = e.scrape(&m(&[("a", now)]));
        assert_eq!(value(&out, "m_total{job_id=\"a\",q=\"x\"}"), now, "raw: {out}");
        assert_eq!(value(&out, M), 4.0, "frozen: {out}");
    }
}

#[test]
fn rule_5_8_a_member_that_the_reload_did_not_touch_is_no_baseline() {
    let mut e = Endpoint::new(BY_QUEUE);
    e.scrape(&m(&[("a", 10.0)]));
    e.reload(ALL_IN_ONE);
    e.scrape(&m(&[("a", 13.0)]));
    assert_eq!(e.value("m_total", &m(&[("a", 13.0)])), 3.0, "it was remembered: nothing is missing");
}
