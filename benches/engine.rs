//! What a scrape costs in the engine, as ratios within one run.
//!
//! ```sh
//! cargo bench --bench engine                 # 1,000, 100,000 and 1,000,000 series
//! cargo bench --bench engine -- 100000       # one size
//! cargo bench --bench engine -- 100000 churn # rows whose name has the word, and the floor
//! ```
//!
//! The floor is what any scrape proxy has to do to know which series a line is: find the line's
//! end and hash its series part. Absolute times on a shared machine mean nothing; each row is the
//! median of several rounds in which all rows take turns, each over the floor of the same round. What
//! counts is time on the processor, as far as the kernel tells. Every answer is checked.
//!
//! All rows, the floor too, find the body in memory: the proxy reads it from its socket to where the
//! engine wants it. What a caller pays who has to copy it there is a row of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fleet;

use std::hint::black_box;
use std::time::{Duration, Instant};

use cardinality_guard::engine::model::Seed;
use cardinality_guard::engine::policy::Builtin;
use fleet::{Answer, Bench, DROP, Fleet, NOTHING};

const ROUNDS: usize = 9;
const WARM_UP: usize = 2;
/// The sizes without arguments.
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Parsing larger bodies with another library takes too long to be of use, and the built-in policy
/// would fold them.
const MOST_PARSED: usize = 100_000;
/// More members than this are not remembered.
const MEMBERS: usize = 1_000_000;

fn main() {
    let args = || std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let asked: Vec<usize> = args().filter_map(|arg| arg.parse().ok()).collect();
    let words: Vec<String> = args().filter(|arg| arg.parse::<usize>().is_err()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    sizes.into_iter().for_each(|series| bench(series, &words));
}

/// `words`: one of them is in the name of each row, where there are any.
fn bench(series: usize, words: &[String]) {
    let fleet = Fleet { series, families: 1 };
    println!("{series} series, {} bytes a sample", fleet.body(0, 0).len() / series);
    let mut rows = rows(fleet);
    let is_asked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    rows.retain(|row| row.name.starts_with("floor") || is_asked(row.name));
    let mut buffer = Vec::with_capacity(series * 128);
    for row in &mut rows {
        for round in 0..row.before {
            row.scrape(round, &mut buffer);
        }
    }
    for round in 0..ROUNDS + WARM_UP {
        rows.iter_mut().for_each(|row| row.turn(round, &mut buffer));
    }
    println!("{:<38} {:>8} {:>12}", "", "x floor", "ns a sample");
    for row in &rows {
        let ratios = row.times.iter().zip(&rows[0].times).map(|(time, floor)| time.as_secs_f64() / floor.as_secs_f64());
        let each = row.times.iter().map(|time| time.as_nanos() as f64 / series as f64);
        println!("{:<38} {:>8.2} {:>12.1}", row.name, median(ratios.collect()), median(each.collect()));
    }
    println!();
}

fn rows(fleet: Fleet) -> Vec<Row> {
    let series = fleet.series;
    let families = Fleet { families: 20, ..fleet };
    let steady = move |round, to: &mut Vec<u8>| fleet.write(round, 0, to);
    let churn = move |round, to: &mut Vec<u8>| fleet.write(round, round * series / 10, to);
    let new = move |round, to: &mut Vec<u8>| fleet.write(round, round * series, to);
    let shuffled = move |round, to: &mut Vec<u8>| fleet.shuffle(round, to);
    let mut rows = vec![
        Row::new("floor: line end + hash", steady, floor),
        Row::new("memcpy of the body", steady, memcpy()),
        Row::new("steady, untouched", steady, scrapes(NOTHING, Answer::AsItCame)),
        Row::new("steady, untouched, copied to it", steady, copied()),
        Row::new("steady, job_id folded", steady, scrapes(DROP, Answer::Queues)),
        Row::new("10 % churn, folded", churn, scrapes(DROP, Answer::Queues)),
        Row::new("10 % churn, untouched", churn, scrapes(NOTHING, Answer::AsItCame)),
        Row::new("all new, folded", new, scrapes(DROP, Answer::Queues)),
        Row::new("all new, built-in policy", new, collapsed()),
        Row::new("shuffled, untouched", shuffled, scrapes(NOTHING, Answer::AsItCame)),
    ];
    if series <= MOST_PARSED {
        let steady_families = move |round, to: &mut Vec<u8>| families.write(round, 0, to);
        rows.push(
            Row::new("all new, folded, as many go", new, scrapes(DROP, Answer::Queues)).after(MEMBERS / series + 2),
        );
        rows.push(Row::new("steady, built-in policy, 20 families", steady_families, built_in()));
        rows.push(Row::new("prometheus-parse, steady", steady, move |body| {
            let text = str::from_utf8(&body).expect("text");
            let lines = text.lines().map(|line| Ok(line.to_owned()));
            let parsed = prometheus_parse::Scrape::parse(lines).expect("a tame body");
            assert_eq!(parsed.samples.len(), series);
            body
        }));
    }
    rows
}

/// Time on the processor where the kernel tells it, else on the wall.
enum Clock {
    Processor(Duration),
    Wall(Instant),
}

impl Clock {
    fn now() -> Clock {
        Clock::on_processor().map_or_else(|| Clock::Wall(Instant::now()), Clock::Processor)
    }

    fn elapsed(&self) -> Duration {
        match self {
            Clock::Processor(start) => Clock::on_processor().unwrap_or_default().saturating_sub(*start),
            Clock::Wall(start) => start.elapsed(),
        }
    }

    /// The kernel brings its account up to date when a thread gives way.
    fn on_processor() -> Option<Duration> {
        std::thread::yield_now();
        let account = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(account.split(' ').next()?.parse().ok()?))
    }
}

/// Writes the body of a round.
type MakeBody = Box<dyn FnMut(usize, &mut Vec<u8>)>;
/// Gives a buffer back, which need not be the same.
type Work = Box<dyn FnMut(Vec<u8>) -> Vec<u8>>;

struct Row {
    name: &'static str,
    body: MakeBody,
    run: Work,
    /// Scrapes before those that all rows take in turn.
    before: usize,
    times: Vec<Duration>,
}

impl Row {
    fn new(
        name: &'static str,
        body: impl FnMut(usize, &mut Vec<u8>) + 'static,
        run: impl FnMut(Vec<u8>) -> Vec<u8> + 'static,
    ) -> Row {
        Row { name, body: Box::new(body), run: Box::new(run), before: 0, times: Vec::new() }
    }

    fn after(self, before: usize) -> Row {
        Row { before, ..self }
    }

    /// The first rounds warm up.
    fn turn(&mut self, round: usize, buffer: &mut Vec<u8>) {
        let time = self.scrape(self.before + round, buffer);
        if round >= WARM_UP {
            self.times.push(time);
        }
    }

    /// Making the body is not timed.
    fn scrape(&mut self, round: usize, buffer: &mut Vec<u8>) -> Duration {
        buffer.clear();
        (self.body)(round, buffer);
        let body = std::mem::take(buffer);
        let start = Clock::now();
        *buffer = black_box((self.run)(body));
        start.elapsed()
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn scrapes(policy: &str, answer: Answer) -> impl FnMut(Vec<u8>) -> Vec<u8> + 'static {
    let mut bench = Bench::new(policy, answer);
    move |body| bench.scrape(body)
}

fn copied() -> impl FnMut(Vec<u8>) -> Vec<u8> + 'static {
    let mut bench = Bench::new(NOTHING, Answer::AsItCame);
    move |body| {
        bench.copied(&body);
        body
    }
}

/// The policy that every guard has: its limits count, and none is passed.
fn built_in() -> impl FnMut(Vec<u8>) -> Vec<u8> + 'static {
    let mut bench = Bench::with(NOTHING, Builtin::Included, Answer::AsItCame);
    move |body| bench.scrape(body)
}

/// The same policy has folded `job_id` away.
fn collapsed() -> impl FnMut(Vec<u8>) -> Vec<u8> + 'static {
    let mut bench = Bench::with(NOTHING, Builtin::Included, Answer::Queues);
    move |body| bench.scrape(body)
}

/// To memory that was written to before.
fn memcpy() -> impl FnMut(Vec<u8>) -> Vec<u8> + 'static {
    let mut copy = Vec::new();
    move |body| {
        copy.clear();
        copy.extend_from_slice(&body);
        black_box(&copy);
        body
    }
}

fn floor(body: Vec<u8>) -> Vec<u8> {
    let seed = Seed::new(1);
    let mut hashes = 0;
    let mut rest = body.as_slice();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, next) = rest.split_at(end + 1);
        let series = memchr::memrchr(b'}', line).map_or(line, |at| &line[..=at]);
        hashes ^= seed.hash(series).0 as usize;
        rest = next;
    }
    black_box(hashes);
    body
}
