//! The ways in, and what a request may say.

use super::BODY;
use super::support::client::End;
use super::support::exporter::Exporter;
use super::support::guard::{Guard, address, settings, target, url};

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

#[tokio::test]
async fn queries_are_passed_on() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let own = format!("http://127.0.0.1:{port}/probe?module=x");
    let many = address(&format!("127\\.0\\.0\\.1:{port}"));
    let guard = Guard::with(settings(vec![target("one", url(&own)), target("many", many)])).await;
    let table = [
        ("/scrape/one".to_owned(), "/probe?module=x"),
        ("/scrape/one?target=example.com&a=%20b".into(), "/probe?module=x&target=example.com&a=%20b"),
        (format!("/scrape/many?target=127.0.0.1:{port}"), "/metrics"),
        (format!("/scrape/many?a=1&target=127.0.0.1:{port}&b=2"), "/metrics?a=1&b=2"),
        (format!("/scrape/many?target=http://127.0.0.1:{port}/x?y=z&b=2"), "/x?y=z&b=2"),
        (format!("/scrape?target=127.0.0.1:{port}&b=2"), "/probe?module=x&b=2"),
        (format!("http://127.0.0.1:{port}/other?q=1"), "/other?q=1"),
        (format!("http://127.0.0.1:{port}"), "/"),
        (format!("http://127.0.0.1:{port}?q=1"), "/?q=1"),
        (format!("/scrape?target=http://127.0.0.1:{port}?q=1"), "/?q=1"),
        (format!("http://127.0.0.1:{port}//a/../b;c?match[]=%7Bx=%22y%22%7D"), "//a/../b;c?match[]=%7Bx=%22y%22%7D"),
    ];
    for (place, expected) in table {
        let answer = guard.get(&place, "").await;
        assert_eq!(answer.status, 200, "{place}: {}", answer.reason);
        let asked = exporter.requests().pop().unwrap();
        assert_eq!(asked.lines().next(), Some(format!("GET {expected} HTTP/1.1").as_str()), "{place}");
    }
}

#[tokio::test]
async fn a_user_name_in_the_proxy_url_names_the_target() {
    let exporter = Exporter::of(BODY).await;
    let elsewhere = url("http://127.0.0.1:1/metrics");
    let guard = Guard::with(settings(vec![target("app", url(&exporter.url())), target("other", elsewhere)])).await;
    let place = format!("http://127.0.0.1:{}/metrics", exporter.port());
    // app:, other:, nobody:
    for (code, status, reason) in [
        ("YXBwOg==", 200, "OK"),
        ("b3RoZXI6", 403, "guard: target other does not allow 127.0.0.1:"),
        ("bm9ib2R5Og==", 403, "guard: no target is named nobody (user name of the proxy url)"),
    ] {
        let answer = guard.get(&place, &format!("Proxy-Authorization: Basic {code}\r\n")).await;
        assert_eq!(answer.status, status, "{}", answer.reason);
        assert!(answer.reason.starts_with(reason), "{}", answer.reason);
    }
    assert!(!exporter.requests()[0].to_lowercase().contains("proxy-authorization"));
}

#[tokio::test]
async fn what_is_no_scrape_goes_to_the_local_handler() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    for place in ["/", "/metrics", "/-/healthy", "/api/v1/targets?x=y"] {
        assert_eq!(guard.get(place, "").await.text(), format!("local {place}"));
    }
    assert!(exporter.requests().is_empty());
}

#[tokio::test]
async fn unknown_names_are_404() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::with(settings(vec![target("many", address("x:1"))])).await;
    for (place, reason) in [
        ("/scrape/nobody", "guard: no target is named nobody"),
        ("/scrape/", "guard: say /scrape/<name of a target>"),
        ("/scrape", "guard: say /scrape?target=host:port or /scrape/<name>"),
        ("/scrape/many", "guard: say /scrape/many?target=host:port"),
    ] {
        let answer = guard.get(place, "").await;
        assert_eq!((answer.status, answer.reason.as_str()), (404, reason));
        assert_eq!(answer.text(), format!("{reason}\n"), "the body repeats it");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert!(exporter.requests().is_empty());
}

#[tokio::test]
async fn only_get_and_head() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let place = format!("http://127.0.0.1:{}/metrics", exporter.port());
    for method in ["POST", "PUT", "DELETE", "TRACE", "OPTIONS", "BREW"] {
        for place in [place.as_str(), "/scrape/app"] {
            let mut client = guard.client().await;
            client.say(format!("{method} {place} HTTP/1.1\r\nHost: guard\r\nContent-Length: 3\r\n\r\nabc")).await;
            let answer = client.answer().await.unwrap();
            assert_eq!((answer.status, answer.reason.as_str()), (405, "guard: a scrape is GET or HEAD"));
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    assert!(exporter.requests().is_empty());
}

#[tokio::test]
async fn connect_is_told_the_way_out() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let mut client = guard.client().await;
    client.say(format!("CONNECT 127.0.0.1:{0} HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\r\n", exporter.port())).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 405);
    assert!(answer.reason.contains("scheme: http") && answer.reason.contains("https://"), "{}", answer.reason);
    assert!(client.is_closed().await);
    assert_eq!(exporter.connections(), 0);
}

#[tokio::test]
async fn head_answers_without_fetching() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    for (place, status) in [("/scrape/app", 200), ("/scrape/nobody", 404), ("http://127.0.0.1:1/metrics", 403)] {
        let mut client = guard.client().await;
        client.say(format!("HEAD {place} HTTP/1.1\r\nHost: guard\r\n\r\n")).await;
        assert_eq!(client.answer_to("HEAD").await.unwrap().status, status, "{place}");
    }
    assert_eq!(exporter.connections(), 0);
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_length() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.version.as_str(), answer.status, answer.text()), ("HTTP/1.0", 200, BODY.into()));
    assert_eq!(answer.end, End::Whole);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let mut client = guard.client().await;
    for _ in 0..3 {
        client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().text(), BODY);
        client.say("GET /scrape/nobody HTTP/1.1\r\nHost: guard\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 404);
        client.say("GET /x HTTP/1.1\r\nHost: guard\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().text(), "local /x");
    }
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_the_connection_closed() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    for request in [
        "GET /scrape/app HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /scrape/app HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "GET /scrape/app HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /scrape/app HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /scrape/app HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /scrape/app HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /scrape/app HTTP/1.1\r\n\r\n",
        "GET /scrape/app HTTP/1.1\nHost: a\n\n",
        "GET /scrape/app HTTP/1.1\r\nHost: a\nX-Y: b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /-/reload HTTP/1.1\nHost: a\n\n",
    ] {
        let mut client = guard.client().await;
        client.say(request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{request:?}");
        assert!(client.is_closed().await, "{request:?}");
    }
    assert!(exporter.requests().is_empty());
}

/// Somebody on the way may have read the body as another request, or the other way round.
#[tokio::test]
async fn what_is_behind_a_body_or_a_bare_lf_is_not_answered() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let scrape = "GET /scrape/app HTTP/1.1\r\nHost: a\r\n\r\n";
    for (first, status) in [
        ("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200),
        ("GET /x HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", 400),
    ] {
        let mut client = guard.client().await;
        client.say(format!("{first}{scrape}")).await;
        assert_eq!(client.answer().await.map(|a| a.status), Some(status), "{first:?}");
        assert!(client.is_closed().await, "{first:?}");
    }
    assert!(exporter.requests().is_empty());
}

#[tokio::test]
async fn heads_are_bounded() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::before(&exporter).await;
    let mut client = guard.client().await;
    client.say(format!("GET /scrape/app?{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000))).await;
    assert!(matches!(client.answer().await.map(|a| a.status), Some(414 | 431) | None));
    assert!(exporter.requests().is_empty());
}
