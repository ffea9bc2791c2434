//! Two hundred targets, every fault there is, reloads all the time, and now and then `kill -9`:
//! nothing leaks, nothing lies, and who is healthy is scraped.
//!
//! `make soak MINUTES=30`; as one of the tests it takes half a minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::binary::{Scratch, command, scratch};
use super::client::{get, memory};
use super::server::Server;
use super::world::{FAULTS, Nature, World, ip};

const TARGETS: usize = 200;
const HEALTHY: usize = 120;
/// From this length on memory must be flat; before it, it is what so many bodies of 4 MB may take.
const LONG: Duration = Duration::from_secs(300);
const CROWD: u64 = 500_000;
const RELOAD: Duration = Duration::from_secs(3);

/// What is left of the time before an answer is no longer expected; a debug build on a busy
/// machine is slow, and the deadline is not what is tested here.
const PATIENCE: f64 = 60.0;

struct Stage {
    world: World,
    address: SocketAddr,
    dir: Scratch,
    /// Odd while the guard is down or about to be.
    kills: AtomicU64,
    over: AtomicBool,
    wrong: Mutex<Vec<String>>,
    scrapes: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
}

fn nature(n: usize) -> Nature {
    if n < HEALTHY { Nature::Healthy } else { FAULTS[n % FAULTS.len()] }
}

fn number(at: IpAddr) -> usize {
    match at {
        IpAddr::V4(v4) => usize::from(v4.octets()[2]) * 200 + usize::from(v4.octets()[3]) - 1,
        IpAddr::V6(_) => 0,
    }
}

/// Two that take turns: rows of policies that are gone stay, so names that change for ever would be rows for ever.
fn policy(turn: u64) -> String {
    let turn = turn % 2;
    let other = ["drop", "pass"][turn as usize];
    format!(
        "policies:\n  - {{name: jobs, match: jobs_total, hold: 0s, labels: [{{label: job_id, action: drop}}]}}\n  \
         - {{name: turn-{turn}, match: 'nobody_has_this', action: {other}}}\n"
    )
}

impl Stage {
    async fn set() -> Arc<Stage> {
        let world = World::of(|at| nature(number(at))).await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dir = scratch(&[("policy.yaml", &policy(0))]);
        let targets: String = (0..TARGETS)
            .map(|n| {
                format!("  - {{name: t{n}, address: '{}:{}'}}\n", ip(n).to_string().replace('.', "\\."), world.port)
            })
            .collect();
        let file = format!(
            "web: {{listen_address: ['{free}']}}\nstorage: {{path: '{}'}}\npolicy_files: [policy.yaml]\n\
             builtin_policy: false\nscrape: {{body_size_limit: 4MB, annotate: false}}\ntargets:\n{targets}",
            dir.path("data")
        );
        std::fs::write(dir.path("guard.yaml"), file).unwrap();
        let (kills, over) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Stage {
            world,
            address: free,
            dir,
            kills,
            over,
            wrong: Mutex::default(),
            scrapes: AtomicU64::new(0),
            failures: Mutex::default(),
        })
    }

    fn start(&self) -> Server {
        let file = format!("--config.file={}", self.dir.path("guard.yaml"));
        Server::start(command(&["serve", &file]))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Scrapes one healthy endpoint again and again, and does the sum.
    async fn believe(&self, n: usize) {
        let place = self.world.place(ip(n));
        let mut before_first = None;
        while !self.is_over() {
            let kills = self.kills.load(Ordering::SeqCst);
            let answer = get(self.address, &place, PATIENCE).await;
            let is_killed = kills % 2 == 1 || self.kills.load(Ordering::SeqCst) != kills;
            match answer {
                Some(answer) if answer.status == 200 => {
                    let line = answer.body.lines().find_map(|line| line.strip_prefix("jobs_total{q=\"a\"} "));
                    let raw = answer.body.matches("job_id=").count() as u64;
                    let shown = line.map_or(raw, |value| value.parse::<f64>().unwrap() as u64);
                    let done = self.world.done(ip(n));
                    // A single member passes as it is; from the second on the fold counts from 0.
                    if line.is_some() {
                        let base = *before_first.get_or_insert(done - shown);
                        if shown + base != done {
                            self.is_wrong(format!("t{n}: {shown} shown of {done}, of which {base} were before"));
                        }
                    }
                    self.scrapes.fetch_add(1, Ordering::SeqCst);
                }
                _ if is_killed => tokio::time::sleep(Duration::from_millis(50)).await,
                other => self.is_wrong(format!("t{n} is healthy: {:?}", other.map(|a| (a.status, a.reason)))),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Scrapes one faulty endpoint, of which no good may come.
    async fn doubt(&self, n: usize) {
        let place = self.world.place(ip(n));
        while !self.is_over() {
            if let Some(answer) = get(self.address, &place, 2.0).await {
                match answer.status {
                    200 => self.is_wrong(format!("t{n} is {:?}, and its scrape was good:\n{}", nature(n), answer.body)),
                    status => {
                        *self.failures.lock().unwrap().entry(format!("{status} {}", answer.reason)).or_default() += 1;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Writes the policies anew and says so, until it is over.
    async fn reload(&self) {
        let mut turn = 0;
        while !self.is_over() {
            turn += 1;
            std::fs::write(self.dir.path("policy.yaml"), policy(turn)).unwrap();
            tokio::time::sleep(RELOAD).await;
        }
    }

    /// The memory that was there at each look until then, and the own series at the last.
    async fn watch(&self, server: &Server, until: Instant) -> (Vec<u64>, usize) {
        let mut looks = Vec::new();
        while Instant::now() < until {
            looks.push(memory(server, "VmRSS"));
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        (looks, self.own_series().await)
    }

    /// The number of series in the guard's own metrics.
    async fn own_series(&self) -> usize {
        let answer = get(self.address, "/metrics", PATIENCE).await.expect("own metrics");
        answer.body.lines().filter(|line| !line.starts_with('#')).count()
    }
}

fn length() -> Duration {
    match std::env::var("SOAK_MINUTES") {
        Ok(minutes) => Duration::from_secs(60 * minutes.parse::<u64>().expect("SOAK_MINUTES is a number")),
        Err(_) => Duration::from_secs(30),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "reads memory where Linux says it")]
async fn soak() {
    let stage = Stage::set().await;
    let (began, length) = (Instant::now(), length());
    let mut server = stage.start();
    let mut clients = JoinSet::new();
    for n in 0..TARGETS {
        let stage = stage.clone();
        clients.spawn(async move { if n < HEALTHY { stage.believe(n).await } else { stage.doubt(n).await } });
    }
    let reloading = stage.clone();
    clients.spawn(async move { reloading.reload().await });

    // The first half has an end each now and then; the second is for one process alone.
    for _ in 0..3 {
        tokio::time::sleep(length / 8).await;
        stage.kills.fetch_add(1, Ordering::SeqCst);
        drop(server);
        server = stage.start();
        stage.kills.fetch_add(1, Ordering::SeqCst);
    }
    tokio::time::sleep((length / 2).saturating_sub(began.elapsed())).await;
    let (third, series) = stage.watch(&server, began + length * 3 / 4).await;
    let (last, series_at_end) = stage.watch(&server, began + length).await;
    stage.over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let wrong = stage.wrong.lock().unwrap();
    let failures = stage.failures.lock().unwrap();
    let scrapes = stage.scrapes.load(Ordering::SeqCst);
    println!(
        "{scrapes} good scrapes; {series_at_end} own series; memory in kB, third quarter: {third:?}, last: {last:?}"
    );
    failures.iter().for_each(|(what, times)| println!("{times:6} {what}"));
    assert!(
        wrong.is_empty(),
        "{} are wrong, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    assert!(scrapes > HEALTHY as u64 * 5, "{scrapes} scrapes");
    assert!(failures.len() >= 8, "most faults were met: {failures:?}");
    let (half, end) = (median(third), median(last));
    // Half a minute is too short to tell a leak from the first crowd of large bodies.
    let most = if length < LONG { CROWD } else { half + half / 5 + 10_000 };
    assert!(end < most, "{half} kB in the middle of the third quarter, {end} kB of the last, {most} kB at most");
    assert!(series_at_end <= series + series / 50, "{series} own series, then {series_at_end}");
}

/// What a leak raises and a crowd of large bodies that happen to meet does not.
fn median(mut looks: Vec<u64>) -> u64 {
    looks.sort_unstable();
    looks[looks.len() / 2]
}
