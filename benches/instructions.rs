//! What a sample costs in instructions, which do not depend on who else uses the machine: one
//! scrape of one kind, to be run under callgrind by `make instructions`.
//!
//! ```sh
//! cargo bench --bench instructions -- steady 20000
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fleet;

use std::hint::black_box;

use cardinality_guard::engine::policy::Builtin;
use fleet::{Answer, Bench, DROP, Fleet, NOTHING};

/// Scrapes before the one that counts.
const WARM_UP: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [kind, series] = &args[..] else {
        println!("instructions: skipped: say what to scrape, as `make instructions` does");
        return;
    };
    let series = series.parse().expect("a number of series");
    let families = if kind == "families" { 20 } else { 1 };
    let fleet = Fleet { series, families };
    let body = |round: usize| {
        let mut body = Vec::new();
        match kind.as_str() {
            "steady" | "folded" | "families" => fleet.write(round, 0, &mut body),
            "churn" => fleet.write(round, round * series / 10, &mut body),
            "new" | "collapsed" => fleet.write(round, round * series, &mut body),
            "shuffled" => fleet.shuffle(round, &mut body),
            other => panic!("no such kind: {other}"),
        }
        body
    };
    let mut bench = match kind.as_str() {
        "steady" | "shuffled" => Bench::new(NOTHING, Answer::AsItCame),
        "families" => Bench::with(NOTHING, Builtin::Included, Answer::AsItCame),
        "collapsed" => Bench::with(NOTHING, Builtin::Included, Answer::Queues),
        _ => Bench::new(DROP, Answer::Queues),
    };
    for round in 0..WARM_UP {
        bench.scrape(body(round));
    }
    let last = body(WARM_UP);
    black_box(measured(&mut bench, last));
}

/// Callgrind collects in here only.
#[inline(never)]
fn measured(bench: &mut Bench, body: Vec<u8>) -> Vec<u8> {
    black_box(bench.scrape(body))
}
