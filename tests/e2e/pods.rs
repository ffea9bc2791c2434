//! An explosion that ships to every pod at once, and the memory of the process that guards them all.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exporter::Exporter;
use crate::guard::Guard;
use crate::http::get;

const PODS: u64 = 200;
/// What all of them together may show of one metric.
const LIMIT: usize = 4000;
/// `memory_limit`, in bytes: room for four hundred pods of this kind with a quarter to spare, as their labels fold in
/// another order each time, and not for eight hundred.
const MEMORY: u64 = 130_000_000;

/// `memory_limit` where the labels are others in each scrape.
const LITTLE_MEMORY: u64 = 96_000_000;

/// A counter, a gauge and a histogram of a pod that has so many orders.
fn body(pod: &str, orders: u64) -> String {
    let of = |order: u64| format!("order_ref=\"{pod}-5f0c{order:012x}\",queue=\"q{}\"", order % 3);
    let mut body = String::from("# TYPE jobs_total counter\n");
    (0..orders).for_each(|order| writeln!(body, "jobs_total{{{}}} 7", of(order)).unwrap());
    body.push_str("# TYPE active gauge\n");
    (0..orders).for_each(|order| writeln!(body, "active{{{}}} 1", of(order)).unwrap());
    body.push_str("# TYPE took_seconds histogram\n");
    for of in (0..orders).map(of) {
        for le in ["0.1", "1", "+Inf"] {
            writeln!(body, "took_seconds_bucket{{{of},le=\"{le}\"}} 3").unwrap();
        }
        writeln!(body, "took_seconds_sum{{{of}}} 2\ntook_seconds_count{{{of}}} 3").unwrap();
    }
    body
}

struct Fleet {
    exporter: Exporter,
    guard: Guard,
}

impl Fleet {
    /// Each of these pods, eight at a time; gives how many series of each metric were forwarded, and how
    /// many pods were turned away.
    fn scrape(&self, pods: std::ops::Range<u64>) -> [usize; 4] {
        let next = AtomicU64::new(pods.start);
        let all = std::thread::scope(|scope| {
            let one = || {
                let mut series = [0; 4];
                loop {
                    let pod = next.fetch_add(1, Ordering::Relaxed);
                    if pod >= pods.end {
                        return series;
                    }
                    let answer = get(self.guard.address, &format!("http://{}/pod-{pod}", self.exporter.address));
                    if answer.status == 503 {
                        series[3] += 1;
                        continue;
                    }
                    assert_eq!(answer.status, 200, "{}", answer.reason);
                    for (count, name) in series.iter_mut().zip(["jobs_total{", "active{", "took_seconds_"]) {
                        *count += answer.text().lines().filter(|line| line.starts_with(name)).count();
                    }
                }
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        std::array::from_fn(|at| all.iter().map(|series| series[at]).sum())
    }
}

#[test]
fn two_hundred_pods_explode_at_once_and_are_replaced_within_series_limit_total_and_memory_limit() {
    let exporter = Exporter::start();
    let settings = format!(
        "scrape: {{memory_limit: {MEMORY}B}}\ntargets:\n  - {{name: pods, address: '127\\.0\\.0\\.1:{}'}}\n",
        exporter.address.port()
    );
    let policy = format!("policies: [{{name: budget, series_limit_total: {LIMIT}}}]");
    let fleet = Fleet { exporter, guard: Guard::start(&settings, &policy) };
    fleet.exporter.say_of_each(|path| body(path.rsplit('/').next().unwrap(), 2));
    assert_eq!(fleet.scrape(0..PODS), [400, 400, 2000, 0], "what is calm passes");
    fleet.exporter.say_of_each(|path| body(path.rsplit('/').next().unwrap(), 150));
    let mut resident = Vec::new();
    // The second two hundred take the place of the first.
    for pods in [0..PODS, 0..PODS, 0..PODS, PODS..2 * PODS, PODS..2 * PODS, PODS..2 * PODS] {
        let [series @ .., away] = fleet.scrape(pods.clone());
        assert!(series.iter().all(|series| *series <= LIMIT), "{series:?} of pods {pods:?}");
        assert_eq!(away, 0, "of pods {pods:?}");
        resident.push(fleet.guard.resident());
    }
    // For as many again there is no room: they are told so, and the others go on.
    let [.., away] = fleet.scrape(2 * PODS..4 * PODS);
    assert!(away > 0, "{resident:?}");
    resident.push(fleet.guard.resident());
    assert_eq!(fleet.scrape(PODS..2 * PODS)[3], 0);
    resident.push(fleet.guard.resident());
    assert!(resident.iter().all(|resident| *resident < MEMORY), "{resident:?}");
}

#[test]
fn what_two_hundred_pods_have_forgotten_is_given_back_to_the_system() {
    let exporter = Exporter::start();
    let settings = format!(
        "scrape: {{memory_limit: {LITTLE_MEMORY}B}}\ntargets:\n  - {{name: pods, address: '127\\.0\\.0\\.1:{}'}}\n",
        exporter.address.port()
    );
    let policy = format!("policies: [{{name: budget, series_limit_total: {LIMIT}}}]");
    let fleet = Fleet { exporter, guard: Guard::start(&settings, &policy) };
    let mut resident = Vec::new();
    for round in 0..11 {
        // Each order is of one scrape, and there are some whose members stay in between.
        fleet.exporter.say_of_each(move |path| body(&format!("{}-{round}", path.rsplit('/').next().unwrap()), 80));
        assert_eq!(fleet.scrape(0..PODS)[3], 0, "nobody is turned away");
        resident.push(fleet.guard.resident());
        // Memory is looked through once a second.
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    assert!(resident.iter().all(|resident| *resident < LITTLE_MEMORY), "{resident:?}");
}
