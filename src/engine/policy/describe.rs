//! What `check` says of policies that compile: each in words, and where a fold makes no sense.

use std::fmt::Write as _;
use std::time::Duration;

use super::compiled::{BudgetKeys, Effect, Enforcement, FoldKeys, Policy};
use super::raw::Word;
use super::selector::Selector;
use super::{Aggregate, FoldSettings, LimitAction, Policies};
use crate::engine::model::Kind;

impl Policies {
    /// Says what the policies do, in order: a line for each, and one for each of its steps.
    pub fn describe(&self) -> Vec<String> {
        self.list().iter().flat_map(|policy| describe(policy)).collect()
    }
}

fn describe(policy: &Policy) -> Vec<String> {
    let mut lines = vec![headline(policy)];
    lines.extend(policy.effect.steps().iter().enumerate().map(|(i, step)| format!("  step {}: {step}", i + 1)));
    lines.extend(policy.effect.rules().iter().enumerate().map(|(i, rule)| format!("  rule {}: {rule}", i + 1)));
    lines.extend(folding(&policy.fold).into_iter().map(|line| format!("  {line}")));
    lines.extend(limits(&policy.budget).into_iter().map(|line| format!("  {line}")));
    if !policy.keep_labels.is_empty() {
        lines.push(format!("  no budget may touch {}", policy.keep_labels.join(", ")));
    }
    lines
}

fn headline(policy: &Policy) -> String {
    let mut line = format!("policy `{}`: ", policy.name);
    let selectors: Vec<&str> = policy.selectors.iter().map(Selector::text).collect();
    // Writing to a String cannot fail.
    let _ = match selectors.as_slice() {
        [] => write!(line, "every series"),
        some => write!(line, "series of {}", some.join(" or ")),
    };
    if let Some(targets) = &policy.targets {
        let _ = write!(line, " of target {}", targets.join(", "));
    }
    line.push_str(match &policy.effect {
        Effect::Pass => ": left as they came, and no later policy applies",
        Effect::Drop => ": left out",
        Effect::Edit { .. } => "",
    });
    line.push_str(match policy.enforcement {
        Enforcement::Enforced => "",
        Enforcement::Observed => " (only observed: counted, not changed)",
    });
    line
}

fn folding(keys: &FoldKeys) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &keys.aggregate {
        let of = match (&rule.metric, rule.kind) {
            (None, None) => "what is folded".to_owned(),
            (Some(metric), None) => format!("folded `{}`", metric.text()),
            (None, Some(kind)) => format!("folded families of type {kind}"),
            (Some(metric), Some(kind)) => format!("folded `{}` of type {kind}", metric.text()),
        };
        lines.push(format!("{of}: {} of the members", rule.with.as_str()));
    }
    let times = [("hold", keys.hold), ("member_ttl", keys.member_ttl), ("group_ttl", keys.group_ttl)];
    let seconds = |(key, time): (&str, Option<Duration>)| time.map(|time| format!("{key} is {}s", time.as_secs_f64()));
    lines.extend(times.into_iter().filter_map(seconds));
    lines.extend(keys.histogram_buckets.as_ref().map(|buckets| format!("histogram boundaries are {buckets:?}")));
    lines
}

fn limits(keys: &BudgetKeys) -> Vec<String> {
    let mut lines = Vec::new();
    let what = [(keys.series_limit, "an endpoint"), (keys.series_limit_total, "all endpoints of a target together")];
    for (limit, of) in what.into_iter().filter_map(|(limit, of)| Some((limit?, of))) {
        lines.push(match limit {
            0 => format!("no limit on the series of a family of {of}"),
            limit => format!("at most {limit} series of a family of {of}"),
        });
    }
    lines.extend(keys.action.map(|action| format!("beyond a limit {}", action.in_words())));
    lines.extend(keys.series_ttl.map(|ttl| format!("series_ttl is {}s", ttl.as_secs_f64())));
    lines
}

impl LimitAction {
    fn in_words(self) -> &'static str {
        match self {
            LimitAction::Collapse => "the label that explains most is folded away",
            LimitAction::Overflow => "new series become one, `__overflow__`",
            LimitAction::Drop => "new series are left out",
            LimitAction::Fail => "the scrape fails",
        }
    }
}

impl Aggregate {
    pub fn as_str(self) -> &'static str {
        Aggregate::WORDS.iter().find(|(_, aggregate)| *aggregate == self).map_or("", |(word, _)| word)
    }
}

/// Why folding the gauge family `name` would make little sense with these settings; `None` when
/// it does make sense, or when the family is no gauge.
pub fn fold_doubt(name: &str, kind: Kind, settings: &FoldSettings) -> Option<String> {
    const DOUBTFUL: [(&str, &str); 5] =
        [("_ratio", "avg"), ("_percent", "avg"), ("_celsius", "avg"), ("_max", "max"), ("_min", "min")];
    if !matches!(kind, Kind::Gauge | Kind::Unknown) || !matches!(settings.aggregate, None | Some(Aggregate::Sum)) {
        return None;
    }
    let (suffix, better) = DOUBTFUL.iter().find(|(suffix, _)| name.ends_with(suffix))?;
    Some(format!(
        "the sum of `{name}` over several series means little (`*{suffix}`): \
         say `aggregate: [{{metric: {name}, with: {better}}}]`"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Builtin, Source};
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_step_is_told_in_words() {
        let text = r#"
policies:
  - name: a
    match: ['{__name__=~"x_.+"}', y]
    targets: celery
    mode: observe
    labels:
      - {label: job_id, action: drop}
      - {label: user, action: hash, buckets: 64}
      - {label: path, action: replace, regex: '/o/\d+', replacement: '/o/:id'}
      - {label: pod, action: replace, regex: 'x.*', replacement: ''}
      - {label: host, action: normalize, when: {shape: [uuid, ip]}}
      - {label: error, action: keep, values: [Timeout, Refused], regex: 'AR::.+'}
    metric_relabel_configs:
      - {action: labeldrop, regex: pod_.+}
    aggregate:
      - {metric: '.+_seen', type: gauge, with: max}
    hold: 1m
    histogram_buckets: [0.1, 1]
    keep_labels: [queue]
  - {name: b, action: pass, match: z}
  - {name: c, action: drop}
"#;
        let source = Source { name: "p".into(), text: text.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).expect("compiles");
        let want = "\
policy `a`: series of {__name__=~\"x_.+\"} or y of target celery (only observed: counted, not changed)
  step 1: label `job_id` goes
  step 2: label `user` becomes one of 64 buckets, as in `0/64`
  step 3: label `path` becomes `/o/:id` where its value is `/o/\\d+`
  step 4: label `pod` goes where its value is `x.*`
  step 5: ids inside label `host` become :uuid :ulid :hex :int :ip :email, only where the whole value looks like uuid or ip
  step 6: label `error` keeps `Timeout`, `Refused` and what fits `AR::.+`; any other value becomes `other`
  rule 1: labeldrop: labels `pod_.+` go
  folded `.+_seen` of type gauge: max of the members
  hold is 60s
  histogram boundaries are [0.1, 1.0]
  no budget may touch queue
policy `b`: series of z: left as they came, and no later policy applies
policy `c`: every series: left out";
        assert_eq!(policies.describe().join("\n"), want);
    }

    #[rstest]
    #[case("cpu_ratio", Kind::Gauge, None, true)]
    #[case("cpu_ratio", Kind::Gauge, Some(Aggregate::Sum), true)]
    #[case("cpu_ratio", Kind::Gauge, Some(Aggregate::Avg), false)]
    #[case("cpu_ratio", Kind::Counter, None, false)]
    #[case("temp_celsius", Kind::Unknown, None, true)]
    #[case("x_max", Kind::Gauge, None, true)]
    #[case("jobs", Kind::Gauge, None, false)]
    fn doubts_sums_without_sense(
        #[case] name: &str,
        #[case] kind: Kind,
        #[case] aggregate: Option<Aggregate>,
        #[case] doubt: bool,
    ) {
        let settings = FoldSettings { aggregate, ..FoldSettings::default() };
        assert_eq!(fold_doubt(name, kind, &settings).is_some(), doubt);
    }
}
