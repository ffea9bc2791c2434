//! `mode: pass`: the operator's explicit way out. Bytes go through unparsed, truncation stays loud.

use super::BODY;
use super::support::client::End;
use super::support::exporter::{Act, Exporter, chunk, gzip, ok, response};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::engine::policy::Mode;

async fn passing(exporter: &Exporter) -> Guard {
    let mut app = target("app", url(&exporter.url()));
    app.mode = Mode::Pass;
    Guard::with(settings(vec![app])).await
}

#[tokio::test]
async fn anything_passes_as_it_is() {
    let packed = gzip(BODY.as_bytes());
    let encoded = |encoding: &str, body: &[u8]| {
        response(
            &format!("Content-Type: text/plain\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n", body.len()),
            body,
        )
    };
    let table: Vec<(&str, Vec<u8>, &[u8])> = vec![
        (
            "protobuf",
            ok("application/vnd.google.protobuf; proto=x; encoding=delimited", b"\x05\x0a\x03abc"),
            b"\x05\x0a\x03abc",
        ),
        ("html", ok("text/html", b"<html>"), b"<html>"),
        ("no type", response("Content-Length: 3\r\n", b"a 1"), b"a 1"),
        ("nothing", response("Content-Length: 0\r\n", b""), b""),
        ("gzip", encoded("gzip", &packed), &packed),
        ("zstd", encoded("zstd", b"\x28\xb5\x2f\xfd"), b"\x28\xb5\x2f\xfd"),
        (
            "chunks",
            response("Transfer-Encoding: chunked\r\n", &[chunk(b"a 1\n"), chunk(b"b"), b"0\r\n\r\n".to_vec()].concat()),
            b"a 1\nb",
        ),
    ];
    for (what, answer, expected) in table {
        let head = String::from_utf8_lossy(&answer).into_owned();
        let exporter = Exporter::says(answer).await;
        let answer = passing(&exporter).await.get("/scrape/app", "Accept-Encoding: gzip, zstd\r\n").await;
        assert_eq!((answer.status, answer.end), (200, End::Whole), "{what}: {}", answer.reason);
        assert_eq!(answer.body, expected, "{what}");
        for name in ["Content-Type", "Content-Encoding"] {
            let said = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            assert_eq!(answer.header(name), said, "{what}: {name}");
        }
    }
}

#[tokio::test]
async fn accept_is_left_alone() {
    let exporter = Exporter::of(BODY).await;
    let guard = passing(&exporter).await;
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    guard.get("/scrape/app", &format!("Accept: {accept}\r\nAccept-Encoding: zstd\r\n")).await;
    guard.get("/scrape/app", "").await;
    let heads = exporter.requests();
    assert!(heads[0].contains(&format!("accept: {accept}\r\n")) && heads[0].contains("accept-encoding: zstd\r\n"));
    assert!(!heads[1].contains("accept"), "{}", heads[1]);
}

#[tokio::test]
async fn only_200_counts_here_too() {
    let exporter = Exporter::says("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\na 1\n").await;
    assert_eq!(passing(&exporter).await.scrape().await.status, 502);
}

#[tokio::test]
async fn a_cut_body_is_cut_here_too() {
    let long = b"a 1\n".repeat(10_000);
    for (what, headers, body) in [
        ("length", "Content-Length: 1000000\r\n", long.clone()),
        ("chunks", "Transfer-Encoding: chunked\r\n", chunk(&long)),
    ] {
        for ending in [Act::Close, Act::Reset] {
            let answer = response(&format!("Content-Type: text/plain\r\n{headers}"), &body);
            let begun = std::sync::Arc::new(tokio::sync::Notify::new());
            let wait = begun.clone();
            let acts =
                move |_: usize, _: &str| vec![Act::Write(answer.clone()), Act::Wait(wait.clone()), ending.clone()];
            let exporter = Exporter::start(acts).await;
            let guard = passing(&exporter).await;
            let mut client = guard.client().await;
            client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await;
            let head = client.head().await.unwrap();
            assert_eq!(head.status, 200, "{what}: the answer has begun");
            begun.notify_one();
            let body = client.rest_of(head).await;
            assert_eq!(body.end, End::Cut, "{what}");
            assert!(body.body.len() <= long.len());
        }
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_it_whole() {
    let body = [chunk(b"a 1\n"), chunk(b"b 2\n"), b"0\r\n\r\n".to_vec()].concat();
    let exporter = Exporter::says(response("Transfer-Encoding: chunked\r\n", &body)).await;
    let guard = passing(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text(), answer.end), (200, "a 1\nb 2\n".into(), End::Whole));
}
