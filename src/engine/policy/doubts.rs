//! Folds that make no sense, as far as the policies alone can tell: gauges that they name and
//! whose sum means little. Bodies tell more ([`super::fold_doubt`] on what is really folded).

use std::sync::Arc;

use super::compiled::{Effect, Policy};
use super::selector::Selector;
use super::{Aggregate, FamilyRef, FoldSettings, Policies, fold_doubt};
use crate::engine::model::Kind;

/// A policy to ask about, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub policy: Arc<str>,
    pub message: String,
}

impl Policies {
    /// Where policies fold a gauge that they name in a way that makes no sense.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for (at, policy) in self.list().iter().enumerate().filter(|(_, policy)| policy.effect.edits_labels()) {
            let names = policy.selectors.iter().flat_map(Selector::literal_names);
            for name in names.filter(|name| !self.passes_before(at, name)) {
                let settings = FoldSettings { aggregate: self.aggregate_of(name), ..FoldSettings::default() };
                let message = fold_doubt(name, Kind::Gauge, &settings);
                doubts.extend(message.map(|message| Doubt { policy: policy.name.clone(), message }));
            }
        }
        doubts
    }

    /// Whether an earlier policy lets the whole family pass.
    fn passes_before(&self, at: usize, name: &str) -> bool {
        let passes = |policy: &Arc<Policy>| matches!(policy.effect, Effect::Pass) && covers(policy, name);
        self.list()[..at].iter().any(passes)
    }

    /// What the first policy that covers the gauge `name` and sets it says.
    fn aggregate_of(&self, name: &str) -> Option<Aggregate> {
        let family = FamilyRef { name, kind: Kind::Gauge, names: &[name] };
        let covering = self.list().iter().filter(|policy| covers(policy, name));
        covering.filter_map(|policy| policy.fold.aggregate(family)).next()
    }
}

fn covers(policy: &Policy, name: &str) -> bool {
    policy.selectors.is_empty() || policy.selectors.iter().any(|selector| selector.covers(&[name]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::{Builtin, Source};
    use rstest::rstest;

    #[rstest]
    #[case("{name: a, match: cpu_ratio, labels: [{label: x, action: drop}]}", &["cpu_ratio"])]
    #[case("{name: a, match: '{__name__=~\"cpu_ratio|load_max|jobs\"}', labels: [{label: x, action: drop}]}", &["cpu_ratio", "load_max"])]
    #[case("{name: a, match: [cpu_ratio, jobs], metric_relabel_configs: [{action: labeldrop, regex: x}]}", &["cpu_ratio"])]
    #[case("{name: a, match: '{__name__=~\".+_ratio\"}', labels: [{label: x, action: drop}]}", &[])]
    #[case("{name: a, match: '{__name__!=\"cpu_ratio\"}', labels: [{label: x, action: drop}]}", &[])]
    #[case("{name: a, match: cpu_ratio, labels: [{label: x, action: drop}], aggregate: [{metric: .+_ratio, with: avg}]}", &[])]
    #[case("{name: a, match: cpu_ratio, action: drop}", &[])]
    #[case("{name: p, match: cpu_ratio, action: pass}, {name: a, match: cpu_ratio, labels: [{label: x, action: drop}]}", &[])]
    fn gauges_that_are_named_are_doubted(#[case] policies: &str, #[case] want: &[&str]) {
        let source = Source { name: "p".into(), text: format!("policies: [{policies}]") };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        let doubts = policies.doubts();
        let got: Vec<&str> = doubts.iter().filter_map(|doubt| doubt.message.split('`').nth(1)).collect();
        assert_eq!(got, want);
    }
}
