//! What Prometheus made of some hundred bodies, and what this parser and this guard make of them.
//!
//! `make conformance CASES=path`, or `CASES=path cargo test --test conformance -- --nocapture`.
//! The cases are others' data and stay outside; each line of the file is one JSON object with the
//! body, its content type, whether the scrape is to be accepted, and the samples that come of it.
//!
//! Every case goes through the parser whole and byte by byte, and through a guard without a
//! policy, whose output must be the input. Prints one line a failure, and the sums at the end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use cardinality_guard::engine::exposition::{Step, SyntaxLimits, Tokens, number};
use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::Plan;
use serde_json::Value;

fn main() -> ExitCode {
    let Some(path) = std::env::var_os("CASES") else {
        eprintln!("CASES is not set: make conformance CASES=path/to/cases.jsonl");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{}: {error}", path.to_string_lossy());
            return ExitCode::from(2);
        }
    };
    let cases: Vec<Case> = text.lines().filter(|line| !line.trim().is_empty()).map(Case::read).collect();
    report(&cases)
}

/// One body and what is to become of it.
struct Case {
    id: String,
    /// `None`: a format the guard does not speak.
    format: Option<Format>,
    content_type: String,
    body: Vec<u8>,
    expect: Expect,
}

#[derive(Debug, PartialEq)]
enum Expect {
    Accept(Samples),
    Reject,
}

/// Label sets (the name among them) and their values, both in one spelling.
type Samples = BTreeMap<BTreeMap<String, String>, String>;

/// Runs all cases and says how they went.
fn report(cases: &[Case]) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut failed_by = BTreeMap::from([(Driver::ParserWhole, 0), (Driver::ParserByByte, 0), (Driver::Guard, 0)]);
    for case in cases {
        let Some(format) = case.format else {
            println!("skipped  {}: {} is no text format", case.id, case.content_type);
            skipped += 1;
            continue;
        };
        let before = failed_by.values().sum::<u32>();
        for (driver, failures) in &mut failed_by {
            if let Err(why) = driver.run(case, format) {
                println!("FAILED   {} ({driver:?}): {why}", case.id);
                *failures += 1;
            }
        }
        if failed_by.values().sum::<u32>() == before { passed += 1 } else { failed += 1 }
    }
    for (driver, failures) in failed_by {
        println!("{driver:?}: {failures} of {} failed", passed + failed);
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A way for a body to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Driver {
    ParserWhole,
    ParserByByte,
    Guard,
}

impl Driver {
    fn run(self, case: &Case, format: Format) -> Result<(), String> {
        let outcome = match self {
            Driver::ParserWhole => parse(&case.body, format, case.body.len().max(1)),
            Driver::ParserByByte => parse(&case.body, format, 1),
            Driver::Guard => guard(&case.body, format),
        };
        match (&case.expect, outcome) {
            (Expect::Reject, Err(_)) => Ok(()),
            (Expect::Reject, Ok(_)) => Err("accepted, is to be rejected".to_owned()),
            (Expect::Accept(_), Err(error)) => Err(format!("rejected, is to be accepted: {error}")),
            (Expect::Accept(want), Ok(got)) if *want == got => Ok(()),
            (Expect::Accept(want), Ok(got)) => Err(format!("samples differ\n  want {want:?}\n  got  {got:?}")),
        }
    }
}

/// Reads a body that arrives `chunk` bytes at a time.
fn parse(body: &[u8], format: Format, chunk: usize) -> Result<Samples, String> {
    let mut tokens = Tokens::new(format, SyntaxLimits { sample_size: 1 << 20, labels: 4096 });
    let mut samples = Samples::new();
    let (mut start, mut arrived) = (0, 0);
    loop {
        let input = &body[start..arrived];
        let last = arrived == body.len();
        match tokens.next(input, last).map_err(|error| error.to_string())? {
            Step::NeedMore => arrived = (arrived + chunk).min(body.len()),
            Step::End => return Ok(samples),
            step => {
                if let Step::Sample(sample) = &step {
                    let value = number::parse(&input[sample.tail.value.clone()]);
                    // Of several samples of one series Prometheus keeps the first.
                    samples.entry(label_set(&tokens)).or_insert_with(|| value.to_string());
                }
                start += step.end();
            }
        }
    }
}

fn label_set(tokens: &Tokens) -> BTreeMap<String, String> {
    let name = ("__name__", tokens.name());
    std::iter::once(name).chain(tokens.labels().iter()).map(|(n, v)| (n.to_owned(), spelling(n, v))).collect()
}

/// Prometheus respells `le` and `quantile` where they are numbers to Go.
fn spelling(name: &str, value: &str) -> String {
    match (name, value.parse::<f64>().ok().or_else(|| hex_float(value))) {
        ("le" | "quantile", Some(number)) => number.to_string(),
        _ => value.to_owned(),
    }
}

/// Go's `0x1p-3`, as far as an integer mantissa goes.
fn hex_float(value: &str) -> Option<f64> {
    let (mantissa, exponent) = value.strip_prefix("0x")?.split_once('p')?;
    Some(u32::from_str_radix(mantissa, 16).ok()? as f64 * 2f64.powi(exponent.parse().ok()?))
}

/// Sends a body through a guard without a policy, whole and byte by byte.
fn guard(body: &[u8], format: Format) -> Result<Samples, String> {
    let whole = guard_in_chunks(body, format, body.len().max(1))?;
    let by_byte = guard_in_chunks(body, format, 1)?;
    for output in [&whole, &by_byte] {
        if output != body {
            return Err(format!("the body changed to {}", output.escape_ascii()));
        }
    }
    // The guard's verdict counts: what it lets through and the parser does not has no samples.
    Ok(parse(&whole, format, whole.len().max(1)).unwrap_or_default())
}

fn guard_in_chunks(body: &[u8], format: Format, chunk: usize) -> Result<Vec<u8>, String> {
    let scrape = Scrape {
        plan: Arc::new(Plan::default()),
        limits: Limits::default(),
        now: Duration::ZERO,
        wall_seconds: 0.0,
        client: 0,
        annotate: Annotate::No,
        start: Start::Baseline,
        commons: None,
    };
    let mut guard = Guard::begin(EndpointState::new(format, Seed::new(1)), scrape);
    let mut output = Vec::new();
    for bytes in body.chunks(chunk) {
        guard.push(bytes).map_err(|error| error.to_string())?;
        guard.drain(&mut output);
    }
    let (_state, outcome) = guard.finish(BodyEnd::Framed, &mut output);
    outcome.map(|_| output).map_err(|error| error.to_string())
}

impl Case {
    /// Reads a line of the file. A file that is not what it should be must not pass.
    fn read(line: &str) -> Case {
        let case: Value = serde_json::from_str(line).expect("a JSON object a line");
        let text = |key: &str| case[key].as_str().map(str::to_owned);
        let content_type = text("content_type").expect("content_type");
        let body = match text("body") {
            Some(body) => body.into_bytes(),
            None => base64::engine::general_purpose::STANDARD
                .decode(text("body_base64").expect("body or body_base64"))
                .expect("base64"),
        };
        let expect = match text("expect").as_deref() {
            Some("accept") => Expect::Accept(samples(&case["series"])),
            Some("reject") => Expect::Reject,
            other => panic!("expect: {other:?}"),
        };
        Case { id: text("id").expect("id"), format: format(&content_type), content_type, body, expect }
    }
}

/// The media type alone picks the parser.
fn format(content_type: &str) -> Option<Format> {
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/plain" => Some(Format::Text),
        "application/openmetrics-text" => Some(Format::OpenMetrics),
        _ => None,
    }
}

fn samples(series: &Value) -> Samples {
    let pairs = series.as_array().expect("series").iter().map(|pair| {
        let labels = pair[0].as_object().expect("a label set").iter().map(|(name, value)| {
            let value = value.as_str().expect("a label value");
            (name.clone(), spelling(name, value))
        });
        let value: f64 = pair[1].as_str().and_then(|v| v.parse().ok()).expect("a value");
        (labels.collect(), value.to_string())
    });
    pairs.collect()
}
