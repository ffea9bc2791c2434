//! Limits over all endpoints of a target: an explosion that ships to every pod at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cardinality_guard::engine::policy::Mode;
use cardinality_guard::telemetry::{Exposition, Foreseen};
use tokio::task::JoinSet;

use super::support::client::{Answer, Client};
use super::support::exporter::{Act, Exporter, ok};
use super::support::guard::{Guard, address, settings, target};

const POLICY: &str = "policies: [{name: budget, series_limit: 1000, series_limit_total: 2000, hold: 0s}]";
const PODS: u64 = 200;
const ORDERS: u64 = 50;
/// Bytes that all endpoints together may remember.
const MEMORY: u64 = 64 << 20;

/// Pods behind one `address` target, told apart by their path.
struct Fleet {
    exporter: Exporter,
    guard: Guard,
    /// How many orders each pod has.
    orders: Arc<AtomicU64>,
}

impl Fleet {
    async fn new() -> Fleet {
        let orders = Arc::new(AtomicU64::new(1));
        let told = orders.clone();
        let exporter = Exporter::start(move |_, request| {
            let pod = request.split("/pod-").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("").to_owned();
            let line = |order| format!("jobs_total{{order_ref=\"{pod}-{order}\",queue=\"q\"}} 7\n");
            let lines: String = (0..told.load(Ordering::SeqCst)).map(line).collect();
            vec![Act::Write(ok("text/plain", format!("# TYPE jobs_total counter\n{lines}").as_bytes()))]
        })
        .await;
        let mut settings = settings(vec![target("pods", address(&format!("127.0.0.1:{}", exporter.port())))]);
        settings.scrape.memory_limit = MEMORY;
        let guard = Guard::with_policy(settings, POLICY).await;
        let targets = vec![("pods".to_owned(), Mode::Enforce)];
        guard.shared.telemetry().config_loaded(Foreseen { targets, ..Foreseen::default() });
        Fleet { exporter, guard, orders }
    }

    /// Everybody at once.
    async fn scrape(&self, pods: std::ops::Range<u64>) -> Vec<Answer> {
        let mut scrapes = JoinSet::new();
        for pod in pods {
            let (guard, exporter) = (self.guard.address, self.exporter.address);
            scrapes.spawn(async move {
                let mut client = Client::connect(guard).await;
                let wait = "X-Prometheus-Scrape-Timeout-Seconds: 100";
                client
                    .say(format!("GET http://{exporter}/pod-{pod} HTTP/1.1\r\nHost: {exporter}\r\n{wait}\r\n\r\n"))
                    .await;
                client.answer().await.unwrap()
            });
        }
        let answers = scrapes.join_all().await;
        answers.iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.reason));
        answers
    }

    fn metric(&self, row: &str) -> f64 {
        let live = self.guard.shared.endpoints().live();
        let metrics = self.guard.shared.telemetry().expose(Exposition::Text, &live);
        let value = metrics.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {row} in\n{metrics}")).parse().unwrap()
    }

    fn forwarded(&self) -> f64 {
        self.metric("cardinality_guard_series{target=\"pods\",stage=\"forwarded\"}")
    }
}

fn series(answers: &[Answer]) -> usize {
    answers.iter().map(|answer| answer.text().lines().filter(|line| line.starts_with("jobs_total{")).count()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_endpoint_learned_holds_for_all_and_for_those_to_come() {
    let fleet = Fleet::new().await;
    let calm = fleet.scrape(0..PODS).await;
    assert_eq!(series(&calm), PODS as usize);
    fleet.orders.store(ORDERS, Ordering::SeqCst);
    for _ in 0..3 {
        let answers = fleet.scrape(0..PODS).await;
        assert!(series(&answers) <= 2000, "{} series", series(&answers));
        assert!(fleet.forwarded() <= 2000.0, "{}", fleet.forwarded());
    }
    let folded = fleet.scrape(0..PODS).await;
    assert!(folded.iter().all(|answer| !answer.text().contains("order_ref")), "{}", folded[0].text());
    // Pods nobody has seen begin folded.
    for answer in fleet.scrape(PODS..2 * PODS).await {
        assert!(!answer.text().contains("order_ref"), "{}", answer.text());
    }
    assert!(fleet.forwarded() <= 2000.0, "{}", fleet.forwarded());
    assert!(fleet.guard.shared.endpoints().memory() <= MEMORY);
    assert_eq!(fleet.metric("cardinality_guard_collapses_total{target=\"pods\"}"), 1.0, "told once");
    let row =
        "cardinality_guard_collapsed{target=\"pods\",metric=\"jobs_total\",label=\"order_ref\",aggregate=\"sum\"}";
    assert_eq!(fleet.metric(row), 1.0);
}

#[tokio::test]
async fn a_release_gives_the_label_back_at_every_endpoint() {
    let fleet = Fleet::new().await;
    fleet.orders.store(500, Ordering::SeqCst);
    for _ in 0..2 {
        fleet.scrape(0..5).await;
    }
    assert!(series(&fleet.scrape(0..5).await) < 50);
    fleet.orders.store(3, Ordering::SeqCst);
    assert_eq!(fleet.guard.shared.commons("pods").release(Some("jobs_total"), 0.0).len(), 1);
    for answer in fleet.scrape(0..5).await {
        assert!(answer.text().contains("order_ref"), "{}", answer.text());
    }
    // And again, when it explodes again.
    fleet.orders.store(900, Ordering::SeqCst);
    fleet.scrape(0..5).await;
    assert!(series(&fleet.scrape(0..5).await) < 50);
}

#[tokio::test]
async fn a_target_has_a_limit_over_all_its_families_and_endpoints() {
    let exporter = Exporter::start(|_, request| {
        let pod = request.split("/pod-").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("").to_owned();
        let line = |at: u64| format!("m_{}{{shard=\"{pod}-{at}\"}} 1\n", at % 3);
        vec![Act::Write(ok("text/plain", (0..60).map(line).collect::<String>().as_bytes()))]
    })
    .await;
    let mut pods = target("pods", address(&format!("127.0.0.1:{}", exporter.port())));
    pods.series_limit = 200;
    let guard = Guard::with_policy(settings(vec![pods]), "policies: []").await;
    let mut all = 0;
    for pod in 0..10 {
        let mut client = guard.client().await;
        let host = exporter.address;
        client.say(format!("GET http://{host}/pod-{pod} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        all += answer.text().lines().filter(|line| line.starts_with("m_")).count();
    }
    // Each endpoint beyond it shows at least one series a family.
    assert!(all <= 200 + 10 * 3, "{all} series");
}

#[tokio::test]
async fn no_counter_of_the_guards_own_falls_whatever_explodes() {
    let round = Arc::new(AtomicU64::new(0));
    let told = round.clone();
    let exporter = Exporter::start(move |_, _| {
        let round = told.load(Ordering::SeqCst);
        let line = |at: u64| match round % 4 {
            0 => format!("jobs_total{{order_ref=\"{round}-{at}\",queue=\"q\"}} 7\n"),
            1 => format!("jobs_total{{tag_{round}_{at}=\"x\"}} 7\n"),
            2 => format!("metric_{round}_{at} 7\n"),
            _ => format!("jobs_total{{order_ref=\"{at}\",user=\"u{at}\"}} {round}\n"),
        };
        vec![Act::Write(ok("text/plain", (0..300).map(line).collect::<String>().as_bytes()))]
    })
    .await;
    let mut settings = settings(vec![target("pods", address(&format!("127.0.0.1:{}", exporter.port())))]);
    settings.scrape.endpoint_series_limit = 500;
    let policy = "policies: [{name: watch, mode: observe, series_limit: 50}, {name: budget, series_limit: 100}]";
    let guard = Guard::with_policy(settings, policy).await;
    let targets = vec![("pods".to_owned(), Mode::Enforce)];
    guard.shared.telemetry().config_loaded(Foreseen { targets, ..Foreseen::default() });
    let counters = || -> std::collections::BTreeMap<String, f64> {
        let live = guard.shared.endpoints().live();
        let metrics = guard.shared.telemetry().expose(Exposition::Text, &live);
        let rows = metrics.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let counters = rows.filter(|(row, _)| row.split('{').next().unwrap().ends_with("_total"));
        counters.map(|(row, value)| (row.to_owned(), value.parse().unwrap())).collect()
    };
    let mut before = counters();
    for at in 0..24 {
        round.store(at, Ordering::SeqCst);
        let mut client = guard.client().await;
        let host = exporter.address;
        client.say(format!("GET http://{host}/metrics HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        let now = counters();
        for (row, value) in &before {
            assert!(now.get(row).is_some_and(|later| later >= value), "{row} was {value}, is {:?}", now.get(row));
        }
        before = now;
    }
    assert!(before.iter().any(|(row, n)| row.contains("blocked") && row.contains("budget") && *n > 0.0), "{before:?}");
}
