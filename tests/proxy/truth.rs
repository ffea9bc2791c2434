//! Rules of `docs/how-the-numbers-stay-true.md` that take sockets to show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::client::Answer;
use super::support::exporter::{Act, Exporter, chunk, ok, response};
use super::support::guard::{Guard, settings, target, url};
use super::support::soon;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const POLICY: &str = "policies:\n  - name: job-ids\n    hold: 0s\n    labels:\n      - {label: job_id, action: drop}\n";

fn body(value: u64) -> String {
    format!("# TYPE m_total counter\nm_total{{job_id=\"a\"}} {value}\n")
}

fn answer(value: u64) -> Vec<Act> {
    vec![Act::Write(ok("text/plain", body(value).as_bytes()))]
}

/// What the folded counter shows.
fn shown(answer: &Answer) -> u64 {
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix("m_total "));
    line.unwrap_or_else(|| panic!("no fold in {answer:?}\n{text}")).trim().parse().unwrap()
}

async fn guard_of(paths: &[&str], exporter: &Exporter) -> Arc<Guard> {
    let named = |path: &&str| target(path, url(&format!("http://{}/{path}", exporter.address)));
    Arc::new(Guard::with_policy(settings(paths.iter().map(named).collect()), POLICY).await)
}

fn ask(guard: &Arc<Guard>, place: &'static str) -> JoinHandle<Answer> {
    let guard = guard.clone();
    tokio::spawn(async move { guard.get(place, "").await })
}

/// An answer that dawdles must not be committed after one that is newer. `slow` is told when it may
/// go on.
async fn a_slow_answer_and_a_newer_one(slow: impl Fn(Arc<Notify>, Arc<Notify>) -> Vec<Act> + Send + Sync + 'static) {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (begun.clone(), go.clone());
    let exporter = Exporter::start(move |number, _| match number {
        0 => answer(650_000),
        1 => slow(tell.clone(), wait.clone()),
        _ => answer(650_024),
    })
    .await;
    let guard = guard_of(&["app"], &exporter).await;
    assert_eq!(shown(&guard.scrape().await), 0);
    let slow = ask(&guard, "/scrape/app");
    soon("the slow answer", begun.notified()).await;
    let newer = ask(&guard, "/scrape/app");
    tokio::time::sleep(Duration::from_millis(100)).await;
    go.notify_one();
    assert_eq!((shown(&slow.await.unwrap()), shown(&newer.await.unwrap())), (5, 24));
}

#[tokio::test]
async fn rule_0_4_from_fetch_to_commit_one_scrape_of_an_endpoint_at_a_time() {
    a_slow_answer_and_a_newer_one(|tell, wait| {
        let head = response("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", b"");
        let first = [head, chunk(b"# TYPE m_total counter\n")].concat();
        let rest = [chunk(b"m_total{job_id=\"a\"} 650005\n"), b"0\r\n\r\n".to_vec()].concat();
        vec![Act::Write(first), Act::Tell(tell), Act::Wait(wait), Act::Write(rest)]
    })
    .await;
}

#[tokio::test]
async fn rule_0_4_nor_is_another_one_asked_for_before_the_first_has_a_head() {
    a_slow_answer_and_a_newer_one(|tell, wait| [vec![Act::Tell(tell), Act::Wait(wait)], answer(650_005)].concat())
        .await;
}

#[tokio::test]
async fn rule_0_4_six_clients_hammering_one_endpoint_see_each_increment_once() {
    let exporter = Exporter::start(|number, _| answer(1_000_000 + 3 * number as u64)).await;
    let guard = guard_of(&["app"], &exporter).await;
    assert_eq!(shown(&guard.scrape().await), 0);
    let highest = Arc::new(AtomicU64::new(0));
    let client = || {
        let (guard, highest) = (guard.clone(), highest.clone());
        tokio::spawn(async move {
            let mut before = 0;
            for _ in 0..30 {
                let now = shown(&guard.scrape().await);
                assert!(now > before, "{now} after {before}");
                before = now;
            }
            highest.fetch_max(before, Ordering::SeqCst);
        })
    };
    let clients: Vec<_> = (0..6).map(|_| client()).collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(highest.load(Ordering::SeqCst), 3 * 6 * 30);
}

#[tokio::test]
async fn rule_0_5_an_exporter_that_is_down_is_a_502_and_never_an_old_body() {
    let exporter = Exporter::start(|number, _| match number {
        0 => answer(100),
        1 => answer(107),
        2 => vec![Act::Close],
        3 => vec![Act::Reset],
        _ => [answer(119), vec![Act::Close]].concat(),
    })
    .await;
    let guard = guard_of(&["app"], &exporter).await;
    assert_eq!((shown(&guard.scrape().await), shown(&guard.scrape().await)), (0, 7));
    let is_down = |answer: Answer| {
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.reason.starts_with("exporter: ") && !answer.text().contains("m_total"), "{answer:?}");
    };
    is_down(guard.scrape().await);
    is_down(guard.scrape().await);
    assert_eq!(shown(&guard.scrape().await), 19, "the counters survive the gap");
    // Nobody listens any more.
    drop(exporter);
    is_down(guard.scrape().await);
}

#[tokio::test]
async fn rule_2_5_a_restart_of_one_endpoint_touches_no_other() {
    let asked = [AtomicU64::new(0), AtomicU64::new(0)];
    let exporter = Exporter::start(move |_, head| {
        let path = usize::from(head.contains("/two"));
        let turn = asked[path].fetch_add(1, Ordering::SeqCst);
        // The first one begins anew with its third body.
        answer(if path == 0 && turn >= 2 { turn } else { 500 + 10 * turn })
    })
    .await;
    let guard = guard_of(&["one", "two"], &exporter).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        let one = shown(&guard.get("/scrape/one", "").await);
        all.push((one, shown(&guard.get("/scrape/two", "").await)));
    }
    assert_eq!(all, [(0, 0), (10, 10), (12, 20), (13, 30)]);
}

#[tokio::test]
async fn rule_6_two_prometheus_through_one_guard_are_told_the_same_story() {
    let exporter = Exporter::start(|number, _| answer(40_000 + 7 * number as u64)).await;
    let guard = guard_of(&["app"], &exporter).await;
    let mut told = [vec![], vec![]];
    for turn in 0..20 {
        let reader = usize::from(turn % 3 == 0);
        let agent = format!("User-Agent: Prometheus-{reader}\r\n");
        told[reader].push(shown(&guard.get("/scrape/app", &agent).await));
    }
    for reader in &told {
        assert!(reader.windows(2).all(|two| two[0] < two[1]), "{reader:?}");
    }
    assert_eq!((told[0].last(), told[1].last()), (Some(&(7 * 19)), Some(&(7 * 18))));
}
