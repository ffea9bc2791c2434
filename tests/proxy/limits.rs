//! What bounds a scrape: bytes, time, connections, places.

use std::sync::Arc;
use std::time::Duration;

use super::BODY;
use super::support::client::End;
use super::support::exporter::{Act, Exporter, chunk, gzip, ok, response};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::settings::Settings;
use tokio::sync::Notify;
use tokio::task::JoinSet;

fn app(exporter: &Exporter, change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    change(&mut settings);
    settings
}

#[tokio::test]
async fn a_gzip_bomb_fails_at_the_limit() {
    let bomb = gzip(&b"a 1\n".repeat(4 << 20));
    assert!(bomb.len() < 200_000);
    let headers = format!("Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
    let exporter = Exporter::says(response(&headers, &bomb)).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.body_size_limit = 1 << 20)).await;
    let answer = guard.scrape().await;
    assert_eq!(answer.status, 502);
    assert!(answer.reason.contains("1048576"), "{}", answer.reason);
}

#[tokio::test]
async fn an_endless_body_fails_at_the_limit() {
    let head = response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"");
    let exporter =
        Exporter::start(move |_, _| vec![Act::Write(head.clone()), Act::Forever(chunk(&b"a 1\n".repeat(1000)))]).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.body_size_limit = 1 << 20)).await;
    let answer = guard.scrape().await;
    assert_eq!(answer.status, 502, "{}", answer.reason);
    assert!(answer.reason.starts_with("guard: body larger than body_size_limit"), "{}", answer.reason);
}

#[tokio::test]
async fn endless_empty_gzip_members_fail_at_the_limit_too() {
    let head = response("Content-Type: text/plain\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"");
    let members = chunk(&gzip(b"").repeat(100));
    let exporter = Exporter::start(move |_, _| vec![Act::Write(head.clone()), Act::Forever(members.clone())]).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.body_size_limit = 1 << 20)).await;
    assert_eq!(guard.scrape().await.status, 502);
}

/// Each stalls somewhere; the scrape's own deadline ends it, not an idle timeout.
#[tokio::test]
async fn out_of_time_is_504() {
    let never = Duration::from_secs(3600);
    let drip = move |head: Vec<u8>| {
        let mut acts = vec![Act::Write(head)];
        for _ in 0..1000 {
            acts.extend([Act::Write(b"a".to_vec()), Act::Sleep(Duration::from_millis(20))]);
        }
        acts
    };
    let head = || response("Content-Type: text/plain\r\nContent-Length: 100000\r\n", b"");
    let table: Vec<(&'static str, Vec<Act>, &'static str)> = vec![
        ("no answer", vec![Act::Sleep(never)], "waiting for the answer"),
        ("half a head", vec![Act::Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Act::Sleep(never)], "waiting for the answer"),
        ("no body", vec![Act::Write(head()), Act::Sleep(never)], "reading the body"),
        ("a body that drips", drip(head()), "reading the body"),
        ("a head that drips", drip(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), "waiting for the answer"),
    ];
    let stalled = |(what, acts, stage): (&'static str, Vec<Act>, &'static str)| async move {
        let exporter = Exporter::start(move |_, _| acts.clone()).await;
        let guard = Guard::before(&exporter).await;
        let answer = guard.get("/scrape/app", "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n").await;
        assert_eq!(answer.status, 504, "{what}: {}", answer.reason);
        assert!(answer.reason.starts_with("exporter: out of time after "), "{what}: {}", answer.reason);
        assert!(answer.reason.ends_with(stage), "{what}: {}", answer.reason);
        assert_eq!(exporter.requests().len(), 1);
    };
    let mut all: JoinSet<()> = table.into_iter().map(stalled).collect();
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn the_settings_timeout_is_for_clients_that_say_none() {
    let exporter = Exporter::start(|_, _| vec![Act::Sleep(Duration::from_secs(3600))]).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.timeout = Duration::from_millis(200))).await;
    for lines in ["", "X-Prometheus-Scrape-Timeout-Seconds: soon\r\n", "X-Prometheus-Scrape-Timeout-Seconds: 0\r\n"] {
        assert_eq!(guard.get("/scrape/app", lines).await.status, 504, "{lines}");
    }
}

#[tokio::test]
async fn the_longest_timeout_is_the_guards() {
    let exporter = Exporter::start(|_, _| vec![Act::Sleep(Duration::from_secs(3600))]).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.max_timeout = Duration::from_millis(200))).await;
    for lines in ["X-Prometheus-Scrape-Timeout-Seconds: 1e9\r\n", "X-Prometheus-Scrape-Timeout-Seconds: inf\r\n", ""] {
        assert_eq!(guard.get("/scrape/app", lines).await.status, 504, "{lines}");
    }
}

#[tokio::test]
async fn beyond_max_concurrent_scrapes_wait_and_as_many_again_are_sent_away() {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (came.clone(), go.clone());
    let slow = Exporter::start(move |_, _| {
        vec![Act::Tell(tell.clone()), Act::Wait(wait.clone()), Act::Write(ok("text/plain", BODY.as_bytes()))]
    })
    .await;
    let other = |path: &str| url(&format!("http://{}/{path}", slow.address));
    let mut settings = settings(vec![target("a", other("a")), target("b", other("b")), target("c", other("c"))]);
    settings.scrape.max_concurrent = 1;
    let guard = Arc::new(Guard::with(settings).await);
    let ask = |place: &'static str| {
        let guard = guard.clone();
        tokio::spawn(async move { guard.get(place, "").await })
    };

    let first = ask("/scrape/a");
    came.notified().await;
    let second = ask("/scrape/b");
    // The second must be waiting before the third asks.
    while guard.shared.endpoints().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let third = guard.get("/scrape/c", "").await;
    assert_eq!((third.status, third.reason.as_str()), (503, "guard: too many scrapes wait"));
    assert_eq!(third.header("retry-after"), Some("1"));
    assert_eq!(slow.requests().len(), 1);

    go.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    came.notified().await;
    go.notify_one();
    assert_eq!(second.await.unwrap().status, 200);
}

#[tokio::test]
async fn waiting_for_a_place_counts_against_the_deadline() {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (came.clone(), go.clone());
    let slow = Exporter::start(move |_, _| {
        vec![Act::Tell(tell.clone()), Act::Wait(wait.clone()), Act::Write(ok("text/plain", BODY.as_bytes()))]
    })
    .await;
    let other = |path: &str| url(&format!("http://{}/{path}", slow.address));
    let mut settings = settings(vec![target("a", other("a")), target("b", other("b"))]);
    settings.scrape.max_concurrent = 1;
    let guard = Arc::new(Guard::with(settings).await);
    let first = tokio::spawn({
        let guard = guard.clone();
        async move { guard.get("/scrape/a", "").await }
    });
    came.notified().await;
    let late = guard.get("/scrape/b", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n").await;
    assert_eq!(late.status, 504);
    assert!(late.reason.ends_with("waiting for one of max_concurrent places"), "{}", late.reason);
    go.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test]
async fn beyond_max_connections_the_longest_idle_is_closed() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::with(app(&exporter, |s| s.web.max_connections = 2)).await;
    let ask = "GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n";
    let (mut a, mut b) = (guard.client().await, guard.client().await);
    for client in [&mut a, &mut b] {
        client.say(ask).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut c = guard.client().await;
    c.say(ask).await;
    assert_eq!(c.answer().await.unwrap().status, 200);
    assert!(a.is_closed().await, "a has rested the longest");
    b.say(ask).await;
    assert_eq!(b.answer().await.unwrap().status, 200, "b is still served");
}

#[tokio::test]
async fn only_so_many_endpoints_are_remembered() {
    let exporter = Exporter::of(BODY).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.max_endpoints = 3)).await;
    for i in 0..10 {
        let answer = guard.get(&format!("/scrape/app?i={i}"), "").await;
        assert_eq!(answer.status, 200, "{}", answer.reason);
    }
    assert_eq!(guard.shared.endpoints().len(), 3);
}

/// Held whole and committed long ago: the connection still ends when the client's time is up.
#[tokio::test]
async fn a_reader_that_does_not_take_a_held_answer_is_aborted_at_its_deadline() {
    let comment = format!("# {}\n", "x".repeat(64 << 10));
    let body = comment.repeat(256);
    let exporter = Exporter::of(&body).await;
    let guard = Guard::with(app(&exporter, |s| s.scrape.hold_output = 1 << 30)).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\nX-Prometheus-Scrape-Timeout-Seconds: 6\r\n\r\n").await;
    let head = client.head().await.unwrap();
    assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "{}", head.reason);
    assert_eq!(guard.scrape().await.status, 200, "the endpoint is free at once");
    tokio::time::sleep(Duration::from_millis(6500)).await;
    assert_eq!(client.rest_of(head).await.end, End::Cut);
}

#[tokio::test]
async fn a_connection_kept_too_long_by_its_own_account_is_not_used() {
    let body = BODY.as_bytes();
    let headers = format!("Content-Type: text/plain\r\nKeep-Alive: timeout=1\r\nContent-Length: {}\r\n", body.len());
    let exporter = Exporter::says(response(&headers, body)).await;
    let guard = Guard::with(app(&exporter, |_| {})).await;
    for _ in 0..3 {
        assert_eq!(guard.scrape().await.status, 200);
    }
    assert_eq!(exporter.connections(), 3, "a second before it gives up is too late to ask");
}
