//! The cheap alternative: guards without a store in common, each endpoint always to the same one.

use crate::balancer::Balancer;
use crate::exporter::Exporter;
use crate::http;
use crate::replicas::Replica;
use crate::stage::POLICY;

#[test]
fn haproxy_as_documented_sends_an_endpoint_to_one_guard_always() {
    let exporter = Exporter::start();
    let settings = format!(
        "storage: {{path: ''}}\nbuiltin_policy: false\ntargets: [{{name: any, address: '{}'}}]\n",
        exporter.address
    );
    let guards: Vec<Replica> = (0..3).map(|_| Replica::start(&settings, POLICY)).collect();
    let addresses: Vec<_> = guards.iter().map(|guard| guard.address).collect();
    let balancer = Balancer::as_documented(&addresses);
    let endpoints = 30;
    for round in 0..4 {
        for endpoint in 0..endpoints {
            let path = format!("/scrape?target=http://{}/e/{endpoint}", exporter.address);
            let answer = http::get(balancer.address, &path);
            assert_eq!(answer.status, 200, "round {round}: {}", answer.reason);
        }
    }
    let of_each: Vec<f64> =
        guards.iter().map(|guard| guard.metric("cardinality_guard_endpoints{target=\"any\"}")).collect();
    assert_eq!(of_each.iter().sum::<f64>(), f64::from(endpoints), "{of_each:?}");
    assert!(of_each.iter().all(|endpoints| *endpoints > 0.0), "{of_each:?}");
}
