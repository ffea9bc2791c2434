//! What the run shows.

use std::collections::BTreeSet;

use crate::bodies;
use crate::files::{Shape, shapes};
use crate::run::{RULE_WINDOW_SECONDS, seen};
use crate::table;

/// Boundaries that all exporters' histograms have around what slow jobs take: 0.32 s, on a busy machine
/// more.
const BOUNDARIES: [f64; 5] = [0.25, 0.5, 1.0, 2.5, 5.0];

#[test]
fn series_stay_few_and_flat_while_the_exporters_explode() {
    let growth = &seen().growth;
    let (middle, end) = (&growth[growth.len() / 2], growth.last().unwrap());
    let exposed: f64 = end.1.scraped.values().sum();
    assert!(exposed > 10_000.0, "the exporters explode: {growth:#?}");
    assert!(end.1.head > 10_000, "and so does the database without the guard: {growth:#?}");
    assert!(end.0.head < 1_000, "but not with it: {growth:#?}");
    let more = end.0.head - middle.0.head;
    assert!(more <= 20, "{more} more series in the second minute: {growth:#?}");
}

#[test]
fn every_rate_failure_and_p99_is_the_one_of_the_jobs() {
    let seen = seen();
    let [rates, failures, p99] =
        ["job_queue:jobs:rate5m", "job_queue:jobs_failed:ratio_rate5m", "job_queue:job_runtime_seconds:p99_5m"]
            .map(|name| &seen.recorded[name]);
    let places: Vec<_> = seen.books.0.keys().collect();
    assert_eq!(places.len(), 9, "{places:?}");
    for (place, jobs) in &seen.books.0 {
        let ended = jobs.ended() as f64;
        assert!(ended >= 50.0, "{place:?}: {jobs:?}");
        let counted = rates[place] * RULE_WINDOW_SECONDS;
        assert!((counted / ended - 1.0).abs() < 0.02, "{place:?}: {counted} jobs for {ended}");
        let failed = jobs.failed as f64 / ended;
        assert!((failures[place] - failed).abs() < 0.001, "{place:?}: {} fail, not {failed}", failures[place]);
        // One of the slow ones, of which there are 5 in 100. What is around a job takes a little, too.
        let (least, most) = (jobs.quantile(0.97), 1.25 * jobs.quantile(1.0));
        let floor = BOUNDARIES.into_iter().rfind(|boundary| *boundary <= least).unwrap();
        let ceiling = BOUNDARIES.into_iter().find(|boundary| *boundary >= most).unwrap();
        assert!((floor..=ceiling).contains(&p99[place]), "{place:?}: {} for {least} to {most}", p99[place]);
    }
}

#[test]
fn without_the_guard_jobs_with_series_of_their_own_are_not_counted() {
    let seen = seen();
    for (place, jobs) in &seen.books.0 {
        let increased = seen.increased_direct.get(place).copied().unwrap_or(0.0);
        let part = increased / jobs.ended() as f64;
        match place.0 {
            "bullmq" | "sidekiq" => assert!(part < 0.01, "{place:?}: {part}"),
            // Only one of the two kinds of worker makes that mistake.
            "workers" => assert!((0.4..0.6).contains(&part), "{place:?}: {part}"),
            // celery-exporter's label is the host's.
            _ => {}
        }
    }
}

#[test]
fn a_purge_and_a_rolling_restart_add_nothing_and_lose_nothing() {
    let seen = seen();
    for (place, jobs) in &seen.books_after.0 {
        assert!(jobs.ended() > seen.books.0[place].ended(), "{place:?}: work went on");
        assert_eq!(seen.counted_after[place], jobs.ended() as f64, "{place:?}");
    }
    assert!(seen.falls_direct > 0.0, "the exporter forgot its old workers, and its sums fell");
    assert_eq!(seen.falls_after, 0.0, "and nobody behind the guard noticed");
}

#[test]
fn a_killed_worker_is_down_and_somebody_is_called() {
    let gone = &seen().gone;
    let page = gone.pages.iter().find(|page| page["labels"]["instance"] == gone.instance.as_str()).unwrap();
    assert_eq!((&page["labels"]["alertname"], &page["labels"]["job"]), (&"WorkerGone".into(), &"workers".into()));
    assert_eq!((&page["labels"]["severity"], &page["status"]), (&"page".into(), &"firing".into()));
    assert_eq!(gone.up_again, Some(1.0));
}

#[test]
fn a_histogram_whose_boundaries_end_too_early_is_told() {
    let share = seen().beyond_range;
    assert!(share > 0.5, "children live longer than 10 s: {share}");
    let told = seen().metric("worker_child_lifetime_seconds")["beyondRange"].as_f64().unwrap();
    assert!(told > 0.5, "and the guard says it, too: {told}");
}

#[test]
fn a_gauge_that_outlives_its_process_is_told() {
    let told = &seen().metric("worker_last_heartbeat_seconds")["outlived"];
    assert_eq!(told["label"], "pid", "{told}");
    assert!(told["series"].as_u64().unwrap() >= 2, "children are recycled: {told}");
}

/// Three of the exporters stand in for what no registry here has; captured bodies say what that
/// looks like.
#[test]
fn what_stands_in_looks_like_what_was_captured() {
    let mistakes = ["jid", "tenant_id"];
    for (name, fixtures) in [
        (
            "celery-exporter",
            ["celery/celery_exporter_baseline.text.prom", "celery/celery_exporter_k8s_producer_churn.text.prom.gz"],
        ),
        ("sidekiq", ["sidekiq/yabeda_baseline.text.prom"; 2]),
        ("bullmq", ["bullmq/poller_good.text.prom", "bullmq/poller_mistake_job_id.text.prom.gz"]),
    ] {
        let captured: BTreeSet<_> = fixtures.iter().flat_map(|file| shapes(&bodies::body(file), &[])).collect();
        let here = shapes(&seen().bodies[name], &mistakes);
        let family =
            |shape: &&Shape| ["celery_", "sidekiq_", "bullmq_"].iter().any(|prefix| shape.0.starts_with(prefix));
        let ours: Vec<_> = here.iter().filter(family).collect();
        assert!(ours.len() >= 5, "{name}: {here:?}");
        for shape in ours {
            assert!(captured.contains(shape), "{name} exposes {shape:?}, which was never captured");
        }
    }
}

#[test]
fn the_table_is_printed() {
    let table = table::of(seen());
    assert!(table.lines().count() > 10, "{table}");
    println!("{table}");
}
