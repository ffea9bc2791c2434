//! `/api/v1/rollback`: what would jump if the guard were taken out, held against what the guard and
//! the exporter really say.

use serde_json::Value;

use crate::exporter::{Exporter, Framing, TEXT};
use crate::guard::Guard;
use crate::http::{self, Answer};

const POLICY: &str = "policies: [{name: job-ids, hold: 0s, labels: [{label: job_id, action: drop}]}]";

struct Case {
    exporter: Exporter,
    guard: Guard,
}

impl Case {
    fn start() -> Case {
        let exporter = Exporter::start();
        let at = exporter.address;
        let settings = format!(
            "builtin_policy: false\ntargets:\n  - {{name: worker, url: 'http://{at}/metrics'}}\n  \
             - {{name: quiet, url: 'http://{at}/other'}}\n"
        );
        Case { exporter, guard: Guard::start(&settings, POLICY) }
    }

    fn scrape(&self, body: &str) -> Answer {
        self.exporter.say(TEXT, body.as_bytes(), Framing::ContentLength);
        self.guard.scrape("worker")
    }

    fn ask(&self, query: &str) -> (u16, Value) {
        let answer = http::get(self.guard.address, &format!("/api/v1/rollback{query}"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    fn data(&self, query: &str) -> Value {
        let (status, answer) = self.ask(query);
        assert_eq!((status, &answer["status"]), (200, &"success".into()), "{answer}");
        answer["data"].clone()
    }
}

/// Two queues with an untouched series beside their jobs, one without, and a histogram.
fn body(n: u32) -> String {
    let queue =
        |q: &str| format!("jobs_total{{queue=\"{q}\"}} {}\njobs_total{{job_id=\"1\",queue=\"{q}\"}} {n}\n", 9_000 + n);
    let h = |labels: &str, n: u32| {
        let with = |le: &str| if labels.is_empty() { format!("le=\"{le}\"") } else { format!("{labels},le=\"{le}\"") };
        format!(
            "h_bucket{{{}}} {n}\nh_bucket{{{}}} {n}\nh_sum{{{labels}}} {n}\nh_count{{{labels}}} {n}\n",
            with("1"),
            with("+Inf")
        )
    };
    format!(
        "# TYPE jobs_total counter\n{}{}jobs_total{{job_id=\"2\",queue=\"c\"}} {n}\n# TYPE h histogram\n{}{}",
        queue("a"),
        queue("b"),
        h("", 400 + n),
        h("job_id=\"1\"", n)
    )
}

#[test]
fn every_series_that_would_jump_is_listed_with_both_its_values() {
    let case = Case::start();
    case.scrape(&body(1));
    let exporters = body(5).replace("{} ", " ");
    let shown = case.scrape(&body(5)).text().to_owned();
    let data = case.data("?target=worker");
    let series = data["series"].as_array().unwrap();
    let names: Vec<&str> = series.iter().map(|s| s["series"].as_str().unwrap()).collect();
    let expected = [
        "jobs_total{queue=\"a\"}",
        "jobs_total{queue=\"b\"}",
        "h_bucket{le=\"1\"}",
        "h_bucket{le=\"+Inf\"}",
        "h_sum",
        "h_count",
    ];
    assert_eq!(names, expected);
    for s in series {
        let name = s["series"].as_str().unwrap();
        let line = |value: &Value| format!("{name} {}\n", value.as_f64().unwrap());
        assert!(shown.contains(&line(&s["exposed"])), "{s} in\n{shown}");
        assert!(exporters.contains(&line(&s["raw"])), "{s} in\n{exporters}");
        assert_ne!(s["exposed"], s["raw"], "it jumps");
        assert_eq!(s["target"], "worker");
        assert_eq!(s["endpoint"], format!("http://{}/metrics", case.exporter.address));
    }
    assert_eq!((&series[0]["metric"], &series[2]["metric"]), (&"jobs_total".into(), &"h".into()));
    assert_eq!(
        (&data["total"], &data["truncated"], &data["busyEndpoints"]),
        (&6.into(), &false.into(), &Value::Array(vec![]))
    );
}

#[test]
fn an_answer_is_as_long_as_it_was_asked_to_be() {
    let case = Case::start();
    case.scrape(&body(1));
    let data = case.data("?target=worker&limit=2");
    assert_eq!(data["series"].as_array().unwrap().len(), 2);
    assert_eq!((&data["total"], &data["truncated"]), (&6.into(), &true.into()));
    assert_eq!(case.data("?target=quiet")["total"], 0, "another target, and nobody has asked for it");
    assert_eq!(case.data("")["total"], 6, "of all targets");
}

#[test]
fn who_asks_for_what_is_not_there_is_told() {
    let case = Case::start();
    let (status, answer) = case.ask("?target=nobody");
    assert_eq!((status, &answer["status"], &answer["errorType"]), (404, &"error".into(), &"not_found".into()));
    assert!(answer["error"].as_str().unwrap().contains("nobody"), "{answer}");
    assert_eq!(case.ask("?target=worker&limit=many").0, 400);
    let post = http::request(case.guard.address, "POST", "/api/v1/rollback", &[("Content-Length", "0")]);
    assert_eq!(post.status, 405);
}
