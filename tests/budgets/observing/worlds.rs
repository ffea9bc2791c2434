//! The same scrapes in three worlds, and what of their accounts has to be equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardinality_guard::engine::guard::{Attributed, FamilyReport, Report, ScrapeError};
use cardinality_guard::engine::model::Format;
use cardinality_guard::engine::policy::{Builtin, Novelty};
use cardinality_guard::state::TargetCommons;
use proptest::prelude::*;

use super::super::endpoint::{Endpoint, plan};

/// What a policy says. `declares` holds whether it is enforced or observes: labels that are asked
/// by or have to stay are so for everybody, and the longest time that a fold is kept is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Card {
    declares: &'static str,
    does: &'static str,
}

const fn says(does: &'static str) -> Card {
    Card { declares: "", does }
}

pub const PASS: Card = Card { declares: "match: '{user=\"u1\",zone=\"z1\"}'", does: "action: pass" };

pub const STEPS: &[Card] = &[
    says("labels: [{label: job_id, action: drop}]"),
    says("labels: [{label: user, action: drop}]"),
    says("labels: [{label: job_id, action: collapse, limit: 4}]"),
    says("labels: [{label: job_id, action: collapse, limit: 9}]"),
    says("labels: [{label: user, action: limit, limit: 1}]"),
    says("labels: [{label: job_id, action: limit, limit: 3}]"),
    says("labels: [{label: user, action: hash, buckets: 2}]"),
    says("labels: [{label: user, action: keep, values: [u1]}]"),
    // Two steps that both change a series.
    says("labels: [{label: job_id, action: drop}, {label: user, action: drop}]"),
    says("labels: [{label: user, action: hash, buckets: 2}, {label: job_id, action: collapse, limit: 4}]"),
    says("labels: [{label: job_id, action: limit, limit: 3}, {label: user, action: limit, limit: 1}]"),
    says("labels: [{label: job_id, action: collapse, limit: 4}, {label: user, action: collapse, limit: 1}]"),
    says("labels: [{label: job_id, action: hash, buckets: 5}, {label: job_id, action: limit, limit: 2}]"),
    says("metric_relabel_configs: [{action: labeldrop, regex: user}]"),
    says("metric_relabel_configs: [{source_labels: [zone], regex: z1, action: drop}]"),
    says("labels: [{label: job_id, action: drop}], aggregate: [{type: gauge, with: max}], histogram_buckets: [1]"),
    Card { declares: "match: '{zone=\"z1\"}'", does: "labels: [{label: job_id, action: drop}]" },
    Card { declares: "match: '{zone=\"z1\"}'", does: "labels: [{label: job_id, action: limit, limit: 2}]" },
    Card { declares: "match: '{zone=\"z1\"}'", does: "action: drop" },
    Card { declares: "match: busy", does: "action: drop" },
    Card { declares: "match: other_total", does: "action: drop" },
    Card { declares: "keep_labels: [user]", does: "" },
    Card { declares: "keep_labels: [job_id]", does: "" },
];

pub const LIMITS: &[Card] = &[
    says("series_limit: 14, series_limit_action: collapse"),
    says("series_limit: 6, series_limit_action: collapse"),
    says("series_limit: 14, series_limit_action: overflow"),
    Card { declares: "keep_labels: [zone]", does: "series_limit: 3, series_limit_action: overflow" },
    says("series_limit: 14, series_limit_action: drop"),
    says("series_limit: 30, series_limit_action: fail"),
    says("series_limit: 80, series_limit_action: fail, labels: [{label: user, action: limit, limit: 1}]"),
    says("series_limit: 5, series_limit_action: drop, labels: [{label: job_id, action: collapse, limit: 2}]"),
    says("series_limit: 7, series_limit_action: collapse, labels: [{label: user, action: drop}]"),
    Card { declares: "group_ttl: 60s", does: "series_limit: 20, series_limit_action: collapse, series_ttl: 45s" },
    says("series_limit: 12, series_limit_action: drop, series_ttl: 45s"),
    says("series_limit: 1000, series_limit_action: collapse"),
    says("series_limit_total: 20, series_limit_action: collapse"),
    says("series_limit_total: 20, series_limit_action: overflow"),
    says("series_limit_total: 12, series_limit: 14, series_limit_action: drop"),
    Card { declares: "match: took", does: "series_limit: 20, series_limit_action: overflow" },
];

/// Policies, the last of which is switched.
#[derive(Clone, Debug)]
pub struct Deck {
    pub first: Vec<(Card, &'static str)>,
    pub last: Card,
}

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub openmetrics: bool,
    /// Whether two endpoints share what a target's endpoints share.
    pub is_shared: bool,
    pub hold_output: u64,
    pub endpoint_series: u64,
}

#[derive(Clone, Debug)]
pub enum Event {
    Scrape {
        other: bool,
        jobs: Vec<(u8, u8, u8)>,
    },
    /// A body with a line that nobody can read.
    Broken(Vec<(u8, u8, u8)>),
    /// The exporter restarts.
    Restart,
    /// Nobody scrapes for so many seconds.
    Wait(u64),
    Reload(Deck),
    /// Only the last policy is another.
    Replace(Card),
}

impl Event {
    pub fn scrape(other: bool, mut jobs: Vec<(u8, u8, u8)>) -> Event {
        jobs.sort_unstable();
        jobs.dedup();
        Event::Scrape { other, jobs }
    }
}

/// What becomes of the last policy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Enforced,
    Observes,
    /// It only declares.
    Idle,
}

impl Deck {
    /// `reloads`: an idle policy that is another after each reload, so that in every world the guard
    /// decides again what it knew.
    fn text(&self, last: Last, reloads: u32) -> String {
        let mut text = String::from("policies:\n");
        for (at, (card, mode)) in self.first.iter().enumerate() {
            text += &format!("  - {{name: p{at}, hold: 0s, mode: {mode}{}{}}}\n", and(card.declares), and(card.does));
        }
        let (mode, does, hold) = match last {
            Last::Enforced => ("enforce", self.last.does, 0),
            Last::Observes => ("observe", self.last.does, 0),
            Last::Idle => ("observe", "", reloads),
        };
        text + &format!("  - {{name: last, hold: {hold}s, mode: {mode}{}{}}}\n", and(self.last.declares), and(does))
    }

    fn limits_before(&self) -> impl Iterator<Item = &'static str> {
        let limits = self.first.iter().filter(|(card, mode)| *mode == "enforce" && card.is_limit());
        limits.map(|(card, _)| card.does)
    }

    /// Whether the last policy has a hand in what others count, so that it is not theirs alone.
    /// Limits on series come after the steps of all policies: those of policies before it find what
    /// the last one has left, and with another limit beside theirs they are reached later. And what an
    /// enforced policy passes leaves as it came, whatever those before it would have made of it.
    /// And where output has to leave before a block ends, it decides about lines that still have a label
    /// which a step before it folds away because of a later line.
    fn meddles(&self, setting: Setting) -> bool {
        let collapses = |(card, mode): &(Card, &str)| *mode == "enforce" && card.collapses();
        if setting.hold_output > 0 && !self.last.does.is_empty() && self.first.iter().any(collapses) {
            return true;
        }
        let is_decided = |key: &str| self.limits_before().any(|limit| limit.contains(key));
        let is_void = self.last.is_limit()
            && !self.last.does.contains("labels")
            && !["series_limit_total: ", "_ttl: "].iter().any(|key| self.last.does.contains(key))
            && is_decided("series_limit: ");
        self.last == PASS || (!self.last.does.is_empty() && !is_void && self.limits_before().count() > 0)
    }
}

fn and(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(", {words}") }
}

impl Card {
    fn is_limit(&self) -> bool {
        self.does.contains("series_limit")
    }

    fn collapses(&self) -> bool {
        self.does.contains("action: collapse, limit")
    }

    fn leaves_out(&self) -> bool {
        ["action: drop", "action: fail"].iter().any(|leaves| self.does.contains(leaves))
            && !self.does.starts_with("labels")
    }

    fn acts(&self) -> bool {
        !self.does.is_empty() && *self != PASS
    }

    /// Whether there is less of a family because somebody planned it.
    fn plans(&self) -> bool {
        self.does.contains("labels") || self.does.contains("relabel") || self.does.starts_with("action: drop")
    }
}

/// One or two endpoints of a target.
struct World {
    endpoints: Vec<Endpoint>,
    commons: Option<Arc<TargetCommons>>,
    last: Last,
    reloads: u32,
}

impl World {
    fn new(setting: Setting, deck: &Deck, last: Last) -> World {
        let commons = setting.is_shared.then(Arc::<TargetCommons>::default);
        let format = if setting.openmetrics { Format::OpenMetrics } else { Format::Text };
        let endpoint = || {
            let mut endpoint = Endpoint::of(plan(&deck.text(last, 0), Builtin::Excluded), format);
            endpoint.limits.hold_output = setting.hold_output;
            endpoint.limits.endpoint_series = setting.endpoint_series;
            endpoint.commons = commons.clone().map(|commons| commons as _);
            endpoint
        };
        World {
            endpoints: (0..=usize::from(setting.is_shared)).map(|_| endpoint()).collect(),
            commons,
            last,
            reloads: 0,
        }
    }

    fn reload(&mut self, deck: &Deck) {
        self.reloads += 1;
        let text = deck.text(self.last, self.reloads);
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.reload(&text));
    }

    fn wait(&mut self, seconds: u64) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.wait(seconds));
    }

    fn scrape(&mut self, other: bool, body: &str) -> Result<(String, Report), ScrapeError> {
        let at = usize::from(other) % self.endpoints.len();
        let told = self.endpoints[at].try_scrape(body);
        if let (Some(commons), Ok((_, report))) = (&self.commons, &told) {
            commons.learn(report, 0.0);
        }
        told
    }
}

/// Scrapes three worlds and compares their accounts.
pub fn compare(setting: Setting, mut deck: Deck, events: &[Event]) -> Result<(), TestCaseError> {
    let [mut enforced, mut observed, mut idle] =
        [Last::Enforced, Last::Observes, Last::Idle].map(|last| World::new(setting, &deck, last));
    let mut exporter = Exporter { openmetrics: setting.openmetrics, round: 0, since: 0 };
    // Whether what was committed is the same in all worlds: a scrape that fails commits nothing.
    let mut is_same_past = true;
    let mut knows_last = true;
    let mut has_failed = false;
    let mut has_planned = false;
    for event in events {
        has_planned |= deck.last.plans();
        if let Event::Reload(Deck { last, .. }) | Event::Replace(last) = event {
            // A double knows nothing of what came before its policy had anything to do, and remembers whom
            // it would have kept out of a scrape that would have failed: they are not new to its next policy.
            knows_last &= deck.last.acts() && !has_failed;
            // Whom one policy has kept out is not new to the next.
            is_same_past &= !deck.last.acts() && !last.acts();
        }
        match event {
            Event::Reload(other) => {
                is_same_past &= deck.first == other.first;
                deck = other.clone();
                let _ = [&mut enforced, &mut observed, &mut idle].map(|world| world.reload(&deck));
            }
            Event::Replace(last) => {
                deck.last = *last;
                let _ = [&mut enforced, &mut observed, &mut idle].map(|world| world.reload(&deck));
            }
            Event::Wait(seconds) => {
                let _ = [&mut enforced, &mut observed, &mut idle].map(|world| world.wait(*seconds));
            }
            Event::Restart => exporter.since = exporter.round,
            Event::Broken(jobs) => {
                let body = exporter.body(jobs).replace("# TYPE took", "!\n# TYPE took");
                for world in [&mut enforced, &mut observed, &mut idle] {
                    prop_assert!(world.scrape(false, &body).is_err());
                }
            }
            Event::Scrape { other, jobs } => {
                let body = exporter.body(jobs);
                let [did, would, without] =
                    [&mut enforced, &mut observed, &mut idle].map(|world| world.scrape(*other, &body));
                match (&would, &without) {
                    (Ok(would), Ok(without)) => nothing_else_changes(&deck, would, without)?,
                    (Err(would), Err(without)) => prop_assert_eq!(would, without),
                    _ => prop_assert!(false, "observing makes a scrape fail or not: {:?}", would.err()),
                }
                is_same_past &= !deck.meddles(setting) && setting.endpoint_series == 0;
                match (&did, &would) {
                    (Ok((_, did)), Ok((_, would))) => {
                        if knows_last && deck.last.acts() {
                            the_last_counts_alike(did, would)?;
                        }
                        if is_same_past {
                            the_others_count_alike(&deck, has_planned, did, would)?;
                        }
                    }
                    (Err(error), Ok((_, would))) => {
                        (is_same_past, has_failed) = (false, true);
                        the_last_would_fail(&deck, error, would)?;
                    }
                    // The limit of another makes it fail, which the last one would have kept from it.
                    (Ok(_), Err(_)) => (is_same_past, knows_last) = (false, false),
                    (Err(_), Err(_)) => {}
                }
            }
        }
    }
    Ok(())
}

type Counts = BTreeMap<(String, String, String, String), u64>;

fn counts<'a>(by: impl Iterator<Item = &'a Attributed>) -> Counts {
    let mut counts = Counts::new();
    for by in by {
        let (policy, label) = (by.cause.policy.to_string(), by.cause.label.to_string());
        *counts.entry((policy, by.metric.to_string(), label, by.cause.action.as_str().to_owned())).or_default() +=
            by.count;
    }
    counts
}

fn observed_of_last(by: &[Attributed]) -> Counts {
    counts(by.iter().filter(|by| &*by.cause.policy == "last"))
}

/// Which of two steps of one policy is to blame for a series that both change, and which of two labels
/// that one limit folded away, depends on what had been refused when the series was decided; a limit
/// behind them and a reload make the guard decide again. Of such a policy the sum is compared.
fn of_others(deck: &Deck, by: &[Attributed]) -> Counts {
    let mut all = Counts::new();
    for ((policy, metric, label, action), count) in counts(by.iter().filter(|by| &*by.cause.policy != "last")) {
        let at = policy.strip_prefix('p').and_then(|at| at.parse::<usize>().ok());
        let is_several = |(card, _): &(Card, _)| card.is_limit() || card.does.matches("action: ").count() > 1;
        let key = match at.and_then(|at| deck.first.get(at)).is_some_and(is_several) {
            true => (policy, metric, String::new(), String::new()),
            false => (policy, metric, label, action),
        };
        *all.entry(key).or_default() += count;
    }
    all
}

/// A label that is folded away, or would be.
type Folded = (String, String, &'static str, &'static str, bool, u64);

fn collapsed(report: &Report, is_meant: impl Fn(&str) -> bool) -> Vec<Folded> {
    let meant = report.collapsed.iter().filter(|c| is_meant(&c.learned.policy));
    let mut all: Vec<Folded> = meant
        .map(|c| {
            let (metric, label) = (c.learned.metric.to_string(), c.learned.label.to_string());
            (metric, label, c.aggregate, c.action.as_str(), c.novelty == Novelty::New, c.age_seconds as u64)
        })
        .collect();
    all.sort();
    all
}

/// The first law.
fn the_last_counts_alike(did: &Report, would: &Report) -> Result<(), TestCaseError> {
    prop_assert_eq!(observed_of_last(&would.observed_dropped_by), observed_of_last(&did.dropped_by), "dropped");
    prop_assert_eq!(observed_of_last(&would.observed_blocked_by), observed_of_last(&did.blocked_by), "blocked");
    prop_assert_eq!(observed_of_last(&would.observed_folded_by), observed_of_last(&did.folded_by), "folded");
    prop_assert_eq!(collapsed(would, |policy| policy == "last"), collapsed(did, |policy| policy == "last"));
    let done = [&would.dropped_by, &would.blocked_by, &would.folded_by].map(|by| observed_of_last(by).len());
    prop_assert_eq!(done, [0; 3], "it only observes");
    Ok(())
}

/// That there is too much is told by who only observes; nothing was counted of a scrape that failed
/// because its lines had left before they were to be folded.
fn the_last_would_fail(deck: &Deck, error: &ScrapeError, would: &Report) -> Result<(), TestCaseError> {
    let counted = observed_of_last(&would.observed_dropped_by);
    match error {
        ScrapeError::SeriesLimit { .. } if deck.limits_before().all(|limit| !limit.contains("fail")) => {
            let is_beyond = |f: &FamilyReport| f.limit.is_some_and(|limit| f.demand > limit);
            prop_assert!(would.families.iter().any(is_beyond), "{:?}", would.families);
        }
        ScrapeError::SeriesLimit { .. } => {}
        _ => prop_assert_eq!(counted, Counts::new()),
    }
    Ok(())
}

/// The second law. How the guard's own memory grows is not among the numbers: watching takes some.
fn nothing_else_changes(
    deck: &Deck,
    would: &(String, Report),
    without: &(String, Report),
) -> Result<(), TestCaseError> {
    let ((out, would), (without_out, without)) = (would, without);
    prop_assert_eq!(out, without_out);
    let scalars = |r: &Report| {
        let deeds = (r.received, r.forwarded, r.dropped, r.over_budget, r.frozen, r.collapsed_labels);
        (deeds, r.resets, r.rebaselined, r.input_duplicates, r.bucket_layout_conflicts, r.bad_samples.clone())
    };
    prop_assert_eq!(scalars(would), scalars(without));
    // It is of limits in force: who only observes has none to come near to. Its limit and what would
    // be in demand are told of each family.
    prop_assert_eq!(would.headroom, without.headroom);
    others(deck, would, without)?;
    let turnout = |family: &FamilyReport| (family.metric.to_string(), family.kind, family.received, family.forwarded);
    let turnouts = |r: &Report| r.families.iter().map(turnout).collect::<Vec<_>>();
    prop_assert_eq!(turnouts(would), turnouts(without));
    Ok(())
}

/// The third law.
fn the_others_count_alike(deck: &Deck, has_planned: bool, did: &Report, would: &Report) -> Result<(), TestCaseError> {
    others(deck, did, would)?;
    let limits =
        |r: &Report| -> Vec<_> { r.families.iter().map(|f| (f.metric.to_string(), f.limit, f.total)).collect() };
    prop_assert_eq!(limits(would), limits(did));
    // Where nothing limits a family, there would be as many as there are, and those are others once
    // somebody has planned it.
    let demand = |f: &&FamilyReport| f.limit.is_some() || f.total.is_some() || !has_planned;
    let demands =
        |r: &Report| -> Vec<_> { r.families.iter().filter(demand).map(|f| (f.metric.to_string(), f.demand)).collect() };
    prop_assert_eq!(demands(would), demands(did));
    Ok(())
}

/// What the policies before the last count, do and would do.
fn others(deck: &Deck, one: &Report, other: &Report) -> Result<(), TestCaseError> {
    let books = |r: &Report| {
        let done = [&r.dropped_by, &r.folded_by];
        let watched = [&r.observed_dropped_by, &r.observed_blocked_by, &r.observed_folded_by];
        done.into_iter().chain(watched).map(|by| of_others(deck, by)).collect::<Vec<_>>()
    };
    prop_assert_eq!(books(one), books(other), "dropped, folded; observed dropped, blocked, folded");
    // A series that was there before and is left out by the last policy is new to being left out, and
    // the one before it that would have folded it is told so.
    if !deck.last.leaves_out() {
        prop_assert_eq!(of_others(deck, &one.blocked_by), of_others(deck, &other.blocked_by), "blocked");
    }
    prop_assert_eq!(collapsed(one, |policy| policy != "last"), collapsed(other, |policy| policy != "last"));
    Ok(())
}

/// An exporter with a counter, a histogram, a gauge and a summary for each job.
struct Exporter {
    openmetrics: bool,
    round: u64,
    /// The round in which its process began.
    since: u64,
}

impl Exporter {
    fn body(&mut self, jobs: &[(u8, u8, u8)]) -> String {
        self.round += 1;
        let n = self.round - self.since;
        let (suffix, eof) = if self.openmetrics { ("", "# EOF\n") } else { ("_total", "") };
        // An empty label is none.
        let value = |letter: char, number: u8| if number == 0 { String::new() } else { format!("{letter}{number}") };
        let labels = |&(job, user, zone): &(u8, u8, u8)| {
            format!("job_id=\"{}\",user=\"{}\",zone=\"{}\"", value('j', job), value('u', user), value('z', zone))
        };
        let block = |head: &str, line: &dyn Fn(&str) -> String| -> String {
            std::iter::once(format!("# TYPE {head}\n")).chain(jobs.iter().map(|job| line(&labels(job)))).collect()
        };
        // An untouched series under a label set that was shown as a fold is folded, too (rule 0.11), and
        // loses its quantiles to who has folded the others. Behind another policy that label set was
        // never shown. So no summary comes untouched to where others are folded.
        let is_whole = |&&(job, user, zone): &&(u8, u8, u8)| job > 0 && user > 0 && zone > 0;
        let whole: Vec<String> = jobs.iter().filter(is_whole).map(labels).collect();
        let summaries: String = whole
            .iter()
            .map(|l| format!("waited{{{l},quantile=\"0.5\"}} 1\nwaited_sum{{{l}}} {n}\nwaited_count{{{l}}} {n}\n"))
            .collect();
        let (many, began) = (2 * n, 1_000 + 1_000 * self.since);
        [
            block(&format!("jobs{suffix} counter"), &|l| format!("jobs_total{{{l}}} {n}\n")),
            block("took histogram", &|l| {
                format!(
                    "took_bucket{{{l},le=\"1.0\"}} {n}\ntook_bucket{{{l},le=\"+Inf\"}} {many}\ntook_sum{{{l}}} {n}\ntook_count{{{l}}} {many}\n"
                )
            }),
            block("busy gauge", &|l| format!("busy{{{l}}} {n}\n")),
            format!("# TYPE waited summary\n{summaries}"),
            format!("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {began}\n{eof}"),
        ]
        .concat()
    }
}
