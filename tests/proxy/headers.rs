//! What is forwarded, what ends here, what comes back.

use super::BODY;
use super::support::exporter::{Exporter, ok, response};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::settings::{Credentials, Secret};

/// The value of a header in a request head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

/// The head the exporter sees when the client sends these lines.
async fn forwarded(lines: &str) -> String {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let answer = guard.get("/scrape/app", lines).await;
    assert_eq!(answer.status, 200, "{}", answer.reason);
    exporter.requests().pop().unwrap()
}

#[tokio::test]
async fn what_prometheus_sends_arrives() {
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                  text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let head = forwarded(&format!(
        "Accept: {accept}\r\nAccept-Encoding: identity\r\nUser-Agent: Prometheus/3.5.3\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: 10\r\nAuthorization: Bearer t0ken\r\nX-Scope: a\r\nX-Scope: b\r\n"
    ))
    .await;
    assert_eq!(header(&head, "accept"), Some(accept));
    assert_eq!(header(&head, "accept-encoding"), Some("gzip"));
    assert_eq!(header(&head, "user-agent"), Some("Prometheus/3.5.3"));
    assert_eq!(header(&head, "authorization"), Some("Bearer t0ken"));
    assert_eq!(head.matches("x-scope: ").count(), 2);
    let left: f64 = header(&head, "x-prometheus-scrape-timeout-seconds").unwrap().parse().unwrap();
    assert!(left > 0.0 && left <= 9.5, "lowered by the offset and what has passed: {left}");
    assert!(header(&head, "via").unwrap().starts_with("1.1 cardinality-guard-"));
}

#[tokio::test]
async fn accept_loses_what_the_guard_cannot_read() {
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6";
    let plain = Some("text/plain;version=0.0.4,*/*;q=0.1");
    for (sent, expected) in [
        (format!("Accept: {protobuf},text/plain;q=0.3\r\n"), Some("text/plain;q=0.3")),
        (format!("Accept: {protobuf}\r\n"), plain),
        ("Accept: application/openmetrics-text;version=2.0.0\r\n".into(), plain),
        (format!("Accept: {}\r\n", "text/plain;version=1.0.0,".repeat(2000)), plain),
        (String::new(), plain),
    ] {
        assert_eq!(header(&forwarded(&sent).await, "accept"), expected, "{sent:.80}");
    }
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let head = forwarded(
        "Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nProxy-Authorization: Bearer x\r\nProxy-Connection: keep-alive\r\n\
         Expect: 100-continue\r\nRange: bytes=0-3\r\nIf-None-Match: \"x\"\r\nX-Kept: yes\r\n",
    )
    .await;
    for gone in [
        "x-secret",
        "keep-alive",
        "te",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-connection",
        "expect",
        "range",
        "if-none-match",
        "connection",
        "trailer",
    ] {
        assert_eq!(header(&head, gone), None, "{gone}");
    }
    assert_eq!(header(&head, "x-kept"), Some("yes"));
}

#[tokio::test]
async fn host_is_the_exporters_and_via_grows() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let place = format!("http://127.0.0.1:{}/metrics", exporter.port());
    assert_eq!(guard.get(&place, "Via: 1.0 fred\r\n").await.status, 200);
    let head = exporter.requests().pop().unwrap();
    assert_eq!(header(&head, "host"), Some(exporter.address.to_string().as_str()));
    assert_eq!(head.matches("host: ").count(), 1);
    let vias: Vec<_> = head.lines().filter(|line| line.starts_with("via: ")).collect();
    assert_eq!(vias.len(), 2, "{head}");
    assert_eq!(vias[0], "via: 1.0 fred");
}

#[tokio::test]
async fn configured_credentials_are_used_when_the_client_sent_none() {
    let exporter = Exporter::of(BODY).await;
    let mut basic = target("basic", url(&exporter.url()));
    basic.credentials = Credentials::Basic { username: "me".into(), password: Secret("secret".into()) };
    basic.headers = vec![("X-Tenant".into(), Secret("acme".into())), ("User-Agent".into(), Secret("guard".into()))];
    let mut bearer = target("bearer", url(&exporter.url()));
    bearer.credentials = Credentials::Authorization(Secret("Bearer abc".into()));
    let guard = Guard::with(settings(vec![basic, bearer])).await;
    for (place, lines, authorization) in [
        ("/scrape/basic", "", "Basic bWU6c2VjcmV0"),
        ("/scrape/bearer", "", "Bearer abc"),
        ("/scrape/bearer", "Authorization: Bearer mine\r\n", "Bearer mine"),
    ] {
        assert_eq!(guard.get(place, lines).await.status, 200);
        let head = exporter.requests().pop().unwrap();
        assert_eq!(header(&head, "authorization"), Some(authorization), "{place} {lines}");
    }
    guard.get("/scrape/basic", "User-Agent: client\r\nX-Tenant: other\r\n").await;
    let head = exporter.requests().pop().unwrap();
    assert_eq!((header(&head, "x-tenant"), header(&head, "user-agent")), (Some("acme"), Some("guard")));
}

#[tokio::test]
async fn only_the_content_type_comes_back() {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    let body = "# TYPE a counter\na_total 1\n# EOF\n";
    let exporter = Exporter::says(response(
        &format!(
            "Content-Type: {content_type}\r\nContent-Length: {}\r\nSet-Cookie: a=b\r\nServer-Timing: x\r\n\
             Server: me\r\nCache-Control: max-age=60\r\nETag: \"x\"\r\nConnection: X-Hop\r\nX-Hop: 1\r\n",
            body.len()
        ),
        body.as_bytes(),
    ))
    .await;
    let guard = Guard::before(&exporter).await;
    let answer = guard.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, body.into()), "{}", answer.reason);
    assert_eq!(answer.header("content-type"), Some(content_type));
    let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "content-type", "date"]);
}

#[tokio::test]
async fn gzip_when_the_client_takes_it_and_it_pays() {
    let long = "a_metric_of_some_length{label=\"value\"} 1\n".repeat(200);
    let exporter = Exporter::of(&long).await;
    let guard = Guard::before(&exporter).await;
    for (lines, encoding) in [
        ("Accept-Encoding: gzip\r\n", Some("gzip")),
        ("Accept-Encoding: gzip;q=0\r\n", None),
        ("Accept-Encoding: identity\r\n", None),
        ("", None),
    ] {
        let answer = guard.get("/scrape/app", lines).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{lines}");
        assert_eq!(answer.text(), long);
        assert!(encoding.is_none() || answer.body.len() * 5 < long.len());
    }
    let short = Exporter::of(BODY).await;
    let guard = Guard::before(&short).await;
    assert_eq!(guard.get("/scrape/app", "Accept-Encoding: gzip\r\n").await.header("content-encoding"), None);
}

#[tokio::test]
async fn the_exporters_compression_is_undone() {
    use super::support::exporter::gzip;
    let members = [gzip(BODY.as_bytes()), gzip(b""), gzip(b"c 1\n")].concat();
    let head = format!("Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", members.len());
    let exporter = Exporter::says(response(&head, &members)).await;
    let guard = Guard::before(&exporter).await;
    let answer = guard.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, format!("{BODY}c 1\n")), "{}", answer.reason);
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn any_spelling_of_a_known_content_type_does() {
    for content_type in
        ["text/plain", "Text/Plain; charset=latin1; version=9", "text/plain;", "application/openmetrics-text"]
    {
        let body = if content_type.starts_with("app") { "a 1\n# EOF\n" } else { "a 1\n" };
        let exporter = Exporter::says(ok(content_type, body.as_bytes())).await;
        let answer = Guard::before(&exporter).await.scrape().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{}", answer.reason);
    }
}
