//! A guard over successive scrapes of one endpoint: no panic; any chunking the same bytes and the
//! same failure; without a policy the body itself; a failed scrape leaves no trace; what leaves
//! early are the lines that would have left late; who keeps the body elsewhere is told the same;
//! memory is of the size of what came in.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use cardinality_guard::engine::exposition::{Step, SyntaxLimits, Tokens};
use cardinality_guard::engine::guard::{
    Annotate, BodyEnd, EndpointState, Guard, Leaves, Limits, Scrape, ScrapeError, Start, Wanted,
};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

use super::bytes::Bytes;

/// The first of them have no limits: only then is what leaves early the same, because a limit that
/// is passed late can no longer change what has left.
const WITHOUT_LIMITS: usize = 3;
const POLICIES: [&str; 6] = [
    "policies: []",
    "policies: [{name: d, hold: 0s, member_ttl: 30s, group_ttl: 60s, labels: [{label: job_id|x|hostname, action: drop}]}]",
    "policies: [{name: h, labels: [{label: .+, action: hash, buckets: 2}, {label: x, action: normalize}]}]",
    "policies: [{name: l, labels: [{label: .+, action: limit, limit: 1}], series_limit: 3}]",
    "policies: [{name: c, labels: [{label: .+, action: collapse, limit: 1}], aggregate: [{type: gauge, with: avg}]}]",
    "policies: [{name: f, member_ttl: 30s, group_ttl: 60s, series_limit: 2, series_limit_action: overflow, keep_labels: [queue]}]",
];

static PLANS: LazyLock<Vec<Arc<Plan>>> = LazyLock::new(|| POLICIES.iter().map(|text| plan(text)).collect());

/// What a byte of input may cost at most, and an endpoint that has seen none.
const PER_BYTE: usize = 256;
const EMPTY: usize = 1 << 20;

pub fn hold(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let first = bytes.byte();
    let format = if first & 1 == 0 { Format::Text } else { Format::OpenMetrics };
    // Sooner or later than what is not there any more is forgotten.
    let gap = Duration::from_secs(if first & 2 == 0 { 15 } else { 70 });
    let policy = bytes.below(POLICIES.len());
    let chunk = 1 + bytes.below(64);
    let limits = Limits { members: [1_000_000, 4][bytes.below(2)], ..Limits::default() };
    let leaving = Limits { hold_output: 64, ..limits };
    let new = |chunk, limits| {
        let state = Some(EndpointState::new(format, Seed::new(3)));
        Endpoint { state, plan: PLANS[policy].clone(), now: Duration::from_secs(1000), gap, chunk, limits }
    };
    let (mut whole, mut cut) = (new(usize::MAX, limits), new(chunk, limits));
    let (mut spared, mut early) = (new(usize::MAX, limits), new(chunk, leaving));
    let mut apart = new(chunk, limits);
    let mut early_is_comparable = policy < WITHOUT_LIMITS;
    let mut size = 0;
    for body in bytes.parts() {
        size += body.len();
        let told = whole.scrape(body);
        assert_eq!(cut.scrape(body), told, "{chunk} at a time: {}", body.escape_ascii());
        assert_eq!(apart.scrape_apart(body), told, "kept elsewhere, {chunk} at a time: {}", body.escape_ascii());
        let Ok(out) = &told else {
            spared.wait();
            early.wait();
            continue;
        };
        assert_eq!(spared.scrape(body), told, "a scrape that failed left a trace: {}", body.escape_ascii());
        if policy == 0 {
            assert_eq!(out, body, "nothing was to be done: {}", body.escape_ascii());
        }
        well_formed(format, out, body);
        // It may have to give up where the other can still change its mind; that is a scrape it
        // has not seen.
        early_is_comparable &= match early.scrape(body) {
            Ok(early) if early_is_comparable => {
                let (early, late) = (lines(&early), lines(out));
                assert_eq!(early, late, "what left early: {}", body.escape_ascii());
                true
            }
            _ => false,
        };
    }
    let memory = whole.state.as_ref().map_or(0, |state| state.memory());
    assert!(memory <= EMPTY + PER_BYTE * size, "{memory} bytes are remembered of {size}");
}

/// Which family's block ends first may differ when one comes back.
fn lines(out: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = out.split(|byte| *byte == b'\n').map(|line| line.escape_ascii().to_string()).collect();
    lines.sort_unstable();
    lines
}

/// Whatever leaves must be readable to who asked.
fn well_formed(format: Format, out: &[u8], body: &[u8]) {
    let mut tokens = Tokens::new(format, SyntaxLimits { sample_size: 0, labels: 0 });
    let mut rest = out;
    loop {
        match tokens.next(rest, true) {
            Ok(Step::End) => return,
            Ok(step) => rest = &rest[step.end()..],
            Err(error) => panic!("{error}: {} came of {}", out.escape_ascii(), body.escape_ascii()),
        }
    }
}

fn plan(text: &str) -> Arc<Plan> {
    let source = Source { name: "policy.yaml".into(), text: text.into() };
    match Policies::compile(&[source], Builtin::Excluded, None) {
        Ok((policies, _)) => Arc::new(policies.plan(None, Mode::Enforce)),
        Err(findings) => panic!("{findings:?}"),
    }
}

struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    gap: Duration,
    chunk: usize,
    limits: Limits,
}

impl Endpoint {
    fn wait(&mut self) {
        self.now += self.gap;
    }

    fn scrape(&mut self, body: &[u8]) -> Result<Vec<u8>, ScrapeError> {
        self.wait();
        let mut guard = self.begin();
        let mut out = Vec::new();
        for bytes in body.chunks(self.chunk) {
            if let Err(error) = guard.push(bytes) {
                self.state = Some(guard.abort());
                return Err(error);
            }
            guard.drain(&mut out);
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        report.map(|_| out)
    }

    /// The same for who keeps the body, and pushes it once more when it is wanted.
    fn scrape_apart(&mut self, body: &[u8]) -> Result<Vec<u8>, ScrapeError> {
        self.wait();
        let mut guard = self.begin();
        guard.body_is_elsewhere();
        match self.read_apart(guard, body) {
            Err(ScrapeError::BodyWanted) => {
                let guard = self.begin();
                self.read_apart(guard, body)
            }
            read => read,
        }
    }

    fn read_apart(&mut self, mut guard: Guard, body: &[u8]) -> Result<Vec<u8>, ScrapeError> {
        let mut out = Vec::new();
        for bytes in body.chunks(self.chunk) {
            if let Err(error) = guard.push(bytes) {
                self.state = Some(guard.abort());
                return Err(error);
            }
        }
        let (state, ended) = guard.finish_as(BodyEnd::Framed, Wanted::Apart, &mut out);
        self.state = Some(state);
        ended.map(|(_, leaves)| match leaves {
            Leaves::AsItCame => body.to_vec(),
            Leaves::Written => out,
        })
    }

    fn begin(&mut self) -> Guard {
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: self.limits,
            now: self.now,
            wall_seconds: 1.7e9,
            client: 1,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        };
        let Some(state) = self.state.take() else { panic!("a scrape gives its state back") };
        Guard::begin(state, scrape)
    }
}
