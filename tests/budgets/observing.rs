//! Observing is enforcing where nobody sees it, for any set of policies and any bodies. What that
//! means is three laws about three worlds that differ in nothing but the last policy:
//!
//! 1. What it counts and decides is the same whether it is enforced or observes.
//! 2. As long as it observes, everything else is as if it did nothing.
//! 3. What the policies before it count is the same whether it is enforced or observes.

#[path = "observing/worlds.rs"]
mod worlds;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use cardinality_guard::engine::guard::Report;

use super::{endpoint::Endpoint, total};
use worlds::{Card, Deck, Event, LIMITS, PASS, STEPS, Setting, compare};

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

fn mode() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["enforce", "enforce", "observe"])
}

fn card() -> impl Strategy<Value = Card> {
    prop_oneof![6 => prop::sample::select(STEPS), 4 => prop::sample::select(LIMITS), 1 => Just(PASS)]
}

fn deck() -> impl Strategy<Value = Deck> {
    (prop::collection::vec((card(), mode()), 0..4), card()).prop_map(|(first, last)| Deck { first, last })
}

fn jobs() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0_u8..12, 0_u8..4, 0_u8..3), 1..60)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (any::<bool>(), jobs()).prop_map(|(other, jobs)| Event::scrape(other, jobs)),
        1 => jobs().prop_map(Event::Broken),
        1 => Just(Event::Restart),
        1 => (1_u64..4000).prop_map(Event::Wait),
        1 => deck().prop_map(Event::Reload),
        1 => card().prop_map(Event::Replace),
    ]
}

/// An endpoint on its own may be full as a whole. What the limit of the whole endpoint would fold away
/// where a policy is enforced that only observes is no policy's deed: other endpoints do not hear of it.
fn setting() -> impl Strategy<Value = Setting> {
    let whole = prop_oneof![3 => Just((false, 0)), 3 => Just((true, 0)), 1 => Just((false, 20))];
    let hold = prop::sample::select(vec![0, 0, 0, 300]);
    (any::<bool>(), whole, hold).prop_map(|(openmetrics, (is_shared, endpoint_series), hold_output)| Setting {
        openmetrics,
        is_shared,
        hold_output,
        endpoint_series,
    })
}

proptest! {
    // The same cases each time; `PROPTEST_CASES` asks for more of them.
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn switching_the_last_policy_between_enforcing_and_observing_changes_no_number(
        setting in setting(),
        deck in deck(),
        events in prop::collection::vec(event(), 1..8),
    ) {
        compare(setting, deck, &events)?;
    }
}

fn series(n: u64) -> String {
    let lines = (0..n).map(|i| format!("jobs_total{{id=\"{i}\",queue=\"q\"}} 1\n"));
    std::iter::once("# TYPE jobs_total counter\n".to_owned()).chain(lines).collect()
}

fn observed(report: &Report) -> [u64; 2] {
    [total(&report.observed_dropped_by), total(&report.observed_blocked_by)]
}

/// Each scrape that would fail is counted, each series once, and none of it is remembered.
#[test]
fn who_would_fail_a_scrape_says_so_each_time_and_forgets_it_as_a_failed_scrape_does() {
    let policy = |mode| format!("policies: [{{name: b, mode: {mode}, series_limit: 10, series_limit_action: fail}}]");
    let (mut enforced, mut watched) = (Endpoint::new(&policy("enforce")), Endpoint::new(&policy("observe")));
    let rounds = [(8, [0, 0]), (30, [20, 20]), (30, [20, 0]), (31, [21, 1]), (10, [0, 0]), (8, [0, 0])];
    for (n, would) in rounds {
        let (out, report) = watched.told(&series(n));
        assert_eq!((out, observed(&report)), (series(n), would), "{n} series");
        assert_eq!(enforced.try_scrape(&series(n)).is_err(), n > 10, "{n} series");
        assert_eq!(report.families[0].limit, Some(10));
        assert!(report.families[0].demand >= n);
    }
}

/// What applies to the family stays as it was: nothing is freed and nothing is met anew.
#[test]
fn a_policy_that_observes_comes_and_goes_in_an_explosion_and_changes_nothing() {
    let acting = "policies:\n  - {name: a, hold: 0s, labels: [{label: id, action: collapse, limit: 5}]}\n";
    let watching = format!("{acting}  - {{name: w, mode: observe, series_limit: 3, series_limit_action: drop}}\n");
    let (mut left_alone, mut reloaded) = (Endpoint::new(acting), Endpoint::new(acting));
    for (round, n) in [3, 40, 45, 2, 50].into_iter().enumerate() {
        let (out, report) = reloaded.told(&series(n));
        let (want, expected) = left_alone.told(&series(n));
        assert_eq!(out, want, "round {round}");
        assert_eq!(report.collapsed.len(), expected.collapsed.len());
        reloaded.reload(if round % 2 == 0 { &watching } else { acting });
    }
}

/// The limit that leaves less room is to blame, whichever policy comes first.
#[test]
fn of_two_limits_on_one_family_the_lower_is_to_blame() {
    let policy = |own: u64, all: u64| {
        format!(
            "policies:\n  - {{name: all, series_limit_total: {all}, series_limit_action: drop}}\n  - {{name: own, series_limit: {own}}}\n"
        )
    };
    for (own, all, want) in [(100, 10, "all"), (10, 100, "own")] {
        let (_, report) = Endpoint::new(&policy(own, all)).told(&series(30));
        let blamed: Vec<_> = report.dropped_by.iter().map(|by| (&*by.cause.policy, by.count)).collect();
        assert_eq!(blamed, [(want, 20)]);
    }
}

/// Groups that the fold of a label leaves as they are would be there without it, too.
#[test]
fn demand_counts_who_never_had_the_label_that_goes() {
    let steps = "labels: [{label: user, action: hash, buckets: 2}, {label: id, action: collapse, limit: 4}]";
    let mut endpoint = Endpoint::new(&format!("policies: [{{name: a, {steps}}}]"));
    let ids = ["", "1", "2", "3", "4", "5"].map(|id| format!("jobs_total{{id=\"{id}\",user=\"u\"}} 1\n"));
    let (_, report) = endpoint.told(&format!("# TYPE jobs_total counter\n{}", ids.concat()));
    assert_eq!(report.families[0].demand, 6);
}
