//! Which parts of the policies have anything to do on given series: what is left over is misspelt,
//! or meant for something else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::decide::{self, Trace};
use super::{Boundless, FamilyPlan, Policies, SeriesRef};
use crate::engine::model::LabelSet;

/// A part of a policy, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What it selects.
    Selection,
    Step(usize),
    Rule(usize),
}

/// The parts that had something to do, by policy.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    policies: HashMap<Arc<str>, BTreeSet<Part>>,
}

/// A part that had nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    pub policy: Arc<str>,
    pub part: Part,
}

/// The parts that a walk comes upon, with the place of their policy in the plan.
struct Used(Vec<(usize, Part)>);

impl Trace for Used {
    fn say(&mut self, _: usize, _: impl FnOnce() -> String) {}

    fn used(&mut self, policy: usize, part: Part) {
        self.0.push((policy, part));
    }
}

impl FamilyPlan {
    /// The same walk as [`FamilyPlan::decide`], noting what it came upon.
    pub fn note_use(&mut self, series: SeriesRef<'_>, usage: &mut Usage) {
        let mut used = Used(Vec::new());
        decide::walk(self, series, &mut LabelSet::default(), &mut Boundless, &mut used);
        for (policy, part) in used.0 {
            let name = &self.policies[policy].policy.name;
            match usage.policies.get_mut(name) {
                Some(parts) => drop(parts.insert(part)),
                None => drop(usage.policies.insert(name.clone(), BTreeSet::from([part]))),
            }
        }
    }
}

impl Policies {
    /// What had nothing to do, in order. Of a policy that selected nothing, only that is said.
    pub fn unused(&self, usage: &Usage) -> Vec<Unused> {
        let mut unused = Vec::new();
        for policy in self.list() {
            let unused_part = |part| Unused { policy: policy.name.clone(), part };
            let Some(used) = usage.policies.get(&policy.name) else {
                unused.push(unused_part(Part::Selection));
                continue;
            };
            let steps = (0..policy.effect.steps().len()).map(Part::Step);
            let rules = (0..policy.effect.rules().len()).map(Part::Rule);
            unused.extend(steps.chain(rules).filter(|part| !used.contains(part)).map(unused_part));
        }
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Kind;
    use crate::engine::policy::{Builtin, FamilyRef, Mode, Source};

    const POLICIES: &str = r#"
policies:
  - name: a
    labels:
      - {label: job_id, action: drop}
      - {label: jobid, action: drop}
      - {label: path, action: replace, regex: '/a/.+', replacement: '/a'}
      - {label: host, action: normalize}
      - {label: host, action: drop, when: {shape: [uuid]}}
    metric_relabel_configs:
      - {action: labeldrop, regex: pod}
      - {action: labeldrop, regex: hst}
  - {name: b, match: other, action: drop}
  - {name: c, match: '{queue="mail"}', mode: observe, labels: [{label: queue, action: drop}]}
"#;

    #[test]
    fn what_had_nothing_to_do_is_named() {
        let source = Source { name: "p".into(), text: POLICIES.into() };
        let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).unwrap();
        let names = ["x"];
        let mut plan =
            policies.plan(None, Mode::Enforce).family(FamilyRef { name: "x", kind: Kind::Gauge, names: &names });
        let mut usage = Usage::default();
        let labels = [("host", "db"), ("job_id", "1"), ("path", "/b/1"), ("pod", "p"), ("queue", "mail")];
        let labels: LabelSet = labels.into_iter().collect();
        plan.note_use(SeriesRef { name: "x", reserved: None, labels: &labels }, &mut usage);
        let unused = policies.unused(&usage);
        let unused: Vec<(&str, Part)> = unused.iter().map(|unused| (&*unused.policy, unused.part)).collect();
        let want = [
            ("a", Part::Step(1)),
            ("a", Part::Step(2)),
            ("a", Part::Step(4)),
            ("a", Part::Rule(1)),
            ("b", Part::Selection),
        ];
        assert_eq!(unused, want);
    }
}
