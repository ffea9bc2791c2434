//! What waits for what: one endpoint, one scrape at a time; nobody waits for anybody else.

use std::sync::Arc;
use std::time::Duration;

use super::BODY;
use super::support::exporter::{Act, Exporter, ok};
use super::support::guard::{Guard, settings, target, url};
use super::support::soon;
use tokio::sync::Notify;

/// An exporter that says when it was asked and answers when it is told to.
async fn gated() -> (Exporter, Arc<Notify>, Arc<Notify>) {
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (came.clone(), go.clone());
    let acts = move |_: usize, head: &str| match head.contains("/slow") {
        true => vec![Act::Tell(tell.clone()), Act::Wait(wait.clone()), Act::Write(ok("text/plain", BODY.as_bytes()))],
        false => vec![Act::Write(ok("text/plain", BODY.as_bytes()))],
    };
    (Exporter::start(acts).await, came, go)
}

async fn guard_of(exporter: &Exporter) -> Arc<Guard> {
    let at = |path: &str| url(&format!("http://{}/{path}", exporter.address));
    Arc::new(Guard::with(settings(vec![target("slow", at("slow")), target("fast", at("fast"))])).await)
}

fn ask(
    guard: &Arc<Guard>,
    place: &'static str,
    lines: &'static str,
) -> tokio::task::JoinHandle<support::client::Answer> {
    let guard = guard.clone();
    tokio::spawn(async move { guard.get(place, lines).await })
}

use super::support;

#[tokio::test]
async fn one_scrape_of_an_endpoint_at_a_time_and_others_are_not_held_up() {
    let (exporter, came, go) = gated().await;
    let guard = guard_of(&exporter).await;
    let first = ask(&guard, "/scrape/slow", "");
    soon("the first", came.notified()).await;
    let second = ask(&guard, "/scrape/slow", "");
    for _ in 0..5 {
        assert_eq!(guard.get("/scrape/fast", "").await.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(exporter.requests().iter().filter(|head| head.contains("/slow")).count(), 1);
    go.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    soon("the second", came.notified()).await;
    go.notify_one();
    assert_eq!(second.await.unwrap().status, 200);
}

#[tokio::test]
async fn waiting_for_the_endpoint_counts_against_the_deadline() {
    let (exporter, came, go) = gated().await;
    let guard = guard_of(&exporter).await;
    let first = ask(&guard, "/scrape/slow", "");
    soon("the first", came.notified()).await;
    let late = guard.get("/scrape/slow", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n").await;
    assert_eq!(late.status, 504);
    assert!(late.reason.starts_with("guard: ") && late.reason.ends_with("waiting for another scrape of this endpoint"));
    go.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(exporter.requests().len(), 1, "the late one never asked");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_scrape() {
    let (exporter, came, go) = gated().await;
    let guard = guard_of(&exporter).await;
    let mut client = guard.client().await;
    client.say("GET /scrape/slow HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    soon("the request", came.notified()).await;
    drop(client);
    // The endpoint is free again although the exporter never answered.
    let next = ask(&guard, "/scrape/slow", "");
    soon("the next", came.notified()).await;
    go.notify_waiters();
    go.notify_one();
    assert_eq!(next.await.unwrap().status, 200);
}

#[tokio::test]
async fn draining_lets_a_scrape_under_way_end() {
    let (exporter, came, go) = gated().await;
    let at = url(&format!("http://{}/slow", exporter.address));
    let mut guard = Guard::with(settings(vec![target("slow", at)])).await;
    let mut idle = guard.client().await;
    idle.say("GET /x HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut client = guard.client().await;
    client.say("GET /scrape/slow HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    soon("the request", came.notified()).await;

    guard.stop();
    assert!(idle.is_closed().await, "an idle connection is closed at once");
    let address = guard.address;
    go.notify_one();
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, BODY.into()));
    assert!(client.is_closed().await);
    guard.stopped().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_reload_does_not_touch_a_scrape_under_way() {
    use cardinality_guard::engine::policy::Policies;
    use cardinality_guard::state::Config;
    let (exporter, came, go) = gated().await;
    let guard = guard_of(&exporter).await;
    let first = ask(&guard, "/scrape/slow", "");
    soon("the first", came.notified()).await;
    guard.shared.replace(Config::new(settings(vec![]), Policies::default()));
    assert_eq!(guard.get("/scrape/slow", "").await.status, 404, "the new settings hold");
    go.notify_one();
    assert_eq!(first.await.unwrap().text(), BODY, "the old ones for who began with them");
}
