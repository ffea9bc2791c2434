//! A naive whole-document oracle that the engine must agree with, and the law that how a body is
//! cut changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "oracle/naive.rs"]
mod naive;

use cardinality_guard::engine::guard::Limits;
use proptest::prelude::*;

use naive::{Engine, FAMILIES, LABELS, Oracle, Policy, Series, Step, body, read, yaml};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let label = prop::sample::select(LABELS.to_vec());
    let step = (label, 0..3, prop::sample::select(vec!["v1", "v2"])).prop_map(|(label, kind, value)| match kind {
        0 => Step::Drop(label),
        1 => Step::Keep(label, value),
        _ => Step::Replace(label),
    });
    prop::collection::vec(step, 1..3)
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let names = prop::sample::subsequence(FAMILIES.map(|f| f.0).to_vec(), 1..=4);
    prop::collection::vec((names, steps()).prop_map(|(families, steps)| Policy { families, steps }), 0..3)
}

fn scrapes() -> impl Strategy<Value = Vec<Vec<Series>>> {
    let labels = (0u8..4, 0u8..3, 0u8..3, any::<bool>()).prop_map(|(job, q, user, has_job)| {
        let mut labels = vec![("q", q), ("user", user)];
        if has_job {
            labels.insert(0, ("job_id", job));
        }
        labels
    });
    let series =
        (0..FAMILIES.len(), labels, 0u16..50).prop_map(|(family, labels, value)| Series { family, labels, value });
    prop::collection::vec(prop::collection::vec(series, 0..14), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_oracle(
        policies in policies(),
        scrapes in scrapes(),
        mixed in any::<bool>(),
        late_types in any::<bool>(),
    ) {
        let policy = yaml(&policies);
        let mut engine = Engine::new(&policy, Limits::default());
        let mut oracle = Oracle::of(policies);
        for (i, scrape) in scrapes.iter().enumerate() {
            let body = body(scrape, mixed, late_types);
            let got = engine.scrape(&body, 4096);
            let expected = oracle.scrape(scrape);
            prop_assert_eq!(read(&got), expected, "scrape {} of\n{}\n{}\nanswered\n{}", i, policy, body, got);
        }
    }

    #[test]
    fn how_a_body_is_cut_changes_nothing(
        policies in policies(),
        scrapes in scrapes(),
        mixed in any::<bool>(),
        late_types in any::<bool>(),
        chunk in 1usize..40,
    ) {
        let policy = yaml(&policies);
        let mut whole = Engine::new(&policy, Limits::default());
        let mut cut = Engine::new(&policy, Limits::default());
        for scrape in &scrapes {
            let body = body(scrape, mixed, late_types);
            prop_assert_eq!(whole.scrape(&body, usize::MAX), cut.scrape(&body, chunk));
        }
    }

    #[test]
    fn output_that_leaves_early_is_the_same(policies in policies(), scrapes in scrapes(), chunk in 1usize..40) {
        let policy = yaml(&policies);
        let mut held = Engine::new(&policy, Limits::default());
        let mut leaving = Engine::new(&policy, Limits { hold_output: 100, ..Limits::default() });
        for scrape in &scrapes {
            let body = body(scrape, false, false);
            prop_assert_eq!(held.scrape(&body, usize::MAX), leaving.scrape(&body, chunk));
        }
    }
}
