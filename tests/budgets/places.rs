//! Places that a `limit` step gives out, on the real bodies of a celery exporter whose hosts come and
//! go, and a day of scrapes with a label that somebody planned to drop.

use std::collections::{BTreeMap, BTreeSet};

use super::endpoint::{Endpoint, value};
use super::{blocked, bodies, churned, lines};
use cardinality_guard::engine::model::Format;

const HOSTS: &str = "
policies:
  - name: hosts
    match: '{__name__=~\"celery_.+\"}'
    hold: 0s
    labels: [{label: hostname, action: limit, limit: 10}]
";

/// The body of several generations of hosts that nobody forgets, every value of the exporter's own so
/// many times over. What it says about births is left out: it says that later generations are old.
fn fleet(body: &str, generations: usize, times: u32) -> String {
    let mut comments = BTreeSet::new();
    let mut all = String::new();
    let lines = (0..generations).flat_map(|g| churned(body, g).lines().map(str::to_owned).collect::<Vec<_>>());
    for line in lines.filter(|line| !line.contains("_created")) {
        match line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
            Some((series, value)) => {
                let is_there_again = !series.contains("hostname=\"") && !comments.insert(series.to_owned());
                if !is_there_again {
                    let times = if series.starts_with("celery_") { f64::from(times) } else { 1.0 };
                    all += &format!("{series} {}\n", value.parse::<f64>().unwrap() * times);
                }
            }
            None if comments.insert(line.clone()) => all += &format!("{line}\n"),
            None => {}
        }
    }
    all
}

/// A series without its host, and the host.
fn split(series: &str) -> Option<(String, String)> {
    let (name, labels) = series.trim_end_matches('}').split_once('{')?;
    let labels = labels.split(',').filter(|label| !label.ends_with('='));
    let (host, others): (Vec<&str>, Vec<&str>) = labels.partition(|label| label.starts_with("hostname="));
    Some((format!("{name}{{{}}}", others.join(",")), host.first()?.split_once('"')?.1.to_owned()))
}

/// By series without its host and by host.
fn hosts(body: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut all: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for (series, value) in bodies::series(body) {
        if let Some((rest, host)) = split(&series) {
            all.entry(rest).or_default().insert(host, value);
        }
    }
    all
}

/// The metrics whose numbers are those of one scrape.
fn gauges(body: &str) -> BTreeSet<&str> {
    body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" gauge")).collect()
}

#[test]
fn rule_5_4_of_real_celery_hosts_the_first_ten_keep_names_and_values_and_the_rest_add_up() {
    let mut seen = 0;
    for (name, format, body) in bodies::all() {
        if !name.starts_with("celery/") || format != Format::Text || !body.contains("hostname=\"") {
            continue;
        }
        let mut endpoint = Endpoint::new(HOSTS);
        let body = fleet(&body, 1, 1);
        endpoint.scrape(&body);
        let first = hosts(&body);
        // What is born in a scrape shows 0 in it; the last two differ in nothing.
        for (generations, times) in [(3, 2), (6, 3), (6, 5), (6, 5)] {
            endpoint.scrape(&fleet(&body, generations, times));
        }
        let raw = fleet(&body, 6, 5);
        let out = endpoint.scrape(&raw);
        let gauges = gauges(&raw);
        let (raw_hosts, out_hosts) = (hosts(&raw), hosts(&out));
        let named: BTreeSet<&String> =
            out_hosts.values().flat_map(BTreeMap::keys).filter(|h| *h != "__overflow__").collect();
        let all: BTreeSet<&String> = raw_hosts.values().flat_map(BTreeMap::keys).collect();
        assert_eq!(named.len(), all.len().min(10), "{name}: {named:?}");
        for (series, by_host) in &raw_hosts {
            let mut rest = Vec::new();
            for (host, value) in by_host {
                let kept = out_hosts[series].get(host);
                assert_eq!(kept, named.contains(host).then_some(value), "{name}: {series} of {host}");
                let before = first.get(series).and_then(|by_host| by_host.get(host)).copied();
                let before =
                    if gauges.contains(series.split('{').next().unwrap()) { 0.0 } else { before.unwrap_or(0.0) };
                rest.extend(kept.is_none().then_some(value - before));
            }
            let shown = out_hosts[series].get("__overflow__").copied();
            let is_full = by_host.keys().any(|host| !named.contains(host));
            assert_eq!(shown.is_some(), is_full, "{name}: {series}");
            // What says whether a host is up says it of all of them.
            let is_up = series.starts_with("celery_worker_up{");
            let rest = if is_up { rest.into_iter().reduce(f64::min).unwrap_or(0.0) } else { rest.iter().sum() };
            let shown = shown.unwrap_or(0.0);
            assert!((shown - rest).abs() <= 1e-9 * rest.abs(), "{name}: {series} shows {shown}, truth {rest}");
            seen += usize::from(is_full);
        }
    }
    assert!(seen > 100, "only {seen} series ran over");
}

#[test]
fn a_day_with_a_planned_drop_moves_no_budget_until_another_label_explodes() {
    let policy = "
policies:
  - {name: ids, labels: [{label: job_id, action: drop}]}
  - {name: budget, series_limit: 50}
";
    let body = |scrape: u64, orders: u64| -> String {
        let jobs = (scrape * 30..(scrape + 1) * 30)
            .map(|i| format!("jobs_total{{job_id=\"j{i}\",order=\"o{}\"}} 1\n", i % orders));
        std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(jobs).collect()
    };
    let mut endpoint = Endpoint::new(policy);
    for scrape in 0..24 * 60 {
        endpoint.wait(45);
        let (_, report) = endpoint.told(&body(scrape, 10));
        assert_eq!((blocked(&report), report.over_budget, report.collapsed_labels), (0, 0, 0), "scrape {scrape}");
    }
    let exploded: String = (0..200).map(|i| format!("jobs_total{{job_id=\"k{i}\",order=\"p{i}\"}} 1\n")).collect();
    let (_, report) = endpoint.told(&format!("# TYPE jobs_total counter\n{exploded}"));
    assert!(blocked(&report) > 100, "within one scrape: {}", blocked(&report));
}

#[test]
fn demand_is_what_there_would_be_without_any_limit() {
    let steps = |action: &str| {
        format!(
            "policies: [{{name: p, hold: 0s, labels: [{{label: job_id, action: {action}, limit: 5}}, {{label: id, action: drop}}]}}]"
        )
    };
    let limits = |action: &str| {
        format!(
            "policies: [{{name: p, hold: 0s, series_limit: 20, series_limit_action: {action}, labels: [{{label: id, action: drop}}]}}]"
        )
    };
    let body = |jobs: u64| -> String {
        let lines = (0..jobs).flat_map(|i| {
            (0..3).map(move |id| format!("c_total{{id=\"{id}\",job_id=\"j{i}\",queue=\"q{}\"}} 1\n", i % 2))
        });
        std::iter::once("# TYPE c_total counter\n".to_owned()).chain(lines).collect()
    };
    for policy in [steps("collapse"), steps("limit"), limits("collapse"), limits("overflow"), limits("drop")] {
        let mut endpoint = Endpoint::new(&policy);
        for jobs in [4, 60, 60, 80, 10] {
            let (_, report) = endpoint.told(&body(jobs));
            let most = if jobs == 10 { 80 } else { jobs };
            assert_eq!(report.families[0].demand, most, "{policy}");
        }
    }
}

#[test]
fn a_failed_scrape_takes_no_frozen_series_off_show() {
    let mut endpoint = Endpoint::new(
        "policies: [{name: b, hold: 0s, series_limit: 4, series_limit_action: overflow, labels: [{label: id, action: drop}]}]",
    );
    let body = |queues: &[u64]| -> String {
        let lines = queues.iter().map(|i| format!("c_total{{id=\"1\",q=\"q{i}\"}} 5\n"));
        std::iter::once("# TYPE c_total counter\n".to_owned()).chain(lines).collect()
    };
    endpoint.scrape(&body(&[0, 1, 2, 3]));
    // Two are gone and frozen; two others would take their places, in a body that then fails.
    endpoint.scrape(&body(&[0, 1]));
    let before = endpoint.scrape(&body(&[0, 1]));
    endpoint.fail(&format!("{}nonsense nonsense", body(&[0, 1, 4, 5])));
    assert_eq!(endpoint.scrape(&body(&[0, 1])), before);
}

#[test]
fn label_names_that_explode_overflow_into_few_series() {
    let body = |n: u64| -> String {
        let lines = (0..n).map(|i| format!("c_total{{queue=\"q\",tag_{i}=\"x\"}} 5\n"));
        std::iter::once("# TYPE c_total counter\n".to_owned()).chain(lines).collect()
    };
    let mut endpoint = Endpoint::new(
        "policies: [{name: b, hold: 0s, series_limit: 10, series_limit_action: overflow, keep_labels: [queue]}]",
    );
    endpoint.scrape(&body(10));
    let mut first = 0.0;
    for round in 0..4 {
        let (out, report) = endpoint.told(&body(500));
        assert!(report.forwarded <= 10 + 16 + 1, "{} series\n{out}", report.forwarded);
        let rest = value(&out, "c_total{overflow=\"__overflow__\",queue=\"q\"}");
        first = if round == 1 { rest } else { first };
        assert!(round == 0 || rest == first, "nothing has happened since");
        assert_eq!(report.headroom, Some(0.0), "it is told that the limit is passed");
    }
    // Every series beyond the ten and the sixteen was born with 5.
    assert_eq!(first, 5.0 * (500 - 10 - 16) as f64);
}

#[test]
fn a_kept_label_that_explodes_is_told_by_demand_and_headroom() {
    let mut endpoint = Endpoint::new("policies: [{name: b, hold: 0s, series_limit: 10, keep_labels: [tenant]}]");
    let body = |n: u64| -> String {
        let lines = (0..n).map(|i| format!("c_total{{tenant=\"t{i}\"}} 5\n"));
        std::iter::once("# TYPE c_total counter\n".to_owned()).chain(lines).collect()
    };
    endpoint.scrape(&body(8));
    let (out, report) = endpoint.told(&body(300));
    assert_eq!(lines(&out).count(), 300, "what is to be kept is kept");
    assert_eq!((report.headroom, report.families[0].demand, report.families[0].limit), (Some(0.0), 300, Some(10)));
}

#[test]
fn rule_5_8_who_was_refused_and_gets_a_place_counts_from_there() {
    let mut endpoint = Endpoint::new(
        "policies: [{name: b, hold: 0s, group_ttl: 1m, member_ttl: 30s, series_ttl: 1m, series_limit: 2, series_limit_action: drop, labels: [{label: id, action: drop}]}]",
    );
    let body = |queues: &[&str], n: u64, births: u64| -> String {
        let line = |q: &&str| {
            let born = (0..births).map(|id| format!("c_total{{id=\"b{id}\",q=\"{q}\"}} 1\n"));
            format!("c_total{{id=\"1\",q=\"{q}\"}} {n}\nc_total{{id=\"2\",q=\"{q}\"}} {n}\n")
                + &born.collect::<String>()
        };
        "# TYPE c_total counter\n".to_owned() + &queues.iter().map(line).collect::<String>()
    };
    let mut n = 50_000;
    for _ in 0..4 {
        assert!(!endpoint.scrape(&body(&["a", "b", "c"], n, 0)).contains("q=\"c\""));
        n += 1;
    }
    // One goes, and in time its place is free.
    let admitted = (0..40).find_map(|_| {
        n += 1;
        let out = endpoint.scrape(&body(&["b", "c"], n, 0));
        out.contains("q=\"c\"").then(|| value(&out, "c_total{q=\"c\"}"))
    });
    assert_eq!(admitted, Some(0.0));
    for at in 1..4 {
        let out = endpoint.scrape(&body(&["b", "c"], n + at, at));
        assert_eq!(value(&out, "c_total{q=\"c\"}"), 3.0 * at as f64, "both went on, and births count");
    }
}
