//! How many values a label has, over all endpoints and guards: whichever guard is asked.

use crate::http;
use crate::limits::Scene;
use crate::process::eventually;

/// `valuesEverywhere` of `m_total{job}` as this guard says it.
fn everywhere(scene: &Scene, guard: usize) -> u64 {
    let answer = http::get(scene.guards[guard].address, "/api/v1/cardinality?target=crowd");
    let said: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let labels = said["data"]["metrics"][0]["labels"].as_array().unwrap_or_else(|| panic!("{said}"));
    let job = labels.iter().find(|label| label["label"] == "job");
    job.and_then(|label| label["valuesEverywhere"].as_u64()).unwrap_or_default()
}

#[test]
fn every_guard_says_how_many_values_a_label_has_over_all() {
    let scene = Scene::set("policies: [{name: p, match: '{__name__=\"none\"}', labels: [{label: a, action: drop}]}]");
    // Endpoint 7 has 4,000 values, of which it shares 5 with every other, and only one guard has ever seen them.
    scene.crowd.set(5, 4000);
    scene.series(1, 7);
    // Nor has any guard seen every endpoint.
    for endpoint in [1, 2, 3] {
        scene.series(endpoint % 3, endpoint);
    }
    for guard in 0..3 {
        eventually("the guard has asked", &true, || {
            scene.series(guard, guard);
            // Within the error of an estimate by so many registers.
            (3880..=4120).contains(&everywhere(&scene, guard))
        });
    }
}
