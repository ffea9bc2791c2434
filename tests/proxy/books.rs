//! Every scrape is counted once, under what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::BODY;
use super::support::exporter::{Act, Exporter, gzip, ok, response};
use super::support::guard::{Guard, address, settings, target, url};
use super::support::soon;
use cardinality_guard::telemetry::{Exposition, Foreseen};

/// The rows of one of the guard's own counters that are not 0, labels as they are written.
fn rows(guard: &Guard, metric: &str) -> BTreeMap<String, f64> {
    let text = guard.shared.telemetry().expose(Exposition::Text, &[]);
    let samples = text.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
    samples
        .filter_map(|line| line.split_once("} "))
        .map(|(labels, value)| (labels.split_once('{').unwrap().1.to_owned(), value.parse().unwrap()))
        .filter(|(_, value)| *value != 0.0)
        .collect()
}

/// Waits until as many scrapes have ended, and a little longer for one that is counted twice.
async fn scrapes(guard: &Guard, total: f64) -> BTreeMap<String, f64> {
    let metric = "cardinality_guard_scrapes_total";
    let settled = async {
        while rows(guard, metric).values().sum::<f64>() < total {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the count", settled).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    rows(guard, metric)
}

fn row(target: &str, result: &str) -> BTreeMap<String, f64> {
    BTreeMap::from([(format!("target=\"{target}\",result=\"{result}\""), 1.0)])
}

/// A guard that knows `app` (this exporter) and `many` (nowhere).
async fn before(exporter: &Exporter) -> Guard {
    let mut settings = settings(vec![target("app", url(&exporter.url())), target("many", address("x:1"))]);
    settings.scrape.body_size_limit = 10_000;
    let guard = Guard::with(settings).await;
    let targets = guard.shared.config().targets().iter().map(|t| (t.settings.name.clone(), t.mode)).collect();
    guard.shared.telemetry().config_loaded(Foreseen { targets, ..Foreseen::default() });
    guard
}

#[tokio::test]
async fn each_outcome_has_its_result() {
    let plain = |body: &[u8]| vec![Act::Write(ok("text/plain", body))];
    let stalls = vec![Act::Sleep(Duration::from_secs(3600))];
    let status = vec![Act::Write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())];
    let table: Vec<(&str, Vec<Act>, &str, &str)> = vec![
        ("/scrape/app", plain(BODY.as_bytes()), "app", "ok"),
        ("/scrape/app", plain(b""), "app", "ok"),
        ("/scrape/app", plain(b"<html>\n"), "app", "malformed"),
        ("/scrape/app", plain(&b"a 1\n".repeat(5000)), "app", "limit"),
        ("/scrape/app", vec![Act::Write(ok("text/html", b"<html>"))], "app", "content_type"),
        ("/scrape/app", status, "app", "exporter_status"),
        ("/scrape/app", vec![Act::Close], "app", "upstream"),
        (
            "/scrape/app",
            vec![Act::Write(response("Content-Encoding: br\r\nContent-Length: 1\r\n", b"x"))],
            "app",
            "upstream",
        ),
        ("/scrape/app", stalls, "app", "timeout"),
        ("/scrape/many?target=evil:80", vec![], "many", "forbidden"),
        ("/scrape/nobody", vec![], "", "not_found"),
        ("/scrape?target=evil:80", vec![], "", "forbidden"),
        ("http://evil:80/metrics", vec![], "", "forbidden"),
        ("/scrape?target=file:///x", vec![], "", "forbidden"),
    ];
    for (place, acts, name, result) in table {
        let exporter = Exporter::start(move |_, _| acts.clone()).await;
        let guard = before(&exporter).await;
        let answer = guard.get(place, "X-Prometheus-Scrape-Timeout-Seconds: 3\r\n").await;
        assert_eq!(scrapes(&guard, 1.0).await, row(name, result), "{place}: {}", answer.reason);
    }
}

#[tokio::test]
async fn methods_and_loops_are_counted_and_head_is_no_scrape() {
    let exporter = Exporter::of(BODY).await;
    for (request, name, result) in [
        ("POST /scrape/app HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "", "method"),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n".into(), "", "method"),
    ] {
        let guard = before(&exporter).await;
        let mut client = guard.client().await;
        client.say(&request).await;
        client.answer().await.unwrap();
        assert_eq!(scrapes(&guard, 1.0).await, row(name, result), "{request}");
    }
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("HEAD /scrape/app HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.answer_to("HEAD").await.unwrap();
    guard.get(&format!("http://{}/metrics", guard.address), "").await;
    assert_eq!(scrapes(&guard, 1.0).await, row("", "loop"));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_aborted() {
    let exporter = Exporter::start(|_, _| vec![Act::Sleep(Duration::from_secs(3600))]).await;
    let guard = before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: x\r\n\r\n").await;
    soon("the request", async {
        while exporter.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    drop(client);
    assert_eq!(scrapes(&guard, 1.0).await, row("app", "aborted"));
}

#[tokio::test]
async fn bytes_are_counted_as_they_were_on_the_wire() {
    let body = "a_metric_of_some_length{label=\"value\"} 1\n".repeat(200);
    let packed = gzip(body.as_bytes());
    let headers = format!("Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", packed.len());
    let exporter = Exporter::says(response(&headers, &packed)).await;
    let guard = before(&exporter).await;
    let answer = guard.get("/scrape/app", "Accept-Encoding: identity\r\n").await;
    assert_eq!(answer.body.len(), body.len());
    scrapes(&guard, 1.0).await;
    let one = |n: usize| BTreeMap::from([("target=\"app\"".to_owned(), n as f64)]);
    assert_eq!(rows(&guard, "cardinality_guard_received_bytes_total"), one(packed.len()));
    assert_eq!(rows(&guard, "cardinality_guard_sent_bytes_total"), one(body.len()));
}

#[tokio::test]
async fn protobuf_struck_from_accept_is_counted() {
    let exporter = Exporter::of(BODY).await;
    let guard = before(&exporter).await;
    for accept in ["text/plain", "application/vnd.google.protobuf;q=0.5,text/plain", "application/vnd.google.protobuf"]
    {
        guard.get("/scrape/app", &format!("Accept: {accept}\r\n")).await;
    }
    assert_eq!(
        rows(&guard, "cardinality_guard_scrapes_downgraded_total"),
        BTreeMap::from([("target=\"app\"".to_owned(), 2.0)])
    );
}
