//! Every condition and its answer: an exporter that misbehaves fails its scrape, visibly.

use std::time::Duration;

use super::BODY;
use super::support::exporter::{Act, Exporter, chunk, gzip, ok, response};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::settings::FallbackProtocol;
use tokio::net::TcpListener;

/// Scrapes an exporter that says these bytes and closes.
async fn outcome(answer: Vec<u8>) -> (u16, String) {
    let exporter = Exporter::says_and_closes(answer).await;
    let answer = Guard::before(&exporter).await.scrape().await;
    assert_eq!(exporter.requests().len(), 1, "one GET a scrape, whatever comes of it");
    if answer.status != 200 {
        assert_eq!(answer.text(), format!("{}\n", answer.reason), "the body repeats the reason");
    }
    (answer.status, answer.reason)
}

fn is(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

fn plain(headers: &str, body: &[u8]) -> Vec<u8> {
    response(&format!("Content-Type: text/plain\r\n{headers}"), body)
}

#[tokio::test]
async fn only_200_counts() {
    for (status, words) in [
        ("201 Created", "exporter: answered 201 Created"),
        ("204 No Content", "exporter: answered 204 No Content"),
        ("206 Partial Content", "exporter: answered 206 Partial Content"),
        ("301 Moved Permanently", "exporter: answered 301 Moved Permanently"),
        ("302 Found", "exporter: answered 302 Found"),
        ("304 Not Modified", "exporter: answered 304 Not Modified"),
        ("401 Unauthorized", "exporter: answered 401 Unauthorized"),
        ("404 Not Found", "exporter: answered 404 Not Found"),
        ("500 Oh\u{7f}", "exporter: answered 500 Internal Server Error"),
        ("503 Service Unavailable", "exporter: answered 503 Service Unavailable"),
        ("799 Whatever", "exporter: answered 799"),
    ] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\na 1\n"
        );
        let (code, reason) = outcome(answer.into_bytes()).await;
        assert_eq!(code, 502, "{status}: {reason}");
        assert!(reason == words || reason == "exporter: answer is not valid HTTP/1.1", "{status}: {reason}");
    }
}

#[tokio::test]
async fn a_cut_body_is_never_a_shorter_200() {
    let cut = is(502, "exporter: connection closed before the answer was complete");
    assert_eq!(outcome(plain("Content-Length: 100\r\n", b"a 1\nb 20")).await, cut);
    assert_eq!(outcome(plain("Transfer-Encoding: chunked\r\n", &chunk(b"a 1\n"))).await, cut);
    assert_eq!(outcome(plain("Transfer-Encoding: chunked\r\n", b"9\r\na 1\n")).await, cut);
    assert_eq!(outcome(b"HTTP/1.1 200 OK\r\nContent-Type: text".to_vec()).await, cut);
    assert_eq!(outcome(Vec::new()).await, cut);
}

#[tokio::test]
async fn a_reset_is_told() {
    for before in [Vec::new(), plain("Content-Length: 100\r\n", b"a 1\n")] {
        // What was written must have arrived before the reset overtakes it.
        let pause = Act::Sleep(Duration::from_millis(50));
        let exporter = Exporter::start(move |_, _| vec![Act::Write(before.clone()), pause.clone(), Act::Reset]).await;
        let answer = Guard::before(&exporter).await.scrape().await;
        assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: connection reset"));
    }
}

#[tokio::test]
async fn broken_framing_fails() {
    let not_http = is(502, "exporter: answer is not valid HTTP/1.1");
    let framing = is(502, "exporter: body's framing is broken");
    let two = is(502, "exporter: answer has both Content-Length and Transfer-Encoding");
    let coding = is(502, "exporter: Transfer-Encoding is not chunked");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let table: Vec<(&str, Vec<u8>, &(u16, String))> = vec![
        ("two lengths", plain("Content-Length: 4\r\nContent-Length: 5\r\n", b"a 1\n"), &not_http),
        ("a signed length", plain("Content-Length: +4\r\n", b"a 1\n"), &not_http),
        ("a negative length", plain("Content-Length: -1\r\n", b"a 1\n"), &not_http),
        (
            "length and chunks",
            plain("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"4\r\na 1\n\r\n0\r\n\r\n"),
            &two,
        ),
        ("gzip, chunked", plain("Transfer-Encoding: gzip, chunked\r\n", b"4\r\na 1\n\r\n0\r\n\r\n"), &coding),
        ("gzip alone", plain("Transfer-Encoding: gzip\r\n", b"a 1\n"), &coding),
        ("a chunk size that is none", plain(chunked, b"zz\r\na 1\n\r\n0\r\n\r\n"), &framing),
        ("a chunk size too large", plain(chunked, b"fffffffffffffffff\r\na 1\n"), &framing),
        ("bare line feeds", plain(chunked, b"4\na 1\n\n0\n\n"), &framing),
        ("a folded header", plain("X: a\r\n b\r\nContent-Length: 4\r\n", b"a 1\n"), &not_http),
        ("a blank before the colon", plain("Content-Length : 4\r\n", b"a 1\n"), &not_http),
        ("NUL in a header", plain("X: a\0b\r\nContent-Length: 4\r\n", b"a 1\n"), &not_http),
        ("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), &not_http),
        ("HTTP/2", b"HTTP/2 200\r\n\r\n".to_vec(), &not_http),
    ];
    for (what, answer, expected) in table {
        assert_eq!(&outcome(answer).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_fails() {
    let large = is(502, "exporter: answer's head is too large");
    let huge = plain(&format!("X: {}\r\nContent-Length: 4\r\n", "x".repeat(70_000)), b"a 1\n");
    assert_eq!(outcome(huge).await, large);
    let many: String = (0..2000).map(|i| format!("X-{i}: 1\r\n")).collect();
    assert_eq!(outcome(plain(&format!("{many}Content-Length: 4\r\n"), b"a 1\n")).await, large);
    let exporter =
        Exporter::start(|_, _| vec![Act::Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Act::Forever(b"X: 1\r\n".repeat(99))])
            .await;
    let answer = Guard::before(&exporter).await.scrape().await;
    assert_eq!((answer.status, answer.reason), large);
}

#[tokio::test]
async fn a_few_1xx_are_skipped_a_flood_fails() {
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let some = [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], early, &plain("Content-Length: 4\r\n", b"a 1\n")].concat();
    assert_eq!(outcome(some).await.0, 200);
    let exporter = Exporter::start(move |_, _| vec![Act::Forever(early.to_vec())]).await;
    let answer = Guard::before(&exporter).await.scrape().await;
    assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: too many 1xx answers"));
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n".to_vec();
    assert_eq!(outcome(switching).await, is(502, "exporter: answered 101 Switching Protocols"));
}

#[tokio::test]
async fn bad_gzip_fails() {
    let packed = gzip(BODY.as_bytes());
    let n = packed.len();
    let mut corrupt = packed.clone();
    corrupt[n - 5] ^= 1;
    let table: Vec<(Vec<u8>, &str)> = vec![
        (packed[..n - 8].to_vec(), "exporter: gzip: ends in the middle"),
        (packed[..n - 1].to_vec(), "exporter: gzip: ends in the middle"),
        (corrupt, "exporter: gzip: wrong checksum"),
        ([&packed[..], &[0; 8]].concat(), "exporter: gzip: not a gzip header"),
        ([&packed[..], b"garbage"].concat(), "exporter: gzip: not a gzip header"),
        (BODY.into(), "exporter: gzip: not a gzip header"),
        (Vec::new(), "exporter: gzip: ends in the middle"),
    ];
    for (bytes, reason) in table {
        let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bytes.len());
        assert_eq!(outcome(plain(&headers, &bytes)).await, is(502, reason));
    }
}

#[tokio::test]
async fn any_other_encoding_fails() {
    for encoding in ["GZIP", "x-gzip", "gzip, identity", "deflate", "zstd", "br", "identity"] {
        let packed = gzip(BODY.as_bytes());
        let headers = format!("Content-Encoding: {encoding}\r\nContent-Length: {}\r\n", packed.len());
        let expected = format!("exporter: Content-Encoding {encoding} is not gzip");
        assert_eq!(outcome(plain(&headers, &packed)).await, is(502, &expected));
    }
}

#[tokio::test]
async fn the_content_type_must_be_known() {
    let says = |line: &str, body: &[u8]| response(&format!("{line}Content-Length: {}\r\n", body.len()), body);
    let (status, reason) = outcome(says("", b"a 1\n")).await;
    assert_eq!((status, reason.as_str()), (502, "exporter: no Content-Type (fallback_scrape_protocol would name one)"));
    for content_type in ["text/html; charset=utf-8", "application/json", "text/*", "text/plain, text/plain", "x"] {
        let (status, reason) = outcome(says(&format!("Content-Type: {content_type}\r\n"), b"a 1\n")).await;
        assert_eq!((status, reason), is(502, &format!("exporter: unsupported Content-Type \"{content_type}\"")));
    }
    let protobuf = "Content-Type: application/vnd.google.protobuf; encoding=delimited\r\n";
    assert_eq!(outcome(says(protobuf, b"a")).await, is(502, "exporter: protobuf can only pass in mode: pass"));
}

#[tokio::test]
async fn a_fallback_stands_in_for_an_unknown_content_type() {
    let html = Exporter::says(ok("text/html", BODY.as_bytes())).await;
    let mut app = target("app", url(&html.url()));
    app.fallback_scrape_protocol = Some(FallbackProtocol::Text);
    let answer = Guard::with(settings(vec![app])).await.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{}", answer.reason);
    assert_eq!(answer.header("content-type"), Some("text/html"), "it leaves as it came");
}

#[tokio::test]
async fn an_empty_body_needs_no_content_type() {
    for headers in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/openmetrics-text\r\n",
        "Content-Type: text/html\r\n",
    ] {
        let exporter = Exporter::says(response(&format!("{headers}Content-Length: 0\r\n"), b"")).await;
        let answer = Guard::before(&exporter).await.scrape().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{headers}: {}", answer.reason);
        assert_eq!(answer.header("content-length"), Some("0"));
    }
    let nothing = gzip(b"");
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", nothing.len());
    assert_eq!(outcome(response(&headers, &nothing)).await.0, 200, "gzip of nothing is nothing");
}

#[tokio::test]
async fn close_delimited_bodies_pass_when_they_are_whole() {
    assert_eq!(outcome(plain("", b"a 1\n")).await.0, 200);
    assert_eq!(outcome(plain("Connection: close\r\n", b"a 1\nb 20\n")).await.0, 200);
    // A framed text body may lack its last newline.
    assert_eq!(outcome(plain("Content-Length: 3\r\n", b"a 1")).await.0, 200);
}

/// The engine must tell these; listed apart because they need more than transport.
#[tokio::test]
async fn a_body_that_is_cut_or_malformed_fails() {
    let (status, reason) = outcome(plain("", b"a 1\nb 20")).await;
    assert_eq!((status, reason.starts_with("exporter: ")), (502, true), "close-delimited, no newline: {reason}");
    let openmetrics = ok("application/openmetrics-text", b"a 1\n");
    assert_eq!(outcome(openmetrics).await.0, 502, "no # EOF");
    let (status, reason) = outcome(plain("Content-Length: 10\r\n", b"a 1\n<html>")).await;
    assert_eq!((status, reason.starts_with("exporter: line 2: ")), (502, true), "{reason}");
}

#[tokio::test]
async fn an_exporter_that_is_not_there() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let guard = Guard::with(settings(vec![
        target("app", url(&format!("http://{nobody}/metrics"))),
        target("name", url("http://no-such-host.invalid:9100/metrics")),
    ]))
    .await;
    let answer = guard.scrape().await;
    assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: connection refused"));
    let answer = guard.get("/scrape/name", "").await;
    assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: host name not found"));
}

#[tokio::test]
async fn an_exporter_that_comes_back_is_scraped_again() {
    let exporter = Exporter::start(|number, _| match number {
        1 => vec![Act::Close],
        _ => vec![Act::Write(ok("text/plain", BODY.as_bytes()))],
    })
    .await;
    let guard = Guard::before(&exporter).await;
    assert_eq!(guard.scrape().await.status, 200);
    assert_eq!(guard.scrape().await.status, 502, "a request that went out is not sent again");
    assert_eq!(guard.scrape().await.text(), BODY);
    assert_eq!(exporter.requests().len(), 3);
}

#[tokio::test]
async fn a_connection_the_exporter_closed_is_replaced() {
    let exporter = Exporter::says_and_closes(ok("text/plain", BODY.as_bytes())).await;
    let guard = Guard::before(&exporter).await;
    for _ in 0..5 {
        assert_eq!(guard.scrape().await.status, 200);
        // Its end travels to the guard.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((exporter.requests().len(), exporter.connections()), (5, 5));
}

#[tokio::test]
async fn bytes_beyond_the_body_are_not_the_next_answer() {
    let poison = ok("text/plain", b"poison 1\n");
    let good = ok("text/plain", b"good 1\n");
    let exporter = Exporter::says([good, poison].concat()).await;
    let guard = Guard::before(&exporter).await;
    for _ in 0..3 {
        assert_eq!(guard.scrape().await.text(), "good 1\n");
    }
    assert_eq!((exporter.requests().len(), exporter.connections()), (3, 3));
}

#[tokio::test]
async fn trailers_say_nothing() {
    let body = [chunk(b"a 1\n"), b"0\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n".to_vec()].concat();
    let exporter = Exporter::says(plain("Transfer-Encoding: chunked\r\n", &body)).await;
    let answer = Guard::before(&exporter).await.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, "a 1\n".into()), "{}", answer.reason);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn what_stands_behind_a_body_is_ignored_and_its_connection_is_not_used_again() {
    let another = response("Content-Type: text/plain\r\nContent-Length: 4\r\n", b"b 2\n");
    for body in [
        plain("Content-Length: 4\r\n", b"a 1\n"),
        plain("Transfer-Encoding: chunked\r\n", &[chunk(b"a 1\n"), b"0\r\n\r\n".to_vec()].concat()),
    ] {
        let exporter = Exporter::says([body, another.clone()].concat()).await;
        let guard = Guard::before(&exporter).await;
        for _ in 0..3 {
            let answer = guard.scrape().await;
            assert_eq!((answer.status, answer.text()), (200, "a 1\n".into()), "{}", answer.reason);
        }
        assert_eq!(exporter.connections(), 3);
    }
}
