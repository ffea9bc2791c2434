//! The oracle itself, and an engine to hold against it. It reads the whole body, keeps everything in
//! maps, and knows nothing of prediction, streaming or holding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{Annotate, BodyEnd, EndpointState, Guard, Limits, Scrape, Start};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

type Labels = BTreeMap<String, String>;

// ---------------------------------------------------------------------------------------------
// What is generated

#[derive(Clone, Debug)]
pub enum Step {
    Drop(&'static str),
    Keep(&'static str, &'static str),
    /// Replaces the digits of a value by `:id`.
    Replace(&'static str),
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub families: Vec<&'static str>,
    pub steps: Vec<Step>,
}

pub const FAMILIES: [(&str, &str); 4] = [("c_total", "counter"), ("g", "gauge"), ("h", "histogram"), ("s", "summary")];
pub const LABELS: [&str; 3] = ["job_id", "q", "user"];

/// A member of a scrape: family, labels, how much it has grown.
#[derive(Clone, Debug)]
pub struct Series {
    pub family: usize,
    pub labels: Vec<(&'static str, u8)>,
    pub value: u16,
}

pub fn yaml(policies: &[Policy]) -> String {
    let mut text = String::from("policies:\n");
    for (i, policy) in policies.iter().enumerate() {
        let names = policy.families.join("|");
        writeln!(text, "  - name: p{i}\n    match: '{{__name__=~\"{names}\"}}'\n    hold: 0s\n    labels:").unwrap();
        for step in &policy.steps {
            let step = match step {
                Step::Drop(l) => format!("{{label: {l}, action: drop}}"),
                Step::Keep(l, v) => format!("{{label: {l}, action: keep, values: [{v}], overflow: other}}"),
                Step::Replace(l) => format!("{{label: {l}, action: replace, regex: 'v[0-9]+', replacement: ':id'}}"),
            };
            writeln!(text, "      - {step}").unwrap();
        }
    }
    if policies.is_empty() { "policies: []\n".into() } else { text }
}

/// One family's lines after the other, or in an order that mixes them, TYPE lines first or last.
pub fn body(scrape: &[Series], mixed: bool, late_types: bool) -> String {
    let mut seen = BTreeSet::new();
    let mut lines: Vec<(usize, String)> = Vec::new();
    for s in scrape {
        if seen.insert((s.family, s.labels.clone())) {
            lines.extend(sample_lines(s).into_iter().map(|line| (s.family, line + "\n")));
        }
    }
    let types = |family: usize| format!("# TYPE {} {}\n", FAMILIES[family].0, FAMILIES[family].1);
    let all: String = (0..FAMILIES.len()).map(types).collect();
    if !mixed {
        lines.sort_by_key(|(family, _)| *family);
    }
    if !mixed && !late_types {
        let of = |family| lines.iter().filter(move |(f, _)| *f == family).map(|(_, l)| l.as_str());
        return (0..FAMILIES.len()).map(|f| types(f) + &of(f).collect::<String>()).collect();
    }
    let samples: String = lines.into_iter().map(|(_, line)| line).collect();
    if late_types { samples + &all } else { all + &samples }
}

pub fn sample_lines(s: &Series) -> Vec<String> {
    let labels: Vec<String> = s.labels.iter().map(|(n, v)| format!("{n}=\"v{v}\"")).collect();
    let labels = labels.join(",");
    let (name, v) = (FAMILIES[s.family].0, s.value);
    match s.family {
        2 => vec![
            format!("h_bucket{{{labels},le=\"1\"}} {}", v / 3),
            format!("h_bucket{{{labels},le=\"10\"}} {}", v / 2),
            format!("h_bucket{{{labels},le=\"+Inf\"}} {v}"),
            format!("h_sum{{{labels}}} {}", u32::from(v) * 2),
            format!("h_count{{{labels}}} {v}"),
        ],
        3 => vec![format!("s_sum{{{labels}}} {}", u32::from(v) * 2), format!("s_count{{{labels}}} {v}")],
        _ => vec![format!("{name}{{{labels}}} {v}")],
    }
}

// ---------------------------------------------------------------------------------------------
// The oracle

#[derive(Default)]
pub struct Oracle {
    policies: Vec<Policy>,
    primed: bool,
    members: BTreeMap<(usize, Labels), Vec<f64>>,
    groups: BTreeMap<(usize, Labels), Group>,
    names: BTreeMap<usize, BTreeSet<Vec<String>>>,
}

#[derive(Clone, Default)]
pub struct Group {
    total: Vec<f64>,
    newborn: bool,
    exposures: u32,
}

/// The numbers of a member: all that move together.
pub fn numbers(s: &Series) -> Vec<f64> {
    let v = f64::from(s.value);
    match s.family {
        2 => vec![f64::from(s.value / 3), f64::from(s.value / 2), v, v * 2.0, v],
        3 => vec![v * 2.0, v],
        _ => vec![v],
    }
}

/// Which numbers may fall without a reset.
pub fn decides(family: usize, at: usize) -> bool {
    !matches!((family, at), (2, 3) | (3, 0))
}

impl Oracle {
    pub fn of(policies: Vec<Policy>) -> Oracle {
        Oracle { policies, ..Oracle::default() }
    }

    fn labels_out(&self, family: usize, labels: &Labels) -> Labels {
        let mut out = labels.clone();
        for policy in self.policies.iter().filter(|p| p.families.contains(&FAMILIES[family].0)) {
            for step in &policy.steps {
                match step {
                    Step::Drop(l) => {
                        out.remove(*l);
                    }
                    Step::Keep(l, keep) => {
                        if let Some(v) = out.get_mut(*l)
                            && v != keep
                        {
                            *v = "other".into();
                        }
                    }
                    Step::Replace(l) => {
                        if let Some(v) = out.get_mut(*l)
                            && v.strip_prefix('v').is_some_and(|d| d.parse::<u32>().is_ok())
                        {
                            *v = ":id".into();
                        }
                    }
                }
            }
        }
        out
    }

    /// Every series of the answer, with its value.
    pub fn scrape(&mut self, scrape: &[Series]) -> BTreeMap<String, f64> {
        let mut present: BTreeMap<(usize, Labels), Vec<f64>> = BTreeMap::new();
        for s in scrape {
            let labels = s.labels.iter().map(|(n, v)| (n.to_string(), format!("v{v}"))).collect();
            present.entry((s.family, labels)).or_insert_with(|| numbers(s));
        }
        for (family, labels) in present.keys() {
            let out = self.labels_out(*family, labels);
            if out != *labels {
                let primed = self.primed;
                self.groups.entry((*family, out)).or_insert_with(|| Group { newborn: primed, ..Group::default() });
            }
        }
        let baselines = self.baselines(&present);
        let mut answer = BTreeMap::new();
        let mut gauges: BTreeMap<(usize, Labels), f64> = BTreeMap::new();
        for ((family, labels), now) in &present {
            let out = (*family, self.labels_out(*family, labels));
            let before = self.members.get(&(*family, labels.clone()));
            let reset = before.is_some_and(|b| (0..now.len()).any(|i| decides(*family, i) && now[i] < b[i]));
            match self.groups.get_mut(&out) {
                None => show(&mut answer, *family, labels, now),
                Some(_) if *family == 1 => *gauges.entry(out).or_default() += now[0],
                Some(group) => {
                    group.total.resize(now.len(), 0.0);
                    for i in 0..now.len() {
                        group.total[i] += match before {
                            _ if baselines.contains(family) => 0.0,
                            Some(b) if !reset => now[i] - b[i],
                            Some(_) => now[i],
                            None if !self.primed => 0.0,
                            None => now[i],
                        };
                    }
                }
            }
        }
        for ((family, labels), value) in gauges {
            show(&mut answer, family, &labels, &[value]);
        }
        for ((family, labels), group) in self.groups.iter_mut().filter(|((f, _), _)| *f != 1) {
            let zero = group.newborn && group.exposures == 0;
            group.exposures += 1;
            let shown: Vec<f64> = group.total.iter().map(|v| if zero { 0.0 } else { *v }).collect();
            show(&mut answer, *family, labels, &shown);
        }
        // A family without any policy is not remembered, and it cannot become a fold here either.
        self.members.extend(present);
        self.primed = true;
        answer
    }

    /// Families whose label names are all other ones than when they were last there (rule 1.8).
    fn baselines(&mut self, present: &BTreeMap<(usize, Labels), Vec<f64>>) -> BTreeSet<usize> {
        let mut baselines = BTreeSet::new();
        for family in 0..FAMILIES.len() {
            let here: Vec<&Labels> = present.keys().filter(|k| k.0 == family).map(|k| &k.1).collect();
            if here.is_empty() {
                continue;
            }
            let names: BTreeSet<Vec<String>> = here.iter().map(|l| l.keys().cloned().collect()).collect();
            let before = self.names.insert(family, names.clone());
            if before.is_some_and(|before| before.is_disjoint(&names)) {
                baselines.insert(family);
            }
        }
        baselines
    }
}

pub fn show(answer: &mut BTreeMap<String, f64>, family: usize, labels: &Labels, values: &[f64]) {
    let text = |extra: &str| {
        let mut parts: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{v}\"")).collect();
        if !extra.is_empty() {
            parts.push(format!("le=\"{extra}\""));
        }
        parts.sort();
        parts.join(",")
    };
    let (name, les) = (FAMILIES[family].0, ["1", "10", "+Inf"]);
    for (i, value) in values.iter().enumerate() {
        let series = match (family, i) {
            (2, 0..=2) => format!("h_bucket{{{}}}", text(les[i])),
            (2, 3) | (3, 0) => format!("{name}_sum{{{}}}", text("")),
            (2, 4) | (3, 1) => format!("{name}_count{{{}}}", text("")),
            _ => format!("{name}{{{}}}", text("")),
        };
        assert!(answer.insert(series.clone(), *value).is_none(), "the oracle shows {series} twice");
    }
}

// ---------------------------------------------------------------------------------------------
// The engine

pub struct Engine {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    limits: Limits,
}

impl Engine {
    pub fn new(policy: &str, limits: Limits) -> Engine {
        let source = Source { name: "policy.yaml".into(), text: policy.into() };
        let (policies, _) =
            Policies::compile(&[source], Builtin::Excluded, None).unwrap_or_else(|f| panic!("{f:?}\n{policy}"));
        Engine {
            state: Some(EndpointState::new(Format::Text, Seed::new(11))),
            plan: Arc::new(policies.plan(None, Mode::Enforce)),
            now: Duration::from_secs(100),
            limits,
        }
    }

    pub fn scrape(&mut self, body: &str, chunk: usize) -> String {
        self.now += Duration::from_secs(15);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: self.limits,
            now: self.now,
            wall_seconds: 0.0,
            client: 1,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        };
        let mut guard = Guard::begin(self.state.take().unwrap(), scrape);
        let mut out = Vec::new();
        for bytes in body.as_bytes().chunks(chunk) {
            guard.push(bytes).unwrap();
            guard.drain(&mut out);
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        report.unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// Series and values of an answer; a series twice is a failure of its own.
pub fn read(body: &str) -> BTreeMap<String, f64> {
    let mut read = BTreeMap::new();
    for line in body.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: Vec<&str> = labels.trim_end_matches('}').split(',').filter(|l| !l.is_empty()).collect();
        labels.sort_unstable();
        let series = format!("{name}{{{}}}", labels.join(","));
        assert!(read.insert(series.clone(), value.parse().unwrap()).is_none(), "{series} twice in\n{body}");
    }
    read
}
