//! What the world sends, as far as no other file here has it: bodies that crash or mislead
//! Prometheus, answers nobody asked for, names that pretend to be the guard's.

use std::time::Duration;

use super::BODY;
use super::support::exporter::{Act, Exporter, gzip, ok, response};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::telemetry::Exposition;
use tokio::net::TcpListener;

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

async fn scraped(answer: Vec<u8>) -> (u16, String, Vec<u8>) {
    let exporter = Exporter::says_and_closes(answer).await;
    let guard = Guard::before(&exporter).await;
    let answer = guard.scrape().await;
    (answer.status, answer.reason, answer.body)
}

#[tokio::test]
async fn bodies_that_crash_or_mislead_prometheus_never_pass() {
    let long = "x".repeat(2 << 20);
    for (what, kind, body) in [
        ("a bare name in braces", TEXT, "{a} 1\n".as_bytes()),
        ("a bare name in braces", OPENMETRICS, b"{a} 1\n# EOF\n"),
        ("the same, longer", TEXT, b"{fooo,x=\"1\"} 1\n"),
        ("no UTF-8 in a label value", TEXT, b"a{x=\"\xff\"} 1\n"),
        ("no UTF-8 in a HELP", TEXT, b"# HELP a \xc3\x28\n"),
        ("NUL at the start of a line", TEXT, b"a 1\n\0b 2\n"),
        ("NUL behind a value", TEXT, b"a 1\0\nb 2\n"),
        ("NUL in a name", TEXT, b"a\0b 1\n"),
        ("NUL in a comment without a blank", TEXT, b"#x\0\nb 1\n"),
        ("NUL in what nearly is the end", OPENMETRICS, b"a 1\n# EO\0F\n"),
        ("CR LF", TEXT, b"a 1\r\n"),
        ("a lone CR", TEXT, b"a 1\rb 2\n"),
        ("a vertical tab", TEXT, b"a\x0b1\n"),
        ("a form feed", TEXT, b"a\x0c1\n"),
        ("a no-break space", TEXT, "a\u{a0}1\n".as_bytes()),
        ("a byte order mark", TEXT, "\u{feff}a 1\n".as_bytes()),
        ("a label twice", TEXT, b"a{x=\"1\",x=\"2\"} 1\n"),
        ("a label twice, the same", TEXT, b"a{x=\"1\",x=\"1\"} 1\n"),
        ("too large a number", TEXT, b"a 1e400\n"),
        ("a signed NaN", TEXT, b"a +NaN\n"),
        ("the other one", TEXT, b"a -NaN\n"),
        ("a hexadecimal number", TEXT, b"a 0x10\n"),
        ("a number with an underscore", TEXT, b"a 1_0\n"),
        ("no end", OPENMETRICS, b"a 1\n"),
        ("something behind the end", OPENMETRICS, b"a 1\n# EOF\nb 1\n"),
        ("a line feed in an OpenMetrics label", OPENMETRICS, b"a{x=\"\n\"} 1\n# EOF\n"),
        ("a value of two megabytes", TEXT, &[b"a{x=\"", long.as_bytes(), b"\"} 1\n"].concat()),
        ("an exemplar of two megabytes", OPENMETRICS, &[b"a 1 # {x=\"", long.as_bytes(), b"\"} 1\n# EOF\n"].concat()),
        ("a comment of two megabytes", TEXT, &[b"# ", long.as_bytes(), b"\n"].concat()),
        (
            "labels without number",
            TEXT,
            format!("a{{{}}} 1\n", (0..5000).map(|i| format!("l{i}=\"\",")).collect::<String>()).as_bytes(),
        ),
        ("gzip that nobody announced", TEXT, &gzip(b"a 1\n")),
        ("a page", TEXT, b"<html>log in</html>\n"),
        ("JSON", TEXT, b"{\"status\":\"ok\"}\n"),
    ] {
        let (status, reason, _) = scraped(ok(kind, body)).await;
        assert_eq!(status, 502, "{what}: {reason}");
    }
    let twice = gzip(&gzip(b"a 1\n"));
    let head = format!("Content-Type: {TEXT}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", twice.len());
    let (status, reason, _) = scraped(response(&head, &twice)).await;
    assert_eq!(status, 502, "one layer of gzip is undone: {reason}");
}

#[tokio::test]
async fn bodies_that_only_look_odd_pass_byte_for_byte() {
    for (what, kind, body) in [
        ("no UTF-8 in a comment", TEXT, b"# caf\xe9\na 1\n".as_slice()),
        ("blanks before a name", TEXT, b"  a 1\n"),
        ("a line feed in a label value", TEXT, b"a{x=\"1\n} 2\nb 3\"} 1\n"),
        ("a value that looks like the end", TEXT, b"a{x=\"\\n# EOF\\n\"} 1\n"),
        ("a value that looks like a line", TEXT, b"a{x=\"\\\"} 1\\nevil 2\"} 1\n"),
        ("NUL in a label value", TEXT, b"a{x=\"\0\"} 1\n"),
        ("numbers as Go reads them", TEXT, b"a 1.\nb .5\nc +1\nd 007\ne iNf\nf 1e-400\ng NaN\n"),
        ("the overflow marker of the guard", TEXT, b"a{x=\"__overflow__\"} 1\n"),
        ("no final newline", TEXT, b"a 1"),
        ("a label twice, once empty, which is no label", TEXT, b"a{x=\"1\",x=\"\"} 1\n"),
        ("a series twice", TEXT, b"a 1\na 2\n"),
        ("an exemplar", OPENMETRICS, b"# TYPE a counter\na_total 1 # {trace=\"x\"} 1 1.5\n# EOF\n"),
    ] {
        let (status, reason, passed) = scraped(ok(kind, body)).await;
        assert_eq!(
            (status, passed.escape_ascii().to_string()),
            (200, body.escape_ascii().to_string()),
            "{what}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let elsewhere = Exporter::of(BODY).await;
    for place in [elsewhere.url(), "file:///etc/passwd".into(), "http://169.254.169.254/".into(), "/metrics".into()] {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        let (status, reason, _) = scraped(head.into_bytes()).await;
        assert_eq!((status, reason.as_str()), (502, "exporter: answered 302 Found"), "{place}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn another_protocol_is_no_answer() {
    for (head, body) in
        [("Connection: Upgrade\r\nUpgrade: h2c\r\n", ""), ("Upgrade: websocket\r\nConnection: Upgrade\r\n", "a 1\n")]
    {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{head}\r\n{body}");
        let (status, reason, _) = scraped(answer.into_bytes()).await;
        assert_eq!(status, 502, "{reason}");
    }
}

/// An answer to nobody, on a connection that rests between two scrapes, is not the next one's.
#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_thrown_away() {
    let exporter = Exporter::start(|n, _| {
        let good = ok(TEXT, format!("n {n}\n").as_bytes());
        let evil = ok(TEXT, b"evil 1\n");
        vec![
            Act::Write(good),
            Act::Sleep(Duration::from_millis(30)),
            Act::Write(evil),
            Act::Sleep(Duration::from_millis(30)),
        ]
    })
    .await;
    let guard = Guard::before(&exporter).await;
    for n in 0..5 {
        let answer = guard.scrape().await;
        assert_eq!(answer.text(), format!("n {n}\n"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn names_of_the_guard_itself_are_the_exporters_when_it_says_them() {
    let body = "cardinality_guard_scrapes_total{target=\"app\",result=\"ok\"} 12345\ncardinality_guard_build_info{version=\"evil\"} 1\n";
    let exporter = Exporter::of(body).await;
    let guard = Guard::before(&exporter).await;
    assert_eq!(guard.scrape().await.text(), body, "as it came");
    let own = guard.shared.telemetry().expose(Exposition::Text, &[]);
    assert!(own.contains("cardinality_guard_build_info") && !own.contains("12345") && !own.contains("evil"), "{own}");
}

#[tokio::test]
async fn paths_of_the_guard_itself_have_one_form() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    for (place, status) in [
        ("/scrape/%00", 404),
        ("/scrape/app%0d%0a", 404),
        ("/scrape/app%2f", 404),
        ("/scrape/app/", 404),
        ("/scrape/../scrape/app", 404),
        ("/scrape/%2e%2e/app", 404),
        ("/scrape/app;x", 404),
        ("/scrape/%61pp", 200),
    ] {
        let answer = guard.get(place, "").await;
        assert_eq!(answer.status, status, "{place}: {}", answer.reason);
    }
    assert_eq!(guard.get("/scrape//app", "").await.status, 404);
    assert_eq!(exporter.requests().len(), 1);
}

/// Where a name leads is nobody's business who may only ask for the name.
#[tokio::test]
async fn reasons_name_no_address_that_was_looked_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let at = format!("http://localhost:{}/metrics", nobody.port());
    let guard = Guard::with(settings(vec![target("app", url(&at))])).await;
    let answer = guard.scrape().await;
    assert_eq!(answer.status, 502);
    assert!(!answer.reason.contains("127.0.0.1") && !answer.reason.contains("::1"), "{}", answer.reason);
}
