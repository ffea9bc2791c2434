//! Reloads under load: no scrape fails for it, and none is answered half by one policy and half by
//! the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::exporter::{Framing, TEXT};
use crate::stage::Stage;

const SCRAPES: usize = 10_000;
const READERS: usize = 8;

/// Takes one of two labels. Gauges: what is folded leaves nothing behind.
fn policy(label: &str) -> String {
    format!("policies: [{{name: one, labels: [{{label: {label}, action: drop}}]}}]")
}

fn body() -> String {
    let family = |name: &str| {
        let line = |n: u32| format!("{name}{{left=\"l{n}\",right=\"r{n}\"}} {n}\n");
        format!("# TYPE {name} gauge\n{}", (0..10).map(line).collect::<String>())
    };
    (0..5).map(|n| family(&format!("depth_{n}"))).collect()
}

#[test]
fn ten_thousand_scrapes_and_a_reload_every_hundred_milliseconds() {
    let stage = Stage::with(&policy("left"));
    stage.exporter.say(TEXT, body().as_bytes(), Framing::ContentLength);
    let (left, done) = (AtomicUsize::new(SCRAPES), AtomicUsize::new(0));
    let (lefts, rights) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut reloads = 0;
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let answer = stage.guard.scrape("worker");
                    assert_eq!(answer.status, 200, "{}", answer.reason);
                    let has = |label: &str| answer.text().matches(label).count();
                    match (has("left="), has("right=")) {
                        (50, 0) => rights.fetch_add(1, Ordering::Relaxed),
                        (0, 50) => lefts.fetch_add(1, Ordering::Relaxed),
                        mixed => panic!("{mixed:?} in\n{}", answer.text()),
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            stage.guard.reload(&policy(if reloads % 2 == 0 { "right" } else { "left" }));
            reloads += 1;
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(done.into_inner(), SCRAPES);
    let (lefts, rights) = (lefts.into_inner(), rights.into_inner());
    assert!(reloads > 5 && lefts > 0 && rights > 0, "{reloads} reloads: {lefts} of the one, {rights} of the other");
}
