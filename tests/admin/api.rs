//! `/api/v1`: what it says is what happened, and what it is told happens.

use serde_json::{Value, json};

use crate::http;
use crate::process::eventually;
use crate::stage::{Stage, calm, data, exploding};

/// The label of this name in the first metric of this name.
fn label<'a>(data: &'a Value, metric: &str, label: &str) -> &'a Value {
    let metrics = data["metrics"].as_array().unwrap();
    let metric = metrics.iter().find(|m| m["metric"] == metric).unwrap_or_else(|| panic!("no {metric}: {data:#}"));
    let labels = metric["labels"].as_array().unwrap();
    labels.iter().find(|l| l["label"] == label).unwrap_or_else(|| panic!("no {label}: {metric:#}"))
}

#[test]
fn targets_tell_how_each_endpoint_is() {
    let stage = Stage::set();
    stage.scrape(&calm(1));
    stage.guard.scrape("gone");
    let targets = stage.data("/api/v1/targets")["targets"].clone();
    let (worker, gone) = (&targets[0], &targets[1]);
    assert_eq!(
        (&worker["target"], &worker["mode"], &worker["modeSet"]),
        (&"worker".into(), &"enforce".into(), &Value::Null)
    );
    assert_eq!(worker["entry"], format!("http://{}/metrics", stage.exporter.address));
    let endpoint = &worker["endpoints"][0];
    assert_eq!(endpoint["endpoint"], worker["entry"]);
    assert_eq!((&endpoint["health"], &endpoint["lastError"]), (&"up".into(), &"".into()));
    for (key, series) in [("seriesReceived", 8), ("seriesForwarded", 8), ("seriesDropped", 0), ("seriesOverBudget", 0)]
    {
        assert_eq!(endpoint[key], series, "{key}");
    }
    assert!(endpoint["lastScrapeDurationSeconds"].as_f64().unwrap() > 0.0, "{endpoint}");
    assert!(endpoint["lastScrape"].as_str().unwrap().starts_with("20"), "{endpoint}");
    let gone = &gone["endpoints"][0];
    assert_eq!((&gone["health"], &gone["lastResult"]), (&"down".into(), &"upstream".into()), "{gone}");
    assert!(gone["lastError"].as_str().unwrap().starts_with("exporter: "), "{gone}");
    assert_eq!(stage.data("/api/v1/targets?target=gone")["targets"].as_array().unwrap().len(), 1);
}

#[test]
fn an_explosion_is_named_and_blamed_on_the_policy_that_ends_it() {
    let stage = Stage::set();
    stage.scrape(&calm(1));
    stage.scrape(&exploding("job_id", 400));
    let got = stage.data("/api/v1/cardinality?target=worker");
    let metric = &got["metrics"][0];
    assert_eq!((&metric["metric"], &metric["type"]), (&"jobs_total".into(), &"counter".into()), "the largest first");
    assert_eq!((&metric["received"], &metric["limit"]), (&400.into(), &10_000.into()));
    assert!(metric["forwarded"].as_u64().unwrap() < 10, "{metric}");
    let exploded = label(&got, "jobs_total", "job_id");
    assert_eq!(metric["labels"][0], *exploded, "what a limit acts on comes first");
    assert_eq!(
        (&exploded["values"], &exploded["estimated"], &exploded["shape"]),
        (&400.into(), &false.into(), &"uuid".into())
    );
    assert_eq!(exploded["samples"].as_array().unwrap().len(), 3);
    assert_eq!(exploded["leaves"].as_u64(), Some(6), "as many as before");
    let guard = &exploded["guard"];
    assert_eq!((&guard["action"], &guard["policy"]), (&"collapse".into(), &"default-job-ids".into()), "{guard}");
    assert_eq!((&guard["acting"], &guard["mode"], &guard["limit"]), (&true.into(), &"enforce".into(), &50.into()));
    assert!(guard["dropped"].as_u64().unwrap() > 300 && guard["since"].is_string(), "{guard}");
    assert_eq!(label(&got, "jobs_total", "queue")["guard"], Value::Null);
}

#[test]
fn every_series_counts_under_its_own_metric() {
    let stage = Stage::set();
    let family = |name: &str, n: u32| -> String { (0..n).map(|i| format!("{name}{{i=\"{i}\"}} 1\n")).collect() };
    for (a, b, c) in [(3, 4, 5), (30, 40, 50), (3, 4, 5)] {
        stage.scrape(&format!("{}{}{}", family("a", a), family("b", b), family("c", c)));
        let got = stage.data("/api/v1/cardinality?target=worker");
        let metrics = got["metrics"].as_array().unwrap();
        for (name, n) in [("a", a), ("b", b), ("c", c)] {
            let metric = metrics.iter().find(|m| m["metric"] == name).unwrap();
            assert_eq!((&metric["received"], &metric["forwarded"]), (&n.into(), &n.into()), "{name}");
        }
    }
}

#[test]
fn a_limit_on_series_is_told_with_the_demand_that_it_meets() {
    let stage = Stage::with("policies: [{name: small, series_limit: 100}]");
    stage.scrape(&calm(1));
    stage.scrape(&exploding("order_ref", 400));
    let got = stage.data("/api/v1/cardinality?target=worker");
    let metric = &got["metrics"][0];
    assert_eq!((&metric["limit"], &metric["demand"]), (&100.into(), &400.into()), "{metric}");
    let guard = &label(&got, "jobs_total", "order_ref")["guard"];
    assert_eq!((&guard["action"], &guard["policy"]), (&"series_collapse".into(), &"small".into()), "{guard}");
}

/// Untouched by any policy, so that no scrape reads its values: a look does.
#[test]
fn a_histogram_that_ends_too_early_is_told_in_the_api_and_on_the_page() {
    let stage = Stage::with("policies: []");
    let histogram = |name: &str, covered: u32| {
        format!(
            "# TYPE {name} histogram\n{name}_bucket{{le=\"10\"}} {covered}\n{name}_bucket{{le=\"+Inf\"}} 80\n\
             {name}_sum 1000\n{name}_count 80\n"
        )
    };
    let body = calm(1) + &histogram("short_seconds", 60) + &histogram("long_seconds", 79);
    stage.scrape(&body);
    let got = stage.data("/api/v1/cardinality?target=worker");
    let metric = |name: &str| got["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == name).unwrap().clone();
    assert_eq!(metric("short_seconds")["beyondRange"], 0.25);
    assert_eq!(metric("long_seconds")["beyondRange"], Value::Null);
    let page = stage.get("/?target=worker").text().to_owned();
    assert_eq!(page.matches("25 % of what it observes is beyond its last bucket").count(), 1, "{page}");
}

#[test]
fn what_own_policies_do_is_told_with_their_names() {
    let policies = "policies:\n  - {name: tidy, labels: [{label: path, action: normalize}, {label: secret, action: drop}]}\n  \
                    - {name: look, mode: observe, labels: [{label: pod, action: drop}]}\n  \
                    - {name: tenants, labels: [{label: tenant, action: limit, limit: 2}]}\n";
    let stage = Stage::with(policies);
    let body: String = (0..30)
        .map(|n| format!("hits_total{{path=\"/o/{}\",secret=\"s{n}\",pod=\"p{n}\",tenant=\"t{n}\"}} 1\n", 5000 + n))
        .collect();
    stage.scrape(&format!("# TYPE hits_total counter\n{body}"));
    let got = stage.data("/api/v1/cardinality?target=worker");
    for (name, action, policy, mode) in [
        ("path", "normalize", "tidy", "enforce"),
        ("secret", "drop", "tidy", "enforce"),
        ("pod", "drop", "look", "observe"),
        ("tenant", "limit", "tenants", "enforce"),
    ] {
        let guard = &label(&got, "hits_total", name)["guard"];
        assert_eq!(
            (&guard["action"], &guard["policy"], &guard["mode"]),
            (&action.into(), &policy.into(), &mode.into()),
            "{name}: {guard}"
        );
    }
}

#[test]
fn answers_are_as_long_and_about_what_was_asked() {
    let stage = Stage::set();
    stage.scrape(&calm(1));
    let got = stage.data("/api/v1/cardinality?target=worker&limit=1");
    assert_eq!(
        (got["metrics"].as_array().unwrap().len(), &got["total"], &got["truncated"]),
        (1, &2.into(), &true.into())
    );
    let endpoint = format!("http://{}/metrics", stage.exporter.address);
    assert_eq!(stage.data(&format!("/api/v1/cardinality?target=worker&endpoint={endpoint}"))["endpoints"], 1);
    for (path, status) in [
        ("/api/v1/cardinality", 400),
        ("/api/v1/cardinality?target=nobody", 404),
        ("/api/v1/cardinality?target=worker&endpoint=http://x/", 404),
        ("/api/v1/cardinality?target=worker&limit=x", 400),
        ("/api/v1/suggest?target=nobody", 404),
        ("/api/v1/targets?target=nobody", 404),
        ("/api/v1/nothing", 404),
        ("/api/v1/release?target=worker", 405),
        ("/api/v1/mode?target=worker&mode=observe", 405),
    ] {
        assert_eq!(stage.get(path).status, status, "{path}");
    }
    for (path, status) in [
        ("/api/v1/targets", 405),
        ("/api/v1/suggest?target=worker", 405),
        ("/api/v1/release", 400),
        ("/api/v1/release?target=nobody", 404),
        ("/api/v1/mode?target=worker&mode=loud", 400),
        ("/api/v1/mode?target=worker&mode=observe&for=soon", 400),
        ("/api/v1/mode?target=worker&mode=observe&for=0s", 400),
        ("/api/v1/mode?target=worker&mode=observe&for=8d", 400),
    ] {
        assert_eq!(stage.post(path).status, status, "{path}");
    }
}

#[test]
fn the_suggested_policy_is_one_and_ends_the_explosion() {
    let stage = Stage::with("policies: []");
    stage.scrape(&calm(1));
    let calm_text = stage.get("/api/v1/suggest?target=worker").text().to_owned();
    assert!(calm_text.contains("nothing has to go") && calm_text.ends_with("policies: []\n"), "{calm_text}");
    let series = |answer: &http::Answer| answer.text().lines().filter(|line| line.starts_with("jobs_total")).count();
    assert_eq!(series(&stage.scrape(&exploding("order_ref", 400))), 400, "nothing stops it");
    let text = stage.get("/api/v1/suggest?target=worker").text().to_owned();
    assert!(text.contains("order_ref") && text.contains("action: drop") && !text.contains("queue,"), "{text}");
    stage.guard.reload(&text);
    assert_eq!(series(&stage.scrape(&exploding("order_ref", 400))), 3);
    assert!(stage.get("/api/v1/suggest?target=worker").text().ends_with("policies: []\n"), "it is planned for now");
}

#[test]
fn a_release_brings_the_label_back_until_it_explodes_again() {
    let stage = Stage::set();
    stage.scrape(&exploding("job_id", 400));
    let folded = |answer: &http::Answer| !answer.text().contains("job_id=");
    assert!(folded(&stage.scrape(&exploding("job_id", 20))), "it stays folded");
    let path = "/api/v1/release?target=worker&metric=jobs_total";
    let released = data(path, &stage.post(path));
    assert_eq!(released["released"], json!([{"metric": "jobs_total", "label": "job_id", "policy": "default-job-ids"}]));
    assert!(!folded(&stage.scrape(&exploding("job_id", 21))), "few values keep their series");
    assert!(folded(&stage.scrape(&exploding("job_id", 400))), "many do not");
    assert_eq!(data(path, &stage.post("/api/v1/release?target=worker"))["released"].as_array().unwrap().len(), 1);
    assert_eq!(data(path, &stage.post(path))["released"], json!([]), "nothing is left to release");
}

#[test]
fn a_mode_set_by_hand_survives_a_reload_and_ends_by_itself() {
    let stage = Stage::with("policies: [{name: p, labels: [{label: queue, action: drop}]}]");
    let mode = |mode: &str| {
        let row = format!("cardinality_guard_mode{{target=\"worker\",mode=\"{mode}\"}} 1\n");
        stage.get("/metrics").text().contains(&row)
    };
    let raw = || stage.scrape(&calm(1)).text().contains("queue=");
    assert!(mode("enforce") && !raw());
    let path = "/api/v1/mode?target=worker&mode=observe&for=1h";
    let set = data(path, &stage.post(path));
    assert_eq!((&set["mode"], &set["set"]), (&"observe".into(), &"observe".into()));
    assert!(mode("observe") && raw());
    stage.guard.reload("policies: [{name: p, labels: [{label: queue, action: drop}]}, {name: q, match: x}]");
    assert!(mode("observe") && raw(), "a reload leaves it");
    let told = &stage.data("/api/v1/targets?target=worker")["targets"][0];
    assert_eq!((&told["mode"], &told["modeSet"]["mode"]), (&"observe".into(), &"observe".into()));
    let path = "/api/v1/mode?target=worker&mode=pass&for=1s";
    data(path, &stage.post(path));
    assert!(mode("pass"), "the later one counts");
    eventually("the mode is as configured", &true, || mode("enforce"));
    assert!(!raw());
    assert_eq!(stage.data("/api/v1/targets?target=worker")["targets"][0]["modeSet"], Value::Null);
}

#[test]
fn who_only_observes_is_told_what_would_happen() {
    let stage = Stage::set();
    stage.post("/api/v1/mode?target=worker&mode=observe&for=1h");
    stage.scrape(&calm(1));
    assert!(stage.scrape(&exploding("job_id", 400)).text().matches("job_id=").count() >= 400, "nothing changes");
    let got = stage.data("/api/v1/cardinality?target=worker");
    let guard = &label(&got, "jobs_total", "job_id")["guard"];
    assert_eq!((&guard["action"], &guard["mode"]), (&"collapse".into(), &"observe".into()), "{guard}");
    assert!(guard["dropped"].as_u64().unwrap() > 300, "{guard}");
    assert!(stage.get("/api/v1/suggest?target=worker").text().contains("suggested_job_id"));
    assert!(stage.get("/").text().contains("only observes it: 400 series received, 400 forwarded"));
}

#[test]
fn a_page_of_another_site_can_order_nothing() {
    let stage = Stage::set();
    let own = format!("http://{}", stage.guard.address);
    for path in ["/api/v1/release?target=worker", "/api/v1/mode?target=worker&mode=pass", "/-/reload"] {
        let with = |name, value| {
            http::request(stage.guard.address, "POST", path, &[("Content-Length", "0"), (name, value)]).status
        };
        assert_eq!(with("Origin", "http://evil.example"), 403, "{path}");
        assert_eq!(with("Origin", "null"), 403, "{path}");
        assert_eq!(with("Sec-Fetch-Site", "cross-site"), 403, "{path}");
        assert_eq!((with("Origin", &own), with("Sec-Fetch-Site", "same-origin")), (200, 200), "{path}");
    }
}
