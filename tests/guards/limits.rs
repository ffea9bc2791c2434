//! A limit over all endpoints of a target holds over all guards, and what one guard has learned all
//! know.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::http;
use crate::replicas::Replica;
use crate::store::Store;

const ENDPOINTS: usize = 200;

/// Answers on `/e/<number>` with so many series of `m_total`, endpoint 7 with more.
pub struct Crowd {
    address: SocketAddr,
    each: Arc<AtomicUsize>,
    seventh: Arc<AtomicUsize>,
}

impl Crowd {
    fn start() -> Crowd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (each, seventh) = (Arc::new(AtomicUsize::new(5)), Arc::new(AtomicUsize::new(5)));
        let crowd = Crowd { address, each: each.clone(), seventh: seventh.clone() };
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let path = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let count = if path.contains("/e/7 ") { &seventh } else { &each };
                let body = body(count.load(Ordering::SeqCst));
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        crowd
    }

    pub fn set(&self, each: usize, seventh: usize) {
        self.each.store(each, Ordering::SeqCst);
        self.seventh.store(seventh, Ordering::SeqCst);
    }
}

fn body(series: usize) -> String {
    let mut body = "# TYPE m_total counter\n".to_owned();
    for job in 0..series {
        let _ = writeln!(body, "m_total{{job=\"{job}\"}} 1");
    }
    body
}

pub struct Scene {
    pub crowd: Crowd,
    pub guards: Vec<Replica>,
    _store: Store,
}

impl Scene {
    pub fn set(policy: &str) -> Scene {
        let (crowd, store) = (Crowd::start(), Store::start());
        let settings = format!(
            "storage: {{url: '{}'}}\nbuiltin_policy: false\nscrape: {{annotate: false}}\n\
             targets: [{{name: crowd, address: '{}'}}]\n",
            store.url(),
            crowd.address
        );
        let guards = (0..3).map(|_| Replica::start(&settings, policy)).collect();
        Scene { crowd, guards, _store: store }
    }

    /// The series of an endpoint as one guard shows them.
    pub fn series(&self, guard: usize, endpoint: usize) -> Vec<String> {
        let path = format!("/scrape?target=http://{}/e/{endpoint}", self.crowd.address);
        let answer = http::get(self.guards[guard].address, &path);
        assert_eq!(answer.status, 200, "{}", answer.reason);
        let lines = answer.text().lines().filter(|line| line.starts_with("m_total"));
        let series: Vec<String> = lines.map(str::to_owned).collect();
        assert!(!series.is_empty(), "guard {guard} shows nothing of {endpoint}");
        series
    }

    /// Of all endpoints, scraped at the same time, by so many of the guards.
    fn all_at_once(&self, guards: usize) -> Vec<String> {
        thread::scope(|scope| {
            let scraping = (0..ENDPOINTS).map(|endpoint| scope.spawn(move || self.series(endpoint % guards, endpoint)));
            let scraping: Vec<_> = scraping.collect();
            scraping.into_iter().flat_map(|series| series.join().unwrap()).collect()
        })
    }

    /// Of all endpoints, each guard having a third of them; `turn` says which.
    fn all(&self, turn: usize) -> Vec<String> {
        (0..ENDPOINTS).flat_map(|endpoint| self.series((endpoint + turn) % 3, endpoint)).collect()
    }
}

#[test]
fn rule_5_5_a_limit_on_the_total_holds_over_all_guards() {
    let policy = "policies: [{name: p, series_limit_total: 1500, series_limit_action: overflow}]";
    let scene = Scene::set(policy);
    assert_eq!(scene.all(0).len(), 5 * ENDPOINTS);
    // Everybody grows a little: twice the series, of which half as many more find a place.
    scene.crowd.set(10, 10);
    for turn in [0, 0, 1, 2] {
        let all = scene.all(turn);
        let standing = standing(&all);
        assert!((1400..=1500).contains(&standing), "turn {turn}: {standing}");
    }
}

#[test]
fn rule_5_5_a_limit_on_the_total_holds_when_all_endpoints_are_scraped_at_the_same_time() {
    for guards in [3, 1] {
        let policy = "policies: [{name: p, series_limit_total: 1500, series_limit_action: overflow}]";
        let scene = Scene::set(policy);
        // More than there is room for, and nobody has ever seen the metric.
        scene.crowd.set(8, 8);
        let standing = standing(&scene.all_at_once(guards));
        assert!((1450..=1500).contains(&standing), "{guards} guards, first: {standing}");
    }
    for guards in [3, 1] {
        let policy = "policies: [{name: p, series_limit_total: 1500, series_limit_action: overflow}]";
        let scene = Scene::set(policy);
        assert_eq!(scene.all_at_once(guards).len(), 5 * ENDPOINTS);
        scene.crowd.set(10, 10);
        for turn in 0..3 {
            let standing = standing(&scene.all_at_once(guards));
            assert!((1400..=1500).contains(&standing), "{guards} guards, turn {turn}: {standing}");
        }
    }
}

/// Those that are not counted as too many.
fn standing(all: &[String]) -> usize {
    all.iter().filter(|line| !line.contains("__overflow__")).count()
}

#[test]
fn an_explosion_at_one_endpoint_is_learned_by_every_guard() {
    let policy = "policies: [{name: p, hold: 0s, series_limit_total: 1500, series_limit_action: collapse}]";
    let scene = Scene::set(policy);
    assert_eq!(scene.all(0).len(), 5 * ENDPOINTS);
    scene.crowd.set(5, 5000);
    let exploded = scene.series(1, 7);
    assert!(exploded.len() < 500, "{} series", exploded.len());
    // From now on at every endpoint, whoever scrapes it.
    for turn in [0, 1, 2] {
        let all = scene.all(turn);
        assert!(all.len() <= 1500 && all.iter().all(|line| !line.contains("job=")), "turn {turn}: {}", all.len());
    }
    // And until it is released, by any of them.
    scene.crowd.set(5, 5);
    let released = http::request(
        scene.guards[2].address,
        "POST",
        "/api/v1/release?target=crowd&metric=m_total",
        &[("Content-Length", "0")],
    );
    assert_eq!(released.status, 200, "{}", released.text());
    assert_eq!(scene.series(2, 3).iter().filter(|line| line.contains("job=")).count(), 5);
    for turn in [0, 1, 2] {
        assert_eq!(scene.all(turn).iter().filter(|line| line.contains("job=")).count(), 5 * ENDPOINTS, "turn {turn}");
    }
}

#[test]
fn a_release_holds_for_a_guard_that_was_not_there() {
    let policy = "policies: [{name: p, hold: 0s, series_limit_total: 1500, series_limit_action: collapse}]";
    let scene = Scene::set(policy);
    assert_eq!(scene.all(0).len(), 5 * ENDPOINTS);
    scene.crowd.set(5, 5000);
    scene.series(1, 7);
    assert!(scene.all(0).iter().all(|line| !line.contains("job=")));
    scene.crowd.set(5, 5);
    let release = "/api/v1/release?target=crowd&metric=m_total";
    assert_eq!(http::request(scene.guards[2].address, "POST", release, &[("Content-Length", "0")]).status, 200);
    let released = |guard, endpoint| scene.series(guard, endpoint).iter().filter(|line| line.contains("job=")).count();
    assert_eq!(released(2, 3), 5);
    scene.guards[1].terminate();
    scene.guards[1].start_again();
    // It is the first to scrape these since the release.
    for endpoint in [4, 10, 16] {
        assert_eq!(released(1, endpoint), 5);
    }
    assert_eq!([released(0, 4), released(2, 22), released(0, 23)], [5; 3]);
}
