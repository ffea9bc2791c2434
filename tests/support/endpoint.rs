//! One endpoint behind a policy, scraped every 15 virtual seconds.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use cardinality_guard::engine::guard::{
    Annotate, BodyEnd, Commons, EndpointState, Guard, Limits, Report, Scrape, ScrapeError, Start,
};
use cardinality_guard::engine::model::{Format, Seed};
use cardinality_guard::engine::policy::{Builtin, Mode, Plan, Policies, Source};

pub struct Endpoint {
    state: Option<Box<EndpointState>>,
    plan: Arc<Plan>,
    now: Duration,
    pub limits: Limits,
    pub client: u64,
    pub annotate: Annotate,
    /// What it shares with the other endpoints of its target.
    pub commons: Option<Arc<dyn Commons>>,
    /// The body is pushed in pieces of this size.
    pub chunk: usize,
}

impl Endpoint {
    pub fn new(policy: &str) -> Endpoint {
        Endpoint::of(plan(policy, Builtin::Excluded), Format::Text)
    }

    pub fn of(plan: Arc<Plan>, format: Format) -> Endpoint {
        Endpoint {
            state: Some(EndpointState::new(format, Seed::new(7))),
            plan,
            now: Duration::from_secs(1_000_000),
            limits: Limits::default(),
            client: 1,
            annotate: Annotate::No,
            commons: None,
            chunk: 4096,
        }
    }

    pub fn reload(&mut self, policy: &str) {
        self.plan = plan(policy, Builtin::Excluded);
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// When the scrape before the next one would have been.
    pub fn set_time(&mut self, now: Duration) {
        self.now = now;
    }

    pub fn state(&mut self) -> &mut EndpointState {
        self.state.as_mut().expect("a scrape gives its state back")
    }

    pub fn take(&mut self) -> Option<Box<EndpointState>> {
        self.state.take()
    }

    pub fn put(&mut self, state: Box<EndpointState>) {
        self.state = Some(state);
    }

    pub fn try_scrape(&mut self, body: &str) -> Result<(String, Report), ScrapeError> {
        self.wait(15);
        let scrape = Scrape {
            plan: self.plan.clone(),
            limits: self.limits,
            now: self.now,
            wall_seconds: 1.7e9,
            client: self.client,
            annotate: self.annotate,
            start: Start::Baseline,
            commons: self.commons.clone(),
        };
        let mut guard = Guard::begin(self.state.take().expect("a scrape gives its state back"), scrape);
        let mut out = Vec::new();
        for chunk in body.as_bytes().chunks(self.chunk) {
            if let Err(error) = guard.push(chunk) {
                self.state = Some(guard.abort());
                return Err(error);
            }
            guard.drain(&mut out);
        }
        let (state, report) = guard.finish(BodyEnd::Framed, &mut out);
        self.state = Some(state);
        report.map(|r| (String::from_utf8(out).expect("UTF-8"), r))
    }

    /// The answer and the account.
    pub fn told(&mut self, body: &str) -> (String, Report) {
        self.try_scrape(body).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn scrape(&mut self, body: &str) -> String {
        self.told(body).0
    }

    pub fn fail(&mut self, body: &str) -> ScrapeError {
        match self.try_scrape(body) {
            Ok((out, _)) => panic!("no failure:\n{out}"),
            Err(error) => error,
        }
    }

    /// The value of a series in the answer to this body.
    pub fn value(&mut self, series: &str, body: &str) -> f64 {
        value(&self.scrape(body), series)
    }
}

pub fn plan(policy: &str, builtin: Builtin) -> Arc<Plan> {
    let source = Source { name: "policy.yaml".into(), text: policy.into() };
    match Policies::compile(&[source], builtin, None) {
        Ok((policies, _)) => Arc::new(policies.plan(None, Mode::Enforce)),
        Err(findings) => panic!("{}", findings.iter().map(|f| format!("{f}\n")).collect::<String>()),
    }
}

/// Every sample of a body without timestamps.
pub fn lines(body: &str) -> impl Iterator<Item = (&str, f64)> {
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' ').map(|(series, value)| (series, value.parse().expect("a value"))))
}

pub fn value(body: &str, series: &str) -> f64 {
    let found = lines(body).find(|(s, _)| *s == series);
    found.unwrap_or_else(|| panic!("no {series} in\n{body}")).1
}

pub fn has(body: &str, series: &str) -> bool {
    lines(body).any(|(s, _)| s == series)
}
