//! What guards that share a store show together is what a single one would have shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::replicas::Shown;
use crate::stage::Stage;

#[test]
fn three_guards_in_turn_show_what_has_happened_once() {
    let stage = Stage::set(3);
    stage.round(20);
    assert!(stage.exporter.increments() > 100);
    // In any order.
    for guard in [0, 0, 2, 1, 1, 1, 2, 0, 1, 2, 2] {
        stage.scrape_exactly(guard);
    }
}

#[test]
fn scrapes_at_the_same_time_neither_fall_nor_count_twice() {
    let stage = Stage::set(3);
    stage.scrape_exactly(0);
    thread::scope(|scope| {
        for guard in stage.guards.iter().chain(&stage.guards) {
            scope.spawn(move || {
                let mut before = 0;
                for _ in 0..20 {
                    let Shown::Counter(now) = guard.scrape("app") else { panic!("no counter") };
                    assert!(now >= before, "{before} was followed by {now}");
                    before = now;
                }
            });
        }
    });
    stage.round(1);
}

#[test]
fn rule_7_2_a_guard_may_be_killed_at_any_time() {
    let stage = Stage::set(3);
    stage.round(2);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stage, is_over) = (&stage, &is_over);
        scope.spawn(move || {
            for at in 0..12_u64 {
                let guard = &stage.guards[at as usize % 3];
                thread::sleep(Duration::from_millis(3 + at * 7 % 20));
                guard.kill();
                guard.start_again();
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let mut answers = 0;
        while !is_over.load(Ordering::SeqCst) || answers < 30 {
            for guard in &stage.guards {
                match guard.scrape("app") {
                    Shown::Nothing => {}
                    shown => {
                        assert_eq!(shown, Shown::Counter(stage.exporter.increments()));
                        answers += 1;
                    }
                }
            }
        }
    });
    stage.round(2);
}

#[test]
fn a_rolling_restart_of_all_loses_nothing() {
    let stage = Stage::set(3);
    stage.round(2);
    for (at, guard) in stage.guards.iter().enumerate() {
        guard.terminate();
        (0..3).filter(|other| *other != at).for_each(|other| stage.scrape_exactly(other));
        guard.start_again();
        stage.round(1);
    }
}

#[test]
fn a_guard_that_was_stopped_in_a_scrape_may_not_commit_when_it_goes_on() {
    let stage = Stage::set(2);
    stage.round(2);
    for moment in 0..20 {
        thread::scope(|scope| {
            let stopped = scope.spawn(|| stage.guards[0].scrape("app"));
            // Somewhere on its way; wherever that is, it must be true.
            thread::sleep(Duration::from_micros(moment * 500));
            stage.guards[0].signal("-STOP");
            stage.scrape_exactly(1);
            stage.guards[0].signal("-CONT");
            match stopped.join().unwrap() {
                // Stopped before it asked, it asked then.
                Shown::Counter(shown) => assert!(shown <= stage.exporter.increments(), "{shown}"),
                Shown::Withheld | Shown::Nothing => {}
            }
        });
        // For the one that was stopped the store did not answer in time.
        for guard in [0, 1] {
            assert_eq!(stage.until_shown(guard), stage.exporter.increments());
        }
    }
}
