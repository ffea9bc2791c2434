//! Thousands of endpoints behind one `address` target, each asked for a while and never again.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::binary::{Scratch, command, scratch};
use super::server::Server;

const POLICY: &str = "policies: [{name: jobs, labels: [{label: job_id, action: drop}]}]";
const BODY: &str = "# TYPE jobs_total counter\njobs_total{job_id=\"1\"} 1\njobs_total{job_id=\"2\"} 1\n";
const CLIENTS: usize = 8;

/// One listener that is at home on all of 127.0.0.0/16, and a guard before it.
struct Crowd {
    dir: Scratch,
    port: u16,
    asked: AtomicU32,
}

impl Crowd {
    fn new(endpoint_ttl: &str, max_endpoints: usize) -> Crowd {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| answer(stream)))));
        let dir = scratch(&[("policy.yaml", POLICY)]);
        let settings = format!(
            "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: '{}', endpoint_ttl: {endpoint_ttl}}}\n\
             scrape: {{max_endpoints: {max_endpoints}}}\npolicy_files: [policy.yaml]\nbuiltin_policy: false\n\
             targets: [{{name: pods, address: '127\\.0\\.[0-9]+\\.[0-9]+:{port}'}}]\n",
            dir.path("data")
        );
        fs::write(dir.path("guard.yaml"), settings).unwrap();
        Crowd { dir, port, asked: AtomicU32::new(0) }
    }

    fn start(&self) -> Server {
        Server::start(command(&[
            "serve",
            "--log.level=info",
            &format!("--config.file={}", self.dir.path("guard.yaml")),
        ]))
    }

    /// So many endpoints that were never there before are scraped, once each.
    fn come(&self, server: &Server, endpoints: u32) {
        let until = self.asked.load(Ordering::SeqCst) + endpoints;
        let client = || {
            loop {
                let n = self.asked.fetch_add(1, Ordering::SeqCst);
                if n >= until {
                    return;
                }
                let place = format!("/scrape?target=127.0.{}.{}:{}", n / 250, n % 250 + 1, self.port);
                let answer = server.get(&place);
                assert!(answer.status == 200 && answer.body.contains("\njobs_total 0\n"), "{answer:?}");
            }
        };
        thread::scope(|scope| (0..CLIENTS).for_each(|_| drop(scope.spawn(client))));
        self.asked.store(until, Ordering::SeqCst);
    }

    fn files(&self) -> usize {
        fs::read_dir(self.dir.path("data")).unwrap().filter(|e| e.as_ref().unwrap().file_name() != "lock").count()
    }
}

/// Those of endpoints that are there, but for what a slow disk did not write in time: that is taken
/// back, and written by the next scrape, which there is none of here.
fn only_files_of(endpoints: usize, crowd: &Crowd, server: &Server) -> bool {
    let slow = series(server, "cardinality_guard_state_write_errors_total{reason=\"slow\"}") as usize;
    (endpoints.saturating_sub(slow)..=endpoints).contains(&crowd.files())
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let length = BODY.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all((head + BODY).as_bytes());
}

fn metric(server: &Server, name: &str) -> u64 {
    series(server, &format!("{name}{{target=\"pods\"}}"))
}

fn series(server: &Server, series: &str) -> u64 {
    let metrics = server.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse::<f64>().unwrap() as u64
}

/// Kilobytes of memory that the process has.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("in vain: {what}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads memory where Linux says it")]
fn ten_thousand_endpoints_come_and_go_and_files_and_memory_stay_flat() {
    let crowd = Crowd::new("1h", 200);
    let server = crowd.start();
    crowd.come(&server, 1_000);
    let before = resident(&server);
    wait_until("files of endpoints that went are gone", || only_files_of(200, &crowd, &server));
    assert_eq!(metric(&server, "cardinality_guard_endpoints"), 200);
    crowd.come(&server, 9_000);
    wait_until("files of endpoints that went are gone", || only_files_of(200, &crowd, &server));
    assert_eq!(metric(&server, "cardinality_guard_endpoints"), 200);
    assert_eq!(metric(&server, "cardinality_guard_endpoints_forgotten_total"), 9_800);
    let after = resident(&server);
    // Had they stayed, it would be more than 100,000 kB. Where the disk is slow there are more threads
    // that wait for it, and each takes something.
    assert!(after < before + 40_000, "{before} kB after 1,000 endpoints, {after} kB after 10,000");
}

#[test]
fn endpoints_that_nobody_asks_for_go_with_their_files_and_those_of_a_process_before() {
    let crowd = Crowd::new("2s", 0);
    let mut server = crowd.start();
    crowd.come(&server, 50);
    assert!(crowd.files() > 0);
    wait_until("all are forgotten", || metric(&server, "cardinality_guard_endpoints") == 0 && crowd.files() == 0);
    assert_eq!(metric(&server, "cardinality_guard_endpoints_forgotten_total"), 50);
    assert_eq!(metric(&server, "cardinality_guard_members"), 0);
    crowd.come(&server, 50);
    server.signal("KILL");
    server.end();
    assert!(crowd.files() > 0);
    let next = crowd.start();
    wait_until("what the process before has left is gone", || crowd.files() == 0);
    assert_eq!(metric(&next, "cardinality_guard_endpoints"), 0);
}
