//! The real binary, killed, ended, robbed of its directory.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::binary::{Scratch, command, run, scratch};
use super::exporter::Exporter;
use super::server::Server;

const POLICY: &str = "policies: [{name: jobs, hold: 0s, labels: [{label: job_id, action: drop}]}]";
const JOBS: &str = "jobs_total ";

fn settings(exporter: &Exporter, storage: &str, more: &str) -> String {
    format!(
        "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: '{storage}'}}\npolicy_files: [policy.yaml]\nbuiltin_policy: false\n{more}\
         targets: [{{name: app, url: 'http://{0}/metrics'}}, {{name: any, address: '127.0.0.1:{1}'}}]\n",
        exporter.address,
        exporter.address.port()
    )
}

/// A guard in front of an exporter, and a directory that outlives it.
pub(crate) struct Case {
    pub exporter: Exporter,
    pub dir: Scratch,
}

impl Case {
    pub(crate) fn new() -> Case {
        Case::with("", "")
    }

    /// `storage` is in the directory; `more` is more settings.
    pub(crate) fn with(storage: &str, more: &str) -> Case {
        let exporter = Exporter::start();
        let dir = scratch(&[("policy.yaml", POLICY)]);
        let storage = dir.path(if storage.is_empty() { "data" } else { storage });
        fs::write(dir.path("guard.yaml"), settings(&exporter, &storage, more)).unwrap();
        Case { exporter, dir }
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(command(&["serve", &self.config_file()]))
    }

    pub(crate) fn config_file(&self) -> String {
        format!("--config.file={}", self.dir.path("guard.yaml"))
    }

    /// A scrape by the only client there is: what it shows is all that has happened, once.
    pub(crate) fn scrape_exactly(&self, server: &Server) {
        let bodies = self.exporter.bodies();
        let shown = scrape(server.address(), "/scrape/app").expect("an answer");
        let happened = self.exporter.increments_since(bodies);
        assert!(happened.contains(&shown), "{shown} of {happened:?}");
    }

    pub(crate) fn files(&self, extension: &str) -> usize {
        let entries = fs::read_dir(self.dir.path("data")).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == extension)).count()
    }
}

/// The folded counter in the answer; `None` when it did not come whole.
pub(crate) fn scrape(address: SocketAddr, path: &str) -> Option<u64> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: guard\r\nUser-Agent: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if length != Some(body.len()) {
        return None;
    }
    let line = body.lines().find_map(|l| l.strip_prefix(JOBS)).expect("the folded counter");
    Some(line.parse::<f64>().unwrap() as u64)
}

/// The folded series of a body and what they show.
fn folds(body: &str) -> Vec<(String, u64)> {
    let of_jobs = body.lines().filter(|line| line.starts_with(JOBS.trim()));
    let pairs = of_jobs.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(series, value)| (series.to_owned(), value.parse::<f64>().unwrap() as u64)).collect()
}

pub(crate) fn kill(mut server: Server) -> String {
    server.signal("KILL");
    server.end().1
}

pub(crate) fn errors(server: &Server, reason: &str) -> f64 {
    let row = format!("cardinality_guard_state_write_errors_total{{reason=\"{reason}\"}} ");
    let metrics = server.get("/metrics").body;
    let value = metrics.lines().find_map(|l| l.strip_prefix(&row)).expect("a row for every reason");
    value.parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn rule_7_2_killed_between_scrapes_nothing_is_lost_and_nothing_made_up() {
    let case = Case::new();
    for _ in 0..3 {
        let server = case.start();
        for _ in 0..3 {
            case.scrape_exactly(&server);
        }
        kill(server);
    }
    let server = case.start();
    case.scrape_exactly(&server);
    assert!(case.exporter.increments() > 30);
}

#[test]
fn rule_7_2_killed_at_any_instant_of_a_scrape() {
    let case = Case::new();
    let mut instant = 7u64;
    for _ in 0..50 {
        let server = case.start();
        case.scrape_exactly(&server);
        let address = server.address();
        let client = std::thread::spawn(move || (0..1000).map_while(|_| scrape(address, "/scrape/app")).last());
        instant = instant.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((instant >> 33) % 20_000));
        kill(server);
        let last = client.join().unwrap();
        assert!(last.is_none_or(|shown| shown <= case.exporter.increments()));
    }
    let server = case.start();
    case.scrape_exactly(&server);
    for reason in ["unreadable", "touched", "future", "boot", "io"] {
        assert_eq!(errors(&server, reason), 0.0, "{reason}");
    }
}

#[test]
fn rule_7_4_a_clean_end_leaves_a_mark_and_is_gone_on_from() {
    let case = Case::new();
    for _ in 0..3 {
        let mut server = case.start();
        case.scrape_exactly(&server);
        case.scrape_exactly(&server);
        server.signal("TERM");
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn rule_7_4_older_records_put_back_are_set_aside() {
    let case = Case::new();
    let server = case.start();
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    let (data, older) = (case.dir.path("data"), case.dir.path("older"));
    copy(data.as_ref(), older.as_ref());
    case.scrape_exactly(&server);
    kill(server);
    fs::remove_dir_all(&data).unwrap();
    copy(older.as_ref(), data.as_ref());

    let server = case.start();
    assert_eq!(scrape(server.address(), "/scrape/app"), Some(0), "rule 7.1: costs the gap, never a spike");
    assert_eq!((errors(&server, "touched"), case.files("aside")), (1.0, 1));
}

#[test]
fn rule_7_4_a_file_that_rotted_is_set_aside() {
    let case = Case::new();
    let server = case.start();
    case.scrape_exactly(&server);
    kill(server);
    for entry in fs::read_dir(case.dir.path("data")).unwrap().flatten() {
        let mut bytes = fs::read(entry.path()).unwrap();
        if let Some(middle) = bytes.len().checked_div(2).filter(|at| *at > 0) {
            bytes[middle] ^= 1;
            fs::write(entry.path(), bytes).unwrap();
        }
    }
    let server = case.start();
    assert_eq!(scrape(server.address(), "/scrape/app"), Some(0));
    assert_eq!((errors(&server, "unreadable"), case.files("aside")), (1.0, 1));
}

#[test]
fn rule_7_4_without_a_directory_it_serves_counts_and_says_so_once() {
    let case = Case::with("policy.yaml/data", "");
    let mut server = case.start();
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    assert_eq!(errors(&server, "io"), 1.0);
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!((code, log.matches("state is not written").count()), (Some(0), 1), "{log}");
}

#[test]
fn rule_7_3_after_writes_that_failed_nothing_older_is_resumed() {
    let case = Case::new();
    let server = case.start();
    case.scrape_exactly(&server);
    let (data, away) = (case.dir.path("data"), case.dir.path("away"));
    fs::rename(&data, &away).unwrap();
    for _ in 0..3 {
        case.scrape_exactly(&server);
    }
    assert_eq!(errors(&server, "io"), 3.0);
    fs::create_dir(&data).unwrap();
    case.scrape_exactly(&server);
    let log = kill(server);
    assert_eq!(log.matches("state is not written").count(), 1, "{log}");
    let server = case.start();
    case.scrape_exactly(&server);
}

#[test]
fn a_second_process_waits_for_the_first_and_takes_over() {
    let case = Case::new();
    let first = case.start();
    case.scrape_exactly(&first);
    let mut second = command(&["serve", &case.config_file()]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.try_wait().unwrap().is_none(), "it waits");
    second.kill().unwrap();
    second.wait().unwrap();
    kill(first);
    case.scrape_exactly(&case.start());
}

#[test]
fn a_second_process_gives_up_with_a_sentence() {
    let case = Case::new();
    let _first = case.start();
    let second = run(&["serve", &case.config_file()]);
    assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{}", second.stderr);
    assert!(second.stderr.contains("storage.path is owned by another process"), "{}", second.stderr);
}

#[test]
fn endpoints_that_go_take_their_files_along() {
    let case = Case::with("", "scrape: {max_endpoints: 3}\n");
    let mut server = case.start();
    for i in 0..20 {
        let target = format!("/scrape?target=http://{}/metrics%3Fi={i}", case.exporter.address);
        assert!(scrape(server.address(), &target).is_some());
    }
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(case.files("state"), 3);
}

#[test]
fn rule_7_1_without_a_state_it_starts_at_zero_and_costs_the_gap() {
    let case = Case::new();
    let text = fs::read_to_string(case.dir.path("guard.yaml")).unwrap();
    fs::write(case.dir.path("guard.yaml"), text.replace(&case.dir.path("data"), "")).unwrap();
    let server = case.start();
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    kill(server);
    let server = case.start();
    assert_eq!(scrape(server.address(), "/scrape/app"), Some(0));
    let before = case.exporter.increments();
    let shown = scrape(server.address(), "/scrape/app");
    assert_eq!(shown, Some(case.exporter.increments() - before), "the gap is lost, and nothing else");
    assert!(!Path::new(&case.dir.path("data")).exists());
}

#[test]
fn rule_7_5_a_policy_that_changed_while_the_guard_was_down_keeps_the_members() {
    let case = Case::new();
    let server = case.start();
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    let before = case.exporter.increments();
    kill(server);
    let hashed = POLICY.replace("action: drop", "action: hash, buckets: 1");
    fs::write(case.dir.path("policy.yaml"), hashed).unwrap();
    let server = case.start();
    let show = || folds(&server.get("/scrape/app").body);
    show();
    let folds = show();
    let after = case.exporter.increments() - before;
    assert_eq!(folds, [("jobs_total".to_owned(), before), ("jobs_total{job_id=\"0/1\"}".to_owned(), after)]);
}

#[test]
fn rule_7_5_state_is_keyed_by_endpoint() {
    let case = Case::new();
    let other = format!("/scrape?target=http://{}/other", case.exporter.address);
    let server = case.start();
    case.scrape_exactly(&server);
    assert_eq!(scrape(server.address(), &other), Some(0), "a memory of its own");
    kill(server);
    let server = case.start();
    let between = case.exporter.increments();
    let shown = scrape(server.address(), &other);
    // Its baseline was taken one body later than the other one's.
    assert_eq!(shown, Some(case.exporter.increments() - between), "gone on from its own");
    case.scrape_exactly(&server);
}

#[test]
fn rule_6_the_epoch_is_as_old_as_the_memory() {
    let case = Case::new();
    let epoch = |server: &Server| {
        let body = server.get("/scrape/app").body;
        let line = body.lines().find_map(|l| l.strip_prefix("cardinality_guard_scrape_epoch_seconds "));
        line.expect("whose memory it is").parse::<f64>().unwrap()
    };
    let server = case.start();
    let first = epoch(&server);
    kill(server);
    let server = case.start();
    assert_eq!(epoch(&server), first, "the same memory in another process");
    kill(server);
    fs::remove_dir_all(case.dir.path("data")).unwrap();
    assert!(epoch(&case.start()) > first, "another memory: changes() > 0");
}
