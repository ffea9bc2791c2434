//! Before and after, as docs/worker-fleet.md shows it.

use std::fmt::Write;

use crate::run::{RULE_WINDOW_SECONDS, Seen};

pub fn of(seen: &Seen) -> String {
    let mut out = String::new();
    series(&mut out, seen).unwrap();
    jobs(&mut out, seen).unwrap();
    out
}

fn series(out: &mut String, seen: &Seen) -> std::fmt::Result {
    let (guarded, direct) = seen.growth.last().unwrap();
    writeln!(out, "\n| series | without the guard | with it |\n|---|---:|---:|")?;
    for (job, samples) in &direct.scraped {
        writeln!(out, "| in a scrape of {job} | {samples} | {} |", guarded.scraped[job])?;
    }
    writeln!(out, "| in Prometheus' head after {} jobs | {} | {} |", seen.books.ended(), direct.head, guarded.head)?;
    writeln!(out, "| of which the guard tells of itself | | {} |\n", guarded.own)
}

fn jobs(out: &mut String, seen: &Seen) -> std::fmt::Result {
    writeln!(
        out,
        "| job and queue | jobs that ended | counted without the guard | with it | part that failed | recorded | recorded p99 |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
    for (place, jobs) in &seen.books.0 {
        let direct = seen.increased_direct.get(place).copied().unwrap_or(0.0);
        let recorded = |name: &str| seen.recorded[name][place];
        writeln!(
            out,
            "| {} {} | {} | {:.0} | {:.0} | {:.3} | {:.3} | {:.2} s |",
            place.0,
            place.1,
            jobs.ended(),
            direct,
            recorded("job_queue:jobs:rate5m") * RULE_WINDOW_SECONDS,
            jobs.failed as f64 / jobs.ended() as f64,
            recorded("job_queue:jobs_failed:ratio_rate5m"),
            recorded("job_queue:job_runtime_seconds:p99_5m"),
        )?;
    }
    Ok(())
}
