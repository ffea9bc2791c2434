//! Bodies longer than `hold_output`: they leave as they come, and what goes wrong then cuts the
//! connection.

use std::sync::Arc;
use std::time::Duration;

use super::support::client::End;
use super::support::exporter::{Act, Exporter, chunk, ok, response};
use super::support::guard::{Guard, settings, target, url};
use tokio::sync::Notify;

const LINE: &str = "some_metric_of_a_usual_length{label=\"value\",other=\"thing\"} 12345\n";

async fn before(exporter: &Exporter) -> Guard {
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    settings.scrape.hold_output = 64 << 10;
    Guard::with(settings).await
}

fn body() -> String {
    (0..20_000).map(|i| LINE.replace("value", &i.to_string())).collect()
}

#[tokio::test]
async fn a_long_body_leaves_in_chunks() {
    let body = body();
    let exporter = Exporter::of(&body).await;
    let guard = before(&exporter).await;
    for lines in ["", "Accept-Encoding: gzip\r\n"] {
        let answer = guard.get("/scrape/app", lines).await;
        assert_eq!((answer.status, answer.end), (200, End::Whole));
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "{lines}");
        assert!(answer.text() == body);
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_even_that_whole() {
    let body = body();
    let exporter = Exporter::of(&body).await;
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
    assert!(answer.text() == body);
}

#[tokio::test]
async fn a_failure_after_output_has_begun_cuts_the_connection() {
    let never = Duration::from_secs(3600);
    for (what, ending) in [
        ("closed", vec![Act::Close]),
        ("reset", vec![Act::Reset]),
        ("bad framing", vec![Act::Write(b"zz\r\n".to_vec())]),
        ("out of time", vec![Act::Sleep(never)]),
    ] {
        is_cut(what, ending).await;
    }
}

#[tokio::test]
async fn a_bad_line_after_output_has_begun_cuts_the_connection() {
    let line = [chunk(b"<html>\n"), b"0\r\n\r\n".to_vec()].concat();
    is_cut("a bad line", vec![Act::Write(line)]).await;
}

/// The answer begins, then the exporter does this.
async fn is_cut(what: &str, ending: Vec<Act>) {
    let body = body();
    let head = || response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", &chunk(body.as_bytes()));
    let begun = Arc::new(Notify::new());
    let mut acts = vec![Act::Write(head()), Act::Wait(begun.clone())];
    acts.extend(ending);
    let exporter = Exporter::start(move |_, _| acts.clone()).await;
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\nX-Prometheus-Scrape-Timeout-Seconds: 4\r\n\r\n").await;
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 200, "{what}: the answer has begun");
    begun.notify_one();
    assert_eq!(client.rest_of(head).await.end, End::Cut, "{what}");
}

#[tokio::test]
async fn a_reader_that_goes_away_frees_the_endpoint() {
    let long = body();
    let exporter = Exporter::start(move |number, _| match number {
        0 => vec![
            Act::Write(response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"")),
            Act::Forever(chunk(long.as_bytes())),
        ],
        _ => vec![Act::Write(ok("text/plain", b"a 1\n"))],
    })
    .await;
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    drop(client);
    let answer = guard.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, "a 1\n".into()), "{}", answer.reason);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_aborted_at_its_deadline() {
    let long = body();
    let exporter = Exporter::start(move |number, _| match number {
        0 => vec![
            Act::Write(response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"")),
            Act::Forever(chunk(long.as_bytes())),
        ],
        _ => vec![Act::Write(ok("text/plain", b"a 1\n"))],
    })
    .await;
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\nX-Prometheus-Scrape-Timeout-Seconds: 3\r\n\r\n").await;
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 200);
    // The next scrape of the endpoint waits for it, and gets its turn.
    assert_eq!(guard.scrape().await.text(), "a 1\n");
    assert_eq!(client.rest_of(head).await.end, End::Cut);
}
