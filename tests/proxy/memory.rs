//! `memory_limit`: who has been absent the longest goes first, then new endpoints are turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::client::Answer;
use super::support::exporter::{Act, Exporter, ok};
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::engine::policy::{Builtin, Mode, Policies, Source};
use cardinality_guard::settings::Settings;
use cardinality_guard::state::Config;
use cardinality_guard::telemetry::{Exposition, Foreseen};

const POLICY: &str = "policies: [{name: job-ids, hold: 0s, labels: [{label: job_id, action: drop}]}]";
const MANY: u64 = 3000;
const NAMES: [&str; 4] = ["old", "young", "new", "newer"];

struct Case {
    exporter: Exporter,
    guard: Guard,
    /// How many jobs the next body has.
    jobs: Arc<AtomicU64>,
}

impl Case {
    /// Two endpoints, each of which had many members and has one; the old one has had so for longer.
    async fn crowded() -> Case {
        let jobs = Arc::new(AtomicU64::new(0));
        let told = jobs.clone();
        let exporter = Exporter::start(move |_, _| {
            let line = |job| format!("m_total{{job_id=\"{job}\"}} 7\n");
            let body = (0..told.load(Ordering::SeqCst)).map(line).collect::<String>();
            vec![Act::Write(ok("text/plain", format!("# TYPE m_total counter\n{body}").as_bytes()))]
        })
        .await;
        let case = Case { guard: Guard::with_policy(of(&exporter), POLICY).await, exporter, jobs };
        let targets = NAMES.map(|name| (name.to_owned(), Mode::Enforce)).into();
        case.guard.shared.telemetry().config_loaded(Foreseen { targets, ..Foreseen::default() });
        case.ask("old", MANY).await;
        case.rest().await;
        case.ask("old", 1).await;
        case.ask("young", MANY).await;
        case.rest().await;
        for name in ["old", "young"] {
            case.ask(name, 1).await;
        }
        case
    }

    async fn ask(&self, name: &str, jobs: u64) -> Answer {
        self.jobs.store(jobs, Ordering::SeqCst);
        self.guard.get(&format!("/scrape/{name}"), "").await
    }

    /// Longer than a second of the endpoint clock, and than the pause between two looks.
    async fn rest(&self) {
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }

    fn limit_memory(&self, limit: u64) {
        let file = Source { name: "test.yaml".into(), text: POLICY.into() };
        let (policies, _) = Policies::compile(&[file], Builtin::Excluded, None).unwrap();
        let mut settings = of(&self.exporter);
        // Of little memory a third is the process's own, and a ninth of the rest the allocator's.
        settings.scrape.memory_limit = limit + limit * 11 / 16;
        self.guard.shared.replace(Config::new(settings, policies));
    }

    fn memory(&self) -> u64 {
        self.guard.shared.endpoints().memory()
    }

    fn metric(&self, row: &str) -> u64 {
        let endpoints = self.guard.shared.endpoints().live();
        let metrics = self.guard.shared.telemetry().expose(Exposition::Text, &endpoints);
        let value = metrics.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
    }

    fn evicted(&self, name: &str) -> u64 {
        self.metric(&format!("cardinality_guard_members_evicted_total{{target=\"{name}\"}}"))
    }
}

fn of(exporter: &Exporter) -> Settings {
    let named = |name: &str| target(name, url(&format!("http://{}/{name}", exporter.address)));
    settings(NAMES.map(named).into())
}

#[tokio::test]
async fn rule_1_7_beyond_memory_limit_the_longest_absent_go_first_wherever_they_are() {
    let case = Case::crowded().await;
    let before = case.memory();
    assert!(before > 2 * MANY * 40, "{before} bytes for twice {MANY} members");
    case.limit_memory(before - before / 8);
    assert_eq!(case.ask("young", 1).await.status, 200, "who is known never waits");
    for _ in 0..100 {
        if case.evicted("old") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // For whoever would go after it, and must not.
    case.rest().await;
    assert_eq!((case.evicted("old"), case.evicted("young")), (MANY - 1, 0));
    assert!(case.memory() < before - before / 8, "{} of {before} bytes", case.memory());
    let shown = case.metric("cardinality_guard_memory_bytes{target=\"young\"}");
    assert!(shown > MANY * 40 && shown < case.memory(), "{shown}");
    assert_eq!(case.metric("cardinality_guard_members{target=\"old\"}"), 1);
    let back = case.ask("old", MANY).await.text();
    assert!(back.contains("\nm_total 0\n"), "rule 1.7b: no birth, for a fingerprint is left:\n{back}");
}

#[tokio::test]
async fn rule_1_7_beyond_memory_limit_new_endpoints_are_turned_away_when_nobody_is_absent() {
    let case = Case::crowded().await;
    let before = case.memory();
    case.limit_memory(before / 2);
    assert_eq!(case.ask("new", 1).await.status, 200, "room was made for it");
    assert_eq!(case.evicted("old"), MANY - 1);

    case.ask("old", MANY).await;
    case.ask("young", MANY).await;
    case.rest().await;
    let overloaded = "cardinality_guard_scrapes_total{target=\"newer\",result=\"overload\"}";
    let refused = case.ask("newer", 1).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(refused.reason, "guard: memory_limit is reached: there is no room for another endpoint");
    assert_eq!(case.metric(overloaded), 1);
    for name in ["old", "young", "new"] {
        assert_eq!(case.ask(name, MANY).await.status, 200, "{name} was there before");
    }
    assert_eq!(case.metric("cardinality_guard_members{target=\"old\"}"), MANY, "who is present stays");
    case.limit_memory(0);
    assert_eq!(case.ask("newer", 1).await.status, 200, "0 = off");
}
