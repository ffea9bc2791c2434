//! Successive scrapes through `serve`: what a folded counter shows when members are born, evicted
//! and reset. The cases are those of rules 0.1, 0.5 and 1.1 to 1.10.

use crate::exporter::{Exporter, Framing, OPEN_METRICS, TEXT};
use crate::guard::Guard;
use crate::http::Answer;

const POLICY: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"m.*|h.*|g.*\"}'
    labels:
      - {label: job_id, action: drop}
";

/// A scripted exporter behind a guard that drops `job_id`.
struct Scrapes {
    exporter: Exporter,
    guard: Guard,
}

impl Scrapes {
    fn begin() -> Scrapes {
        let exporter = Exporter::start();
        let settings = format!(
            "builtin_policy: false\ntargets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n",
            exporter.address
        );
        Scrapes { exporter, guard: Guard::start(&settings, POLICY) }
    }

    fn scrape(&self, body: &str) -> Answer {
        self.scrape_as(TEXT, body)
    }

    fn scrape_as(&self, content_type: &str, body: &str) -> Answer {
        self.exporter.say(content_type, body.as_bytes(), Framing::ContentLength);
        let answer = self.guard.scrape("worker");
        assert_eq!(answer.status, 200, "{} for {body}", answer.reason);
        answer
    }

    /// Scrapes a counter `m_total{q="x"}` with these members (`a=5000 b=1`; `start=1000` is
    /// process_start_time_seconds, `a.created=7` a member's `_created`) and gives what is shown.
    fn counter(&self, members: &str) -> f64 {
        let answer = self.scrape(&counter_body(members));
        assert!(!answer.text().contains("job_id"), "{}", answer.text());
        value(&answer, "m_total{q=\"x\"}").unwrap_or_else(|| panic!("no group in {}", answer.text()))
    }
}

fn counter_body(members: &str) -> String {
    let (mut samples, mut created, mut start) = (String::new(), String::new(), String::new());
    for (member, value) in members.split(' ').filter_map(|member| member.split_once('=')) {
        let labels = |id: &str| format!("{{q=\"x\",job_id=\"{id}\"}}");
        match member.split_once('.') {
            _ if member == "start" => start = format!("process_start_time_seconds {value}\n"),
            Some((id, "created")) => created += &format!("m_created{} {value}\n", labels(id)),
            _ => samples += &format!("m_total{} {value}\n", labels(member)),
        }
    }
    let created = if created.is_empty() { created } else { format!("# TYPE m_created gauge\n{created}") };
    format!("# TYPE m_total counter\n{samples}{created}# TYPE process_start_time_seconds gauge\n{start}")
}

/// The value of the sample with exactly this series part.
fn value(answer: &Answer, series: &str) -> Option<f64> {
    let mut found = answer.text().lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.next()?.split(' ').next()?.parse().ok();
    assert_eq!(found.next(), None, "{series} twice in {}", answer.text());
    value
}

#[test]
fn a_folded_counter_shows_every_increment_once() {
    let cases: &[(&str, &[(&str, f64)])] = &[
        ("1.1 a baseline is no increase", &[("a=5000", 0.0), ("a=5007", 7.0)]),
        ("1.2 a birth counts from 0", &[("a=5000", 0.0), ("a=5000 b=1", 1.0), ("a=5000 b=1 c=3", 4.0)]),
        ("1.3 a reset counts from 0", &[("a=100", 0.0), ("a=104", 4.0), ("a=3", 7.0)]),
        ("1.4 a restart is seen in the start time", &[("a=10 start=1000", 0.0), ("a=40 start=2000", 40.0)]),
        ("1.4 clock noise is no restart", &[("a=10 start=1000", 0.0), ("a=40 start=1001", 30.0)]),
        ("1.4 a step back is no restart", &[("a=10 start=1000", 0.0), ("a=40 start=900", 30.0)]),
        (
            "1.5 a newer _created is a reset",
            &[("a=10 a.created=1000", 0.0), ("a=40 a.created=2000", 40.0), ("a=41 a.created=2000", 41.0)],
        ),
        ("1.6 an eviction is no fall", &[("a=10 b=1", 0.0), ("a=12 b=2", 3.0), ("a=13", 4.0), ("", 4.0), ("z=1", 5.0)]),
        ("1.6 a member that comes back goes on", &[("a=10 b=1", 0.0), ("a=10", 0.0), ("a=10 b=4", 3.0)]),
        ("1.10 what is no count is absent", &[("a=10", 0.0), ("a=NaN", 0.0), ("a=-3", 0.0), ("a=12", 2.0)]),
    ];
    for (rule, scrapes) in cases {
        let guarded = Scrapes::begin();
        for (at, (members, expected)) in scrapes.iter().enumerate() {
            assert_eq!(guarded.counter(members), *expected, "{rule}: scrape {at}, {members}");
        }
    }
}

#[test]
fn the_same_rules_hold_for_openmetrics() {
    let guarded = Scrapes::begin();
    let body = |samples: &str| format!("# TYPE m counter\n{samples}# EOF\n");
    let scrapes = [
        ("m_total{q=\"x\",job_id=\"a\"} 5000\n", 0.0),
        ("m_total{q=\"x\",job_id=\"a\"} 5007\nm_total{q=\"x\",job_id=\"b\"} 2\n", 9.0),
        ("m_total{q=\"x\",job_id=\"b\"} 3\n", 10.0),
    ];
    for (samples, expected) in scrapes {
        let answer = guarded.scrape_as(OPEN_METRICS, &body(samples));
        assert_eq!(value(&answer, "m_total{q=\"x\"}"), Some(expected), "{}", answer.text());
        assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
    }
}

#[test]
fn a_failed_scrape_fails_loudly_and_changes_nothing() {
    let guarded = Scrapes::begin();
    assert_eq!(guarded.counter("a=123450"), 0.0);
    assert_eq!(guarded.counter("a=123455"), 5.0);
    let body = counter_body("a=12346");
    let failures: [(&str, Vec<u8>); 5] = [
        ("shorter than its Content-Length", framed(&body, Framing::Short(7))),
        ("malformed", framed("m_total{q=\"x\",job_id=\"a\"} 999999\nm_total{ 1\n", Framing::ContentLength)),
        ("another status", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("another media type", html()),
        ("no answer at all", Vec::new()),
    ];
    for (what, answer) in failures {
        guarded.exporter.say_raw(answer);
        let answer = guarded.guard.scrape("worker");
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert!(answer.reason.starts_with("exporter: "), "{what}: {}", answer.reason);
        assert_eq!(answer.text().trim_end(), answer.reason, "{what}");
    }
    assert_eq!(guarded.counter("a=123465"), 15.0);
}

fn framed(body: &str, framing: Framing) -> Vec<u8> {
    let length = match framing {
        Framing::Short(by) => body.len() + by,
        Framing::ContentLength | Framing::Chunks(_) => body.len(),
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn html() -> Vec<u8> {
    let body = "<html>log in</html>";
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn gauges_add_up_and_histograms_move_together() {
    let guarded = Scrapes::begin();
    let body = |a: [u32; 3], b: [u32; 3]| {
        let member = |id: &str, [fast, all, sum]: [u32; 3]| {
            format!(
                "h_bucket{{job_id=\"{id}\",le=\"1\"}} {fast}\nh_bucket{{job_id=\"{id}\",le=\"+Inf\"}} {all}\n\
                 h_sum{{job_id=\"{id}\"}} {sum}\nh_count{{job_id=\"{id}\"}} {all}\n"
            )
        };
        let gauges = "# TYPE g gauge\ng{job_id=\"a\"} 2\ng{job_id=\"b\"} 3\n";
        format!("{gauges}# TYPE h histogram\n{}{}", member("a", a), member("b", b))
    };
    guarded.scrape(&body([1, 2, 30], [4, 4, 2]));
    let answer = guarded.scrape(&body([3, 5, 60], [4, 4, 2]));
    // Then b restarts: it falls as a whole.
    let after_reset = guarded.scrape(&body([3, 5, 60], [0, 1, 9]));
    for (series, moved, reset) in [
        ("g", 5.0, 5.0),
        ("h_bucket{le=\"1\"}", 2.0, 2.0),
        ("h_bucket{le=\"+Inf\"}", 3.0, 4.0),
        ("h_sum", 30.0, 39.0),
        ("h_count", 3.0, 4.0),
    ] {
        assert_eq!(value(&answer, series), Some(moved), "{series} in {}", answer.text());
        assert_eq!(value(&after_reset, series), Some(reset), "{series} in {}", after_reset.text());
    }
}

#[test]
fn sigterm_ends_with_exit_code_0() {
    let guarded = Scrapes::begin();
    guarded.counter("a=1");
    assert_eq!(guarded.guard.terminate(), Some(0));
}
