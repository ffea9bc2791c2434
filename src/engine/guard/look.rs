//! A look at a whole body for what a scrape has no reason to read: histograms whose boundaries end
//! too early, and gauges that outlive the process they speak of.
//!
//! The steady path reads no value of what it leaves alone. So this is a reading of its own, beside
//! the scrape, and whoever drives scrapes says of which ones: it compares one look with the next.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::engine::exposition::{Keyword, Step, SyntaxLimits, Tokens, number};
use crate::engine::model::{Format, Kind, LabelSet, Seed};

/// What two looks at an endpoint have shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnosis {
    pub beyond_range: Vec<BeyondRange>,
    pub outlived: Vec<Outlived>,
}

/// A histogram with observations that no quantile can tell apart.
#[derive(Clone, Debug, PartialEq)]
pub struct BeyondRange {
    pub metric: Box<str>,
    /// Since the look before; since the process began when those are too few.
    pub observations: f64,
    /// The part of them beyond the last boundary.
    pub ratio: f64,
}

/// Gauges of processes of which nothing moves any more, while those of others do.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlived {
    pub metric: Box<str>,
    /// That tells one process from the next.
    pub label: Box<str>,
    pub series: u64,
}

/// What the next look is compared with.
#[derive(Debug)]
pub struct Sight {
    seed: Seed,
    histograms: HashMap<Box<str>, Totals>,
    /// Values by series.
    gauges: HashMap<u64, u64>,
}

/// A look under way. A body that turns out bad is not looked at any further.
#[derive(Debug)]
pub struct Look {
    seed: Seed,
    tokens: Tokens,
    /// Bytes that are not read yet.
    rest: Vec<u8>,
    ended: Ended,
    kinds: HashMap<Box<str>, Kind>,
    members: HashMap<u64, Member>,
    processes: Vec<OfProcess>,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Yes,
    NotYet,
}

/// One histogram series without its `le`.
#[derive(Debug)]
struct Member {
    family: Box<str>,
    /// The highest finite boundary, and the observations up to it.
    last: (f64, f64),
    all: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    all: f64,
    beyond: f64,
}

/// A gauge that speaks of one process.
#[derive(Debug)]
struct OfProcess {
    family: Box<str>,
    label: &'static str,
    process: u64,
    series: u64,
    value: f64,
}

/// Labels that tell one process from the next.
const PROCESS_LABELS: [&str; 7] = ["pid", "hostname", "pod", "host", "worker_id", "consumer", "process"];
/// Ends of names of gauges that say something that does not change while a process lives.
const CONSTANT: [&str; 9] =
    ["_up", "_info", "_created", "_start_time_seconds", "_limit", "_max", "_min", "_ratio", "_bytes"];
/// More beyond the last boundary than this is worth telling: no p95 is known.
const WORTH_TELLING: f64 = 0.05;
const FEWEST_OBSERVATIONS: f64 = 10.0;
/// Histogram series and gauges that are looked at; an explosion is told by others.
const MOST_MEMBERS: usize = 20_000;
const MOST_HISTOGRAMS: usize = 1_000;
/// Histograms and gauges whose samples are looked at.
const MOST_KINDS: usize = 20_000;
const MOST_GAUGES: usize = 2_000;

impl Sight {
    pub fn new(seed: Seed) -> Sight {
        Sight { seed, histograms: HashMap::new(), gauges: HashMap::new() }
    }

    pub fn look(&self, format: Format) -> Look {
        Look::new(format, self.seed)
    }

    /// Ends a look at a complete body and remembers it for the next.
    pub fn compare(&mut self, mut look: Look) -> Diagnosis {
        look.read(Ended::Yes);
        let diagnosis = Diagnosis { beyond_range: self.beyond_range(&look), outlived: self.outlived(&look) };
        let totals = look.totals().into_iter().take(MOST_HISTOGRAMS);
        self.histograms = totals.map(|(name, totals)| (name.into(), totals)).collect();
        self.gauges = look.processes.iter().map(|gauge| (gauge.series, gauge.value.to_bits())).collect();
        diagnosis
    }

    /// Bytes, roughly.
    pub fn memory(&self) -> usize {
        size_of::<Sight>() + self.histograms.capacity() * 64 + self.gauges.capacity() * 20
    }

    fn beyond_range(&self, look: &Look) -> Vec<BeyondRange> {
        let totals = look.totals().into_iter();
        let shares = totals.map(|(name, now)| {
            let before = self.histograms.get(name).copied().unwrap_or_default();
            let new = now.since(before);
            let began_anew = new.all < 0.0 || new.beyond < 0.0;
            let new = if began_anew || new.all < FEWEST_OBSERVATIONS { now } else { new };
            BeyondRange { metric: name.into(), observations: new.all, ratio: new.beyond / new.all }
        });
        shares.filter(|share| share.observations >= FEWEST_OBSERVATIONS && share.ratio > WORTH_TELLING).collect()
    }

    fn outlived(&self, look: &Look) -> Vec<Outlived> {
        let stays = |gauge: &&OfProcess| self.gauges.get(&gauge.series) == Some(&gauge.value.to_bits());
        let moving: HashSet<u64> = look.processes.iter().filter(|gauge| !stays(gauge)).map(|g| g.process).collect();
        let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let alone = |gauge: &&OfProcess| stays(gauge) && !moving.contains(&gauge.process) && gauge.value != 0.0;
        for gauge in look.processes.iter().filter(alone) {
            let others_move = look.processes.iter().any(|o| o.family == gauge.family && moving.contains(&o.process));
            if others_move {
                *found.entry((&gauge.family, gauge.label)).or_default() += 1;
            }
        }
        let told = |((metric, label), series): ((&str, &str), u64)| Outlived {
            metric: metric.into(),
            label: label.into(),
            series,
        };
        found.into_iter().map(told).collect()
    }
}

impl Look {
    fn new(format: Format, seed: Seed) -> Look {
        Look {
            seed,
            tokens: Tokens::new(format, SyntaxLimits { sample_size: 0, labels: 0 }),
            rest: Vec::new(),
            ended: Ended::NotYet,
            kinds: HashMap::new(),
            members: HashMap::new(),
            processes: Vec::new(),
            key: Vec::new(),
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended == Ended::NotYet {
            self.rest.extend_from_slice(bytes);
            self.read(Ended::NotYet);
        }
    }

    fn read(&mut self, body: Ended) {
        let input = std::mem::take(&mut self.rest);
        let seed = self.seed;
        let mut at = 0;
        while self.ended == Ended::NotYet {
            let Ok(step) = self.tokens.next(&input[at..], body == Ended::Yes) else {
                self.ended = Ended::Yes;
                break;
            };
            match &step {
                Step::NeedMore => break,
                Step::End => self.ended = Ended::Yes,
                Step::Meta(meta) => {
                    if let (Keyword::Type, Some(kind @ (Kind::Gauge | Kind::Histogram))) = (meta.keyword, meta.kind) {
                        self.declare(kind);
                    }
                }
                Step::Sample(sample) => {
                    self.sample(number::parse(&input[at..][sample.tail.value.clone()]), &seed);
                }
                Step::Skip { .. } | Step::Eof { .. } => {}
            }
            at += step.end();
        }
        self.rest = input;
        self.rest.drain(..at);
    }

    /// Names that change for ever are not looked at for ever.
    fn declare(&mut self, kind: Kind) {
        if self.kinds.len() < MOST_KINDS {
            self.kinds.insert(self.tokens.name().into(), kind);
        }
    }

    fn sample(&mut self, value: f64, seed: &Seed) {
        if !value.is_finite() {
            return;
        }
        let name = self.tokens.name();
        if let Some(family) = name.strip_suffix("_bucket")
            && self.kinds.get(family) == Some(&Kind::Histogram)
        {
            self.bucket(value, seed);
        } else if self.kinds.get(name) == Some(&Kind::Gauge) {
            self.gauge(value, seed);
        }
    }

    fn bucket(&mut self, value: f64, seed: &Seed) {
        let labels = self.tokens.labels();
        let Some(le) = labels.get("le").map(|le| number::parse(le.as_bytes())) else { return };
        let name = self.tokens.name();
        let key = hash(&mut self.key, seed, name, labels, "le");
        if !self.members.contains_key(&key) && self.members.len() >= MOST_MEMBERS {
            return;
        }
        let member = self.members.entry(key).or_insert_with(|| Member {
            family: name.strip_suffix("_bucket").unwrap_or(name).into(),
            last: (f64::NEG_INFINITY, 0.0),
            all: 0.0,
        });
        if le == f64::INFINITY {
            member.all = value;
        } else if le > member.last.0 {
            member.last = (le, value);
        }
    }

    fn gauge(&mut self, value: f64, seed: &Seed) {
        let (name, labels) = (self.tokens.name(), self.tokens.labels());
        if self.processes.len() >= MOST_GAUGES || CONSTANT.iter().any(|end| name.ends_with(end)) {
            return;
        }
        let found = PROCESS_LABELS.iter().find_map(|label| Some((*label, labels.get(label)?)));
        let Some((label, process)) = found.filter(|(_, process)| !process.is_empty()) else { return };
        let process = seed.hash(process.as_bytes()).0;
        let series = hash(&mut self.key, seed, name, labels, "");
        self.processes.push(OfProcess { family: name.into(), label, process, series, value });
    }

    /// By family.
    fn totals(&self) -> BTreeMap<&str, Totals> {
        let mut totals: BTreeMap<&str, Totals> = BTreeMap::new();
        // Without a finite boundary it is no attempt to measure anything.
        for member in self.members.values().filter(|member| member.last.0.is_finite()) {
            let total = totals.entry(&member.family).or_default();
            total.all += member.all;
            total.beyond += (member.all - member.last.1).max(0.0);
        }
        totals
    }
}

impl Totals {
    fn since(self, before: Totals) -> Totals {
        Totals { all: self.all - before.all, beyond: self.beyond - before.beyond }
    }
}

/// Of a series without one of its labels.
fn hash(key: &mut Vec<u8>, seed: &Seed, name: &str, labels: &LabelSet, without: &str) -> u64 {
    key.clear();
    key.extend_from_slice(name.as_bytes());
    for (label, value) in labels.iter().filter(|(label, _)| *label != without) {
        for part in [label, value] {
            // No byte of UTF-8 is 0xff.
            key.push(0xff);
            key.extend_from_slice(part.as_bytes());
        }
    }
    seed.hash(key).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(sight: &mut Sight, body: &str) -> Diagnosis {
        let mut look = sight.look(Format::Text);
        // However it is cut.
        for bytes in body.as_bytes().chunks(7) {
            look.push(bytes);
        }
        sight.compare(look)
    }

    fn sight() -> Sight {
        Sight::new(Seed::new(1))
    }

    /// Two series of a histogram with so many observations up to 10 s and in all, each.
    fn histogram(covered: u32, all: u32) -> String {
        let member = |queue: &str| {
            format!(
                "h_bucket{{le=\"10\",q=\"{queue}\"}} {covered}\nh_bucket{{le=\"0.1\",q=\"{queue}\"}} 0\n\
                 h_bucket{{le=\"+Inf\",q=\"{queue}\"}} {all}\nh_count{{q=\"{queue}\"}} {all}\n"
            )
        };
        format!("# TYPE h histogram\n{}{}", member("a"), member("b"))
    }

    #[test]
    fn a_histogram_that_ends_too_early_is_told() {
        let found = looked(&mut sight(), &histogram(60, 80));
        assert_eq!(found.beyond_range, [BeyondRange { metric: "h".into(), observations: 160.0, ratio: 0.25 }]);
        assert_eq!(looked(&mut sight(), &histogram(79, 80)).beyond_range, []);
    }

    #[test]
    fn what_is_new_counts_and_not_what_was() {
        let mut sight = sight();
        assert_eq!(looked(&mut sight, &histogram(80, 80)).beyond_range, []);
        let found = looked(&mut sight, &histogram(80, 90));
        assert_eq!(found.beyond_range, [BeyondRange { metric: "h".into(), observations: 20.0, ratio: 1.0 }]);
        assert_eq!(looked(&mut sight, &histogram(180, 190)).beyond_range, [], "it covers them again");
        assert_eq!(looked(&mut sight, &histogram(40, 40)).beyond_range, [], "a restart");
    }

    #[test]
    fn few_observations_and_other_types_say_nothing() {
        assert_eq!(looked(&mut sight(), &histogram(0, 4)).beyond_range, []);
        let untyped = histogram(0, 80).replace("# TYPE h histogram\n", "");
        assert_eq!(looked(&mut sight(), &untyped).beyond_range, []);
        let one_bucket = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 80\n";
        assert_eq!(looked(&mut sight(), one_bucket).beyond_range, []);
    }

    fn gauges(busy: [(u32, f64); 3]) -> String {
        let line = |(pid, value): (u32, f64)| format!("inflight{{pid=\"{pid}\",q=\"a\"}} {value}\n");
        format!("# TYPE inflight gauge\n{}", busy.map(line).concat())
    }

    #[test]
    fn a_gauge_that_stays_while_others_move_has_outlived_its_process() {
        let mut sight = sight();
        assert_eq!(looked(&mut sight, &gauges([(1, 2.0), (2, 1.0), (3, 0.0)])).outlived, [], "nothing to compare with");
        let found = looked(&mut sight, &gauges([(1, 2.0), (2, 3.0), (3, 0.0)]));
        let outlived = Outlived { metric: "inflight".into(), label: "pid".into(), series: 1 };
        assert_eq!(found.outlived, [outlived], "0 jobs in flight mislead nobody");
        let still = looked(&mut sight, &gauges([(1, 2.0), (2, 3.0), (3, 0.0)]));
        assert_eq!(still.outlived, [], "nobody moves: a quiet night");
    }

    #[test]
    fn a_process_that_lives_may_have_a_gauge_that_stays() {
        let mut sight = sight();
        let beat = |at: u32| format!("# TYPE beat gauge\nbeat{{pid=\"1\"}} {at}\nbeat{{pid=\"2\"}} {at}\n");
        looked(&mut sight, &(gauges([(1, 2.0), (2, 1.0), (3, 0.0)]) + &beat(100)));
        let found = looked(&mut sight, &(gauges([(1, 2.0), (2, 3.0), (3, 0.0)]) + &beat(160)));
        assert_eq!(found.outlived, []);
    }

    #[test]
    fn a_histogram_is_told_by_its_name_whatever_that_ends_in() {
        let body = histogram(60, 80).replace("h_bucket", "h_bucket_bucket").replace("TYPE h ", "TYPE h_bucket ");
        let found = looked(&mut sight(), &body);
        assert_eq!(found.beyond_range, [BeyondRange { metric: "h_bucket".into(), observations: 160.0, ratio: 0.25 }]);
    }

    #[test]
    fn names_that_are_declared_for_ever_are_not_remembered_for_ever() {
        let mut look = sight().look(Format::Text);
        (0..MOST_KINDS + 100).for_each(|at| look.push(format!("# TYPE g_{at} gauge\n").as_bytes()));
        assert_eq!(look.kinds.len(), MOST_KINDS);
    }

    #[test]
    fn a_bad_body_is_looked_at_as_far_as_it_goes() {
        let found = looked(&mut sight(), &(histogram(60, 80) + "x{ 1\nh_bucket{le=\"10\",q=\"c\"} 0\n"));
        assert_eq!(found.beyond_range.len(), 1);
    }
}
