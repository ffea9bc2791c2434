//! Every policy there is, in the order in which it applies.

use std::sync::Arc;

use super::compiled::{Enforcement, Policy};
use super::plan::{Plan, Planned};
use super::{Builtin, Finding, Ground, Mode, Severity, Source, compile};

/// Every policy, in the order in which it applies.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    list: Vec<Arc<Policy>>,
}

/// What a policy can come to be counted under at one target.
#[derive(Clone, Debug)]
pub struct Prospect<'a> {
    pub policy: &'a str,
    pub grounds: Vec<Ground>,
    /// How far it goes there.
    pub mode: Mode,
}

impl Policies {
    /// Reads and compiles `files` in the given order, the built-in policy after them when asked.
    /// `targets` are the names `targets:` may use (`None`: any name is fine).
    /// All findings at once; `Err` when one of them is an error, else the warnings come along.
    pub fn compile(
        files: &[Source],
        builtin: Builtin,
        targets: Option<&[String]>,
    ) -> Result<(Policies, Vec<Finding>), Vec<Finding>> {
        let shipped = (builtin == Builtin::Included).then(Builtin::source);
        let (list, findings) = compile::compile(files.iter().chain(&shipped), targets);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        Ok((Policies { list: list.into_iter().map(Arc::new).collect() }, findings))
    }

    /// The part that applies to one target (`None`: whatever is bound to no target in particular
    /// and also what is bound to any, as `filter` and `explain` want it). `mode` is the weaker of
    /// settings and target.
    pub fn plan(&self, target: Option<&str>, mode: Mode) -> Plan {
        let weakened = |policy: &Arc<Policy>| match mode {
            Mode::Enforce => policy.enforcement,
            Mode::Observe | Mode::Pass => Enforcement::Observed,
        };
        let applying = self.list.iter().filter(|policy| mode != Mode::Pass && policy.applies_to(target));
        Plan::new(applying.map(|policy| Planned { policy: policy.clone(), enforcement: weakened(policy) }).collect())
    }

    /// The names of those that apply to a target (`None` as in [`Policies::plan`]), in order.
    pub fn names(&self, target: Option<&str>) -> impl Iterator<Item = &str> {
        self.list.iter().filter(move |policy| policy.applies_to(target)).map(|policy| &*policy.name)
    }

    /// What those that apply to a target can be counted under, in order.
    pub fn prospects(&self, target: &str, mode: Mode) -> impl Iterator<Item = Prospect<'_>> {
        let applying = self.list.iter().filter(move |policy| policy.applies_to(Some(target)));
        applying.map(move |policy| Prospect {
            policy: &policy.name,
            grounds: policy.grounds().collect(),
            mode: match policy.enforcement {
                Enforcement::Enforced => mode,
                Enforcement::Observed => mode.min(Mode::Observe),
            },
        })
    }

    pub(super) fn list(&self) -> &[Arc<Policy>] {
        &self.list
    }
}

impl Builtin {
    /// The shipped default policy, as a file among others.
    pub fn source() -> Source {
        Source {
            name: "default.yaml (built-in)".to_owned(),
            text: include_str!("../../../policies/default.yaml").to_owned(),
        }
    }
}
