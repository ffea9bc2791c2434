//! Which labels the policies take away or change, and of which metrics: read off their files, so
//! that it holds for every value a label may have.

use regex::Regex;

use super::places::{get, items, text};
use crate::cli::guess;
use crate::engine::guard::Survey;
use crate::engine::model::{Format, LabelSet};
use crate::engine::policy::yaml::{self, Node};
use crate::engine::policy::{Builtin, Mode, Plan, Policies, Source};

/// A name that only a pattern for any name fits.
const NO_LABEL: &str = "\u{1}";

/// What the policies of some files take.
pub(super) struct Takes {
    policies: Vec<Taker>,
}

/// What happens to a label, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub policy: String,
    /// `step 1 (drop)`
    pub part: String,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Removed,
    Changed,
}

/// The metrics an expression may mean.
pub(super) enum Meant<'m> {
    One(&'m str),
    /// Of the metrics that are known, these; there may be others.
    Some(Vec<&'m str>),
}

struct Taker {
    name: String,
    covers: Covers,
    effect: Effect,
}

enum Covers {
    Every,
    /// Those that this plan reaches.
    Reached(Plan),
}

enum Effect {
    /// Nothing, and no later policy either.
    Pass,
    Takes(Vec<Part>),
}

struct Part {
    words: String,
    fate: Fate,
    labels: Labels,
}

enum Labels {
    Fit(Regex),
    /// `labelkeep`
    FitNot(Regex),
}

impl Takes {
    /// Of files that compile; observing policies take nothing.
    pub(super) fn of(sources: &[Source]) -> Takes {
        let mut policies = Vec::new();
        for source in sources {
            let Ok(root) = yaml::parse(&source.name, &source.text) else { continue };
            policies.extend(get(&root, "policies").into_iter().flat_map(items).filter_map(taker));
        }
        Takes { policies }
    }

    /// What becomes of a label first.
    pub(super) fn of_label(&self, metrics: &Meant<'_>, label: &str) -> Option<Taken> {
        match metrics {
            Meant::One(metric) => self.of_metric(Some(metric), label),
            Meant::Some(known) => self
                .of_metric(None, label)
                .or_else(|| known.iter().find_map(|metric| self.of_metric(Some(metric), label))),
        }
    }

    fn of_metric(&self, metric: Option<&str>, label: &str) -> Option<Taken> {
        for policy in self.policies.iter().filter(|policy| policy.covers.metric(metric)) {
            let Effect::Takes(parts) = &policy.effect else { return None };
            if let Some(part) = parts.iter().find(|part| part.labels.have(label)) {
                return Some(Taken { policy: policy.name.clone(), part: part.words.clone(), fate: part.fate });
            }
        }
        None
    }
}

impl Covers {
    /// `None`: a metric of any name.
    fn metric(&self, metric: Option<&str>) -> bool {
        match (self, metric) {
            (Covers::Every, _) => true,
            (Covers::Reached(_), None) => false,
            (Covers::Reached(plan), Some(metric)) => {
                let labels: LabelSet = metric.ends_with("_bucket").then_some(("le", "1")).into_iter().collect();
                let kind = guess::kind(metric, &labels);
                let mut survey = Survey::new(plan.clone(), Format::Text);
                survey.declare(guess::family(metric, kind), kind);
                survey.series(metric, &labels, |asked| !asked.plan.is_untouched())
            }
        }
    }
}

/// No policy touches these: a sample's own, and those that Prometheus adds after the guard.
const OUT_OF_REACH: [&str; 5] = ["__name__", "le", "quantile", "job", "instance"];
/// What Prometheus puts before the name of an exposed label that it adds too.
const EXPORTED: &str = "exported_";

impl Labels {
    /// Whether they hold the label that an expression calls so.
    fn have(&self, label: &str) -> bool {
        let exposed = label.strip_prefix(EXPORTED).is_some_and(|exposed| self.fit(exposed));
        exposed || !OUT_OF_REACH.contains(&label) && self.fit(label)
    }

    fn fit(&self, label: &str) -> bool {
        match self {
            Labels::Fit(regex) => regex.is_match(label),
            Labels::FitNot(regex) => !regex.is_match(label),
        }
    }
}

fn taker(policy: &Node) -> Option<Taker> {
    let word = |key| get(policy, key).and_then(text);
    if word("mode").is_some_and(|mode| mode != "enforce") || word("action") == Some("drop") {
        return None;
    }
    let effect = match word("action") {
        Some(_) => Effect::Pass,
        None => Effect::Takes(parts(policy)),
    };
    let covers = match get(policy, "match") {
        None => Covers::Every,
        Some(selectors) => Covers::Reached(reached(selectors)?),
    };
    Some(Taker { name: word("name")?.to_owned(), covers, effect })
}

/// A plan that reaches what these selectors select.
fn reached(selectors: &Node) -> Option<Plan> {
    let selectors: Vec<&str> = selectors.items().iter().filter_map(text).collect();
    let selectors = serde_json::to_string(&selectors).ok()?;
    let text = format!("policies: [{{name: covers, match: {selectors}, labels: [{{label: covered, action: drop}}]}}]");
    let (policies, _) = Policies::compile(&[Source { name: String::new(), text }], Builtin::Excluded, None).ok()?;
    Some(policies.plan(None, Mode::Enforce))
}

fn parts(policy: &Node) -> Vec<Part> {
    let list = |key| get(policy, key).map(items).unwrap_or_default();
    let steps = list("labels").iter().enumerate().filter_map(|(i, node)| step(i + 1, node));
    let rules = list("metric_relabel_configs").iter().enumerate().filter_map(|(i, node)| rule(i + 1, node));
    steps.chain(rules).collect()
}

fn step(number: usize, step: &Node) -> Option<Part> {
    let action = get(step, "action").and_then(text)?;
    let pattern = anchored(get(step, "label").and_then(text)?)?;
    if get(step, "when").is_some() && pattern.is_match(NO_LABEL) {
        // Every label, where its value looks like an id: whose does, no file says.
        return None;
    }
    let labels = Labels::Fit(pattern);
    let fate = if matches!(action, "drop" | "collapse") { Fate::Removed } else { Fate::Changed };
    Some(Part { words: format!("step {number} ({action})"), fate, labels })
}

fn rule(number: usize, rule: &Node) -> Option<Part> {
    let word = |key| get(rule, key).and_then(text);
    let action = word("action").unwrap_or("replace").to_ascii_lowercase();
    let (labels, fate) = match action.as_str() {
        "labeldrop" => (Labels::Fit(anchored(word("regex")?)?), Fate::Removed),
        "labelkeep" => (Labels::FitNot(anchored(word("regex")?)?), Fate::Removed),
        "replace" | "hashmod" | "lowercase" | "uppercase" => {
            (Labels::Fit(anchored(&regex::escape(word("target_label")?))?), Fate::Changed)
        }
        _ => return None,
    };
    Some(Part { words: format!("rule {number} ({action})"), fate, labels })
}

fn anchored(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?s:{pattern})$")).ok()
}
