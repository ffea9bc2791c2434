//! The scrape path over real sockets: ways in, headers, outcomes, what waits for what.

mod support;

use support::client::End;
use support::exporter::{Act, Exporter, chunk, gzip, ok, response};
use support::guard::{Guard, settings, target, url};

const BODY: &str = "# TYPE jobs_total counter\njobs_total{queue=\"a\"} 3\njobs_total{queue=\"b\"} 4\n";

#[tokio::test]
async fn the_three_ways_in_lead_to_the_same_body() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let port = exporter.port();
    for place in [
        format!("http://127.0.0.1:{port}/metrics"),
        "/scrape/app".into(),
        format!("/scrape?target=127.0.0.1:{port}"),
        format!("/scrape?target=http://127.0.0.1:{port}/metrics"),
        format!("/scrape?target=http%3A%2F%2F127.0.0.1%3A{port}%2Fmetrics"),
    ] {
        let answer = guard.get(&place, "").await;
        assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{place}: {}", answer.reason);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
        assert_eq!(answer.header("content-length"), Some(BODY.len().to_string().as_str()));
    }
    assert!(exporter.requests().iter().all(|head| head.starts_with("GET /metrics HTTP/1.1\r\n")));
    assert_eq!(exporter.requests().len(), 5, "one GET a scrape");
    assert_eq!(exporter.connections(), 1, "the connection is kept");
}
