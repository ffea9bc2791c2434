//! What `serve` needs of memory: the resident set of a real process, in which nothing else runs.
//!
//! ```sh
//! make bench-memory                                   # all of it, some minutes
//! cargo bench --bench memory -- members               # rows whose name holds the word
//! GUARD=path/to/cardinality-guard cargo bench --bench memory    # another build
//! ```
//!
//! An exporter made here answers with bodies made on the way, 118 bytes a sample. Every answer is
//! checked, and a row that passes its limit ends the run with an error at its end. Needs Linux.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "memory/exporter.rs"]
mod exporter;
#[path = "memory/guard.rs"]
mod guard;

use std::process::ExitCode;

use exporter::{Body, Exporter};
use guard::Guard;

const MB: f64 = 1024.0 * 1024.0;
const DROP: &str = "policies: [{name: jobs, labels: [{label: job_id, action: drop}]}]\n";
const NOTHING: &str = "policies: []\n";
/// Whatever comes is remembered.
const UNLIMITED: &str =
    "builtin_policy: false\nscrape: {body_size_limit: 0, endpoint_series_limit: 0, members_limit: 0}\n";
/// As the guard is without a word from anybody.
const DEFAULT: &str = "";

type Measure = fn(&Exporter) -> Row;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let rows: [(&str, Measure); 5] = [
        ("untouched", untouched),
        ("members", members),
        ("explosion folded", explosion),
        ("explosion built-in", default_explosion),
        ("churn", churn),
    ];
    let exporter = Exporter::start();
    println!("{:<58}{:>12}{:>12}", "", "measured", "limit");
    let mut passed = ExitCode::SUCCESS;
    for (name, row) in rows {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            let row = row(&exporter);
            println!("{:<58}{:>12}{:>12}", row.what, row.unit.say(row.measured), row.unit.say(row.limit));
            if row.measured > row.limit {
                passed = ExitCode::FAILURE;
            }
        }
    }
    passed
}

struct Row {
    what: &'static str,
    measured: f64,
    limit: f64,
    unit: Unit,
}

enum Unit {
    Megabytes,
    Bytes,
    Percent,
}

impl Unit {
    fn say(&self, value: f64) -> String {
        match self {
            Unit::Megabytes => format!("{value:.1} MB"),
            Unit::Bytes => format!("{value:.1} B"),
            Unit::Percent => format!("{value:+.1} %"),
        }
    }
}

/// A million series that no policy reaches.
fn untouched(exporter: &Exporter) -> Row {
    let guard = Guard::start(exporter, NOTHING, UNLIMITED);
    let body = Body { first: 0, series: 1_000_000, tick: 0 };
    for tick in 0..5 {
        let answer = guard.scrape(exporter, Body { tick, ..body });
        assert_eq!(answer.samples, body.series, "every line comes through");
    }
    let what = "a million series, untouched, after 5 scrapes: in all";
    Row { what, measured: guard.resident() / MB, limit: 64.0, unit: Unit::Megabytes }
}

/// What each folded series adds.
fn members(exporter: &Exporter) -> Row {
    let guard = Guard::start(exporter, DROP, UNLIMITED);
    let [before, after] = [1_000_000, 4_000_000].map(|series| {
        (0..3).for_each(|tick| guard.scrape(exporter, Body { first: 0, series, tick }).assert_queues());
        guard.resident()
    });
    let measured = (after - before) / 3_000_000.0;
    Row { what: "a folded member, from 1 to 4 million of them", measured, limit: 40.0, unit: Unit::Bytes }
}

/// Every scrape brings 100,000 jobs that nobody has met, until members and fingerprints are full.
fn explosion(exporter: &Exporter) -> Row {
    let guard = Guard::start(exporter, DROP, "builtin_policy: false\n");
    let what = "32 x 100,000 new, folded: from scrape 21 to scrape 32";
    growth(what, exporter, &guard, guard::Answer::assert_queues)
}

/// The same with no policy but the built-in one.
fn default_explosion(exporter: &Exporter) -> Row {
    let guard = Guard::start(exporter, NOTHING, DEFAULT);
    let what = "32 x 100,000 new, built-in policy: from scrape 21 to 32";
    growth(what, exporter, &guard, |answer| assert!(answer.samples < 10_000, "{}", answer.samples))
}

fn growth(what: &'static str, exporter: &Exporter, guard: &Guard, check: impl Fn(guard::Answer)) -> Row {
    let mut resident = Vec::new();
    for tick in 0..32 {
        check(guard.scrape(exporter, Body { first: tick * 100_000, series: 100_000, tick }));
        resident.push(guard.resident());
        if std::env::var_os("VERBOSE").is_some() {
            println!("  scrape {}: {:.1} MB, {:.2} s of CPU", tick + 1, guard.resident() / MB, guard.cpu_seconds());
        }
    }
    Row { what, measured: (resident[31] / resident[20] - 1.0) * 100.0, limit: 5.0, unit: Unit::Percent }
}

/// 100,000 series a scrape, 60,000 of them new each time.
fn churn(exporter: &Exporter) -> Row {
    let guard = Guard::start(exporter, DROP, "builtin_policy: false\n");
    for tick in 0..12 {
        guard.scrape(exporter, Body { first: tick * 60_000, series: 100_000, tick }).assert_queues();
    }
    let what = "12 scrapes of 100,000, 60,000 of them new each time: in all";
    Row { what, measured: guard.resident() / MB, limit: 120.0, unit: Unit::Megabytes }
}
