//! Guards that have shown much vouch for a store that came back, before anybody gives up.

use std::thread;
use std::time::Duration;

use crate::http;
use crate::large::slow_way;
use crate::process::eventually;
use crate::replicas::Replica;
use crate::said::Said;
use crate::stage::POLICY;
use crate::store::Store;

/// One call after the other would take longer than anybody waits for a guard.
const ENDPOINTS: usize = 1000;

#[test]
fn rule_7_2_many_endpoints_go_on_when_the_store_comes_back_with_its_data() {
    let (exporter, store) = (Said::start(), Store::start());
    let settings = format!(
        "storage: {{url: 'redis://{}'}}\nbuiltin_policy: false\nscrape: {{timeout: 60s}}\n\
         targets: [{{name: app, address: '{}'}}]\n",
        slow_way(store.address),
        exporter.address
    );
    let guard = Replica::start(&settings, POLICY);
    let scrape = |endpoint: usize| {
        let path = format!("/scrape?target=http://{}/e/{endpoint}", exporter.address);
        let answer = http::get(guard.address, &path);
        assert_eq!(answer.status, 200, "{}", answer.reason);
        answer.text().lines().find(|line| line.starts_with("jobs_total")).map(str::to_owned)
    };
    let all = || {
        thread::scope(|scope| {
            let part = |part: usize| (part..ENDPOINTS).step_by(40).filter_map(scrape).collect::<Vec<String>>();
            let parts: Vec<_> = (0..40).map(|at| scope.spawn(move || part(at))).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect::<Vec<String>>()
        })
    };
    exporter.has(&[("a", 10)]);
    assert_eq!(all(), vec!["jobs_total 0"; ENDPOINTS]);
    exporter.has(&[("a", 13)]);
    store.end();
    thread::sleep(Duration::from_millis(500));
    store.start_again();
    eventually("the store is trusted", &Some("jobs_total 3".to_owned()), || scrape(0));
    assert_eq!(all(), vec!["jobs_total 3"; ENDPOINTS]);
}
