//! What is shown while the store cannot be asked, and when it has lost what it was told.

use crate::process::eventually;
use crate::replicas::{Replica, Shown};
use crate::stage::Stage;

const UP: &str = "cardinality_guard_state_store_up";

/// The folded counter is left out, everything else is there.
fn withholds(guard: &Replica) {
    assert_eq!(guard.scrape("app"), Shown::Withheld);
    assert_eq!(guard.metric(UP), 0.0);
}

fn all_see(stage: &Stage, up: f64) {
    for guard in &stage.guards {
        eventually("the guard knows how the store is", &up, || guard.metric(UP));
    }
}

#[test]
fn rule_7_3_a_store_that_hangs_costs_the_counters_and_no_truth() {
    let stage = Stage::set(3);
    stage.round(2);
    all_see(&stage, 1.0);
    for _ in 0..2 {
        stage.store.signal("-STOP");
        (0..3).for_each(|_| stage.guards.iter().for_each(withholds));
        stage.store.signal("-CONT");
        all_see(&stage, 1.0);
        // What happened meanwhile is counted, once.
        stage.round(3);
    }
    let slow = "cardinality_guard_state_write_errors_total{reason=\"slow\"}";
    assert!(stage.guards.iter().map(|guard| guard.metric(slow)).sum::<f64>() > 0.0);
}

#[test]
fn rule_7_2_a_store_that_comes_back_with_its_data_goes_on() {
    let stage = Stage::set(3);
    stage.round(2);
    for _ in 0..2 {
        stage.store.end();
        stage.guards.iter().for_each(withholds);
        stage.store.start_again();
        all_see(&stage, 1.0);
        for guard in 0..3 {
            assert_eq!(stage.until_shown(guard), stage.exporter.increments());
        }
        stage.round(2);
    }
    let awaited = "cardinality_guard_state_write_errors_total{reason=\"awaited\"}";
    assert!(stage.guards.iter().map(|guard| guard.metric(awaited)).sum::<f64>() > 0.0);
}

#[test]
fn rule_7_3_a_store_that_comes_back_with_older_data_is_a_clean_reset() {
    let stage = Stage::set(3);
    stage.round(2);
    let older = stage.store.copy();
    // What only one guard has shown is missing in the copy, and the two others do not know of it.
    (0..3).for_each(|_| stage.scrape_exactly(0));
    stage.store.end();
    stage.store.put_back(&older);
    stage.store.start_again();
    assert_eq!(stage.until_shown(1), 0);
    let at_reset = stage.exporter.increments();
    stage.exporter.forget_until(at_reset);
    stage.round(2);
}

#[test]
fn rule_7_3_a_guard_that_died_with_the_store_may_have_known_better() {
    let stage = Stage::set(2);
    stage.round(2);
    (0..3).for_each(|_| stage.scrape_exactly(0));
    stage.guards[0].kill();
    stage.store.end();
    stage.store.start_again();
    assert_eq!(stage.until_shown(1), 0);
    stage.exporter.forget_until(stage.exporter.increments());
    stage.guards[0].start_again();
    stage.round(2);
}

#[test]
fn rule_7_1_a_store_that_was_emptied_is_a_clean_reset() {
    let stage = Stage::set(3);
    for _ in 0..2 {
        stage.round(2);
        stage.store.tell("FLUSHALL");
        let before = stage.exporter.increments();
        assert_eq!(stage.guards[1].scrape("app"), Shown::Counter(0));
        let at_reset = stage.exporter.increments();
        assert!(at_reset > before);
        for guard in [2, 0, 1, 0] {
            let since = stage.exporter.increments();
            let Shown::Counter(shown) = stage.guards[guard].scrape("app") else { panic!("no counter") };
            assert_eq!(shown, stage.exporter.increments() - at_reset, "guard {guard}, {since}");
        }
        // The next round counts from here.
        stage.exporter.forget_until(at_reset);
    }
}

#[test]
fn a_store_that_is_full_refuses_and_nothing_is_lost() {
    let stage = Stage::set(2);
    stage.round(3);
    let used = stage.store.info("memory", "used_memory");
    stage.store.tell(&format!("CONFIG SET maxmemory {}", used / 2));
    for guard in [0, 1, 0] {
        assert_eq!(stage.guards[guard].scrape("app"), Shown::Withheld);
    }
    let full = "cardinality_guard_state_write_errors_total{reason=\"full\"}";
    assert!(stage.guards[0].metric(full) > 0.0);
    stage.store.tell("CONFIG SET maxmemory 0");
    all_see(&stage, 1.0);
    stage.round(2);
}

#[test]
fn a_guard_that_starts_without_its_store_shows_no_counter_until_it_is_there() {
    let stage = Stage::set(2);
    stage.round(2);
    stage.guards[0].terminate();
    stage.store.end();
    stage.guards[0].start_again();
    withholds(&stage.guards[0]);
    stage.store.start_again();
    all_see(&stage, 1.0);
    for guard in 0..2 {
        assert_eq!(stage.until_shown(guard), stage.exporter.increments());
    }
    stage.round(2);
}
