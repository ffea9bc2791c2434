//! A scrape commits once, when its body is complete; a failed one changes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::support::client::End;
use super::support::exporter::{Act, Exporter, chunk, ok, response};
use super::support::guard::{Guard, settings, target, url};
use super::support::soon;
use tokio::sync::Notify;

const POLICY: &str = "policies:\n  - name: job-ids\n    labels:\n      - {label: job_id, action: drop}\n";

/// Two members of one group, `a` with this value; enough of other lines behind them to stream.
fn body(value: u64) -> String {
    let other: String = (0..5000).map(|i| format!("other{{i=\"{i}\"}} 1\n")).collect();
    format!("# TYPE m_total counter\nm_total{{job_id=\"a\"}} {value}\nm_total{{job_id=\"b\"}} 1\n{other}")
}

/// What the group shows.
fn folded(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("m_total ")).map(str::trim)
}

async fn guard_of(exporter: &Exporter, hold_output: u64) -> Guard {
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    settings.scrape.hold_output = hold_output;
    Guard::with_policy(settings, POLICY).await
}

/// The exporter counts 123450, 123455, fails like this, and counts on to 123465.
async fn fails_in_between(what: &str, hold_output: u64, failure: Vec<Act>) {
    let exporter = Exporter::start(move |number, _| match number {
        0 => vec![Act::Write(ok("text/plain", body(123_450).as_bytes()))],
        1 => vec![Act::Write(ok("text/plain", body(123_455).as_bytes()))],
        2 => failure.clone(),
        _ => vec![Act::Write(ok("text/plain", body(123_465).as_bytes()))],
    })
    .await;
    let guard = guard_of(&exporter, hold_output).await;
    assert_eq!(folded(&guard.scrape().await.text()), Some("0"), "{what}");
    assert_eq!(folded(&guard.scrape().await.text()), Some("5"), "{what}");
    let failed = guard.get("/scrape/app", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n").await;
    assert!(failed.status != 200 || failed.end == End::Cut, "{what}: {failed:?}");
    assert_eq!(folded(&guard.scrape().await.text()), Some("15"), "{what}");
}

#[tokio::test]
async fn a_failed_scrape_changes_nothing() {
    let cut = |body: &str| {
        let head = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len() + 1);
        vec![Act::Write(response(&head, body.as_bytes())), Act::Close]
    };
    let late = |body: &str| {
        let head = response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", &chunk(body.as_bytes()));
        vec![Act::Write(head), Act::Sleep(Duration::from_secs(3600))]
    };
    let number = "# TYPE m_total counter\nm_total{job_id=\"a\"} 12346";
    for hold_output in [8 << 20, 1 << 10] {
        fails_in_between("cut in a number", hold_output, cut(number)).await;
        fails_in_between("cut at the end", hold_output, cut(&body(999_999))).await;
        fails_in_between("never complete", hold_output, late(&body(999_999))).await;
        let malformed = ok("text/plain", format!("{}<html>\n", body(999_999)).as_bytes());
        fails_in_between("malformed", hold_output, vec![Act::Write(malformed)]).await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_end_commits_nothing() {
    let begun = Arc::new(Notify::new());
    let tell = begun.clone();
    let exporter = Exporter::start(move |number, _| match number {
        0 => vec![Act::Write(ok("text/plain", body(100).as_bytes()))],
        1 => {
            let head = response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"");
            let begin = [head, chunk(body(999_999).as_bytes())].concat();
            vec![Act::Write(begin), Act::Tell(tell.clone()), Act::Sleep(Duration::from_secs(3600))]
        }
        _ => vec![Act::Write(ok("text/plain", body(107).as_bytes()))],
    })
    .await;
    let guard = guard_of(&exporter, 8 << 20).await;
    assert_eq!(folded(&guard.scrape().await.text()), Some("0"));
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    soon("the body", begun.notified()).await;
    drop(client);
    assert_eq!(folded(&guard.scrape().await.text()), Some("7"));
}

#[tokio::test]
async fn both_formats_of_an_endpoint_have_a_memory_of_their_own() {
    let text = |value: u64| ok("text/plain", body(value).as_bytes());
    let openmetrics = |value: u64| {
        let body = format!("# TYPE m counter\nm_total{{job_id=\"a\"}} {value}\nm_total{{job_id=\"b\"}} 1\n# EOF\n");
        ok("application/openmetrics-text", body.as_bytes())
    };
    let exporter = Exporter::start(move |number, _| {
        let value = 100 + number as u64;
        vec![Act::Write(if number % 2 == 0 { text(value) } else { openmetrics(value) })]
    })
    .await;
    let guard = guard_of(&exporter, 8 << 20).await;
    for expected in ["0", "0", "2", "2", "4", "4"] {
        assert_eq!(folded(&guard.scrape().await.text()), Some(expected));
    }
}
