//! A bug in the engine, on the real path: sockets, the store, everything. The body that brings it
//! about exists in unit tests alone ([`as_if_the_engine_had_a_bug`]).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Door, ScrapesHere, local_handler, run};
use crate::engine::policy::{Builtin, Policies, Source};
use crate::settings::{Allow, Credentials, Settings, Target, Tls};
use crate::state::store::FileStore;
use crate::state::{Config, Shared};
use crate::telemetry::{Exposition, Telemetry};

/// Panics on a body that holds these bytes.
pub fn as_if_the_engine_had_a_bug(bytes: &[u8]) {
    let bug = b"# the engine has a bug here\n";
    assert!(!bytes.windows(bug.len()).any(|window| window == bug), "as if the engine had a bug");
}

/// What the next answers of `/app` are like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    /// The engine cannot take it.
    Bad,
    /// Nor this, but only after more than is held.
    Late,
}

struct Exporter {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
}

impl Exporter {
    /// Counts ten more each time.
    async fn start() -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::new(Mutex::new(Mood::Good));
        let (count, current) = (AtomicU64::new(1_000_000), mood.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let n = stream.read(&mut head).await.unwrap_or(0);
                let mood = if head[..n].starts_with(b"GET /app ") { *current.lock().unwrap() } else { Mood::Good };
                let body = body(count.fetch_add(10, Ordering::SeqCst), mood);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        Exporter { address, mood }
    }

    fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn body(jobs: u64, mood: Mood) -> String {
    let mut body =
        format!("# TYPE jobs_total counter\njobs_total{{job_id=\"1\"}} {jobs}\njobs_total{{job_id=\"2\"}} 1\n");
    if mood == Mood::Late {
        (0..20_000).for_each(|i| body += &format!("other{{i=\"{i}\"}} 1\n"));
    }
    if mood != Mood::Good {
        body += "# the engine has a bug here\n";
    }
    body
}

struct Guard {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<io::Result<()>>,
}

/// A guard in front of it that folds jobs and keeps what it counts.
async fn guard(exporter: SocketAddr, data: &Path) -> Guard {
    let mut settings = Settings::default();
    settings.scrape.hold_output = 10_000;
    settings.targets = ["app", "other"]
        .map(|name| Target {
            name: name.into(),
            allow: Allow::Url(format!("http://{exporter}/{name}").parse().unwrap()),
            mode: settings.mode,
            series_limit: 0,
            tls: Tls::default(),
            credentials: Credentials::None,
            headers: vec![],
            fallback_scrape_protocol: None,
        })
        .into();
    settings.scrape.endpoint_series_limit = 0;
    settings.scrape.annotate = false;
    let text = "policies: [{name: p, match: jobs_total, hold: 0s, labels: [{label: job_id, action: drop}]}]".into();
    let (policies, _) = Policies::compile(&[Source { name: "p.yaml".into(), text }], Builtin::Excluded, None).unwrap();
    let shared = Arc::new(Shared::new(Config::new(settings, policies), Arc::new(Telemetry::default())));
    shared.endpoints().keep_in(opened(data).await);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let local = local_handler(|_| async { Response::new(Bytes::new()) });
    let doors = vec![Door { socket, scrapes: ScrapesHere::Served, local }];
    let serving = tokio::spawn(run(shared.clone(), doors, std::future::pending()));
    Guard { address, shared, serving }
}

/// Connections of a guard that was killed end each when it gets to it, and hold the directory so long.
async fn opened(data: &Path) -> Arc<FileStore> {
    loop {
        match FileStore::open(data) {
            Ok(store) => return Arc::new(store),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

impl Guard {
    async fn get(&self, place: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream
            .write_all(format!("GET {place} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Goes without a word to the store, as by `kill -9`.
    async fn kill(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }

    /// The folded counter.
    async fn jobs(&self, place: &str) -> u64 {
        let answer = self.get(place).await;
        let line = answer.lines().find_map(|line| line.strip_prefix("jobs_total "));
        line.unwrap_or_else(|| panic!("no counter in {answer}")).parse::<f64>().unwrap() as u64
    }

    fn counted(&self, row: &str) -> f64 {
        // A row that nobody foresaw shows 0 the first time.
        let [_, text] = [(); 2].map(|()| self.shared.telemetry().expose(Exposition::Text, &[]));
        let line =
            text.lines().find_map(|line| line.strip_prefix(&format!("cardinality_guard_scrapes_total{{{row}}} ")));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_its_scrape_and_its_endpoints_memory_and_nothing_else() {
    for (mood, head) in [(Mood::Bad, "HTTP/1.1 502 guard: internal error"), (Mood::Late, "HTTP/1.1 200")] {
        let (exporter, data) = (Exporter::start().await, tempfile::tempdir().unwrap());
        let guard = guard(exporter.address, data.path()).await;
        for place in ["/scrape/app", "/scrape/other"].repeat(20) {
            guard.jobs(place).await;
        }
        let other = guard.jobs("/scrape/other").await;
        exporter.feels(mood);
        let answer = guard.get("/scrape/app").await;
        assert!(answer.starts_with(head) && !answer.ends_with("\r\n0\r\n\r\n"), "{}", &answer[..80]);
        exporter.feels(Mood::Good);
        assert_eq!(guard.counted("target=\"app\",result=\"panic\""), 1.0);
        assert!(guard.jobs("/scrape/other").await > other, "the others count on");
        assert_eq!(guard.jobs("/scrape/app").await, 0, "nobody knows what was remembered: a clean reset");
        let app = guard.jobs("/scrape/app").await;
        assert!((1..200).contains(&app), "{app}");

        // What is in the store is what was shown since, and not what was before.
        guard.kill().await;
        let after = self::guard(exporter.address, data.path()).await;
        let resumed = after.jobs("/scrape/app").await;
        assert!((app..app + 100).contains(&resumed), "{resumed} after {app}");
    }
}
