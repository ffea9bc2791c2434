//! Policies tried on real bodies: what matches nothing in any of them, and where a fold makes no
//! sense.

use std::collections::BTreeMap;

use super::files::Checked;
use super::places::{place, warning};
use crate::cli::body::Body;
use crate::cli::failure::Usage;
use crate::engine::guard::{Survey, Surveyed};
use crate::engine::model::LabelSet;
use crate::engine::policy::{self, Boundless, Finding, Mode, Outcome, Part, Policies, Source, Unused};

/// What the bodies show about one set of policies.
#[derive(Default)]
struct Shown {
    usage: policy::Usage,
    /// Doubts by the family they are about, with the policy to blame.
    doubts: BTreeMap<String, (String, String)>,
}

pub(super) fn read(names: &[String]) -> Result<Vec<Body>, Usage> {
    names.iter().map(|name| Body::read(name)).collect()
}

/// What the bodies say against the policies. Without bodies nothing can be said.
pub(super) fn unused(checked: &Checked, bodies: &[Body]) -> Result<Vec<Finding>, Usage> {
    let mut findings = Vec::new();
    if bodies.is_empty() {
        return Ok(findings);
    }
    for (policies, sources) in &checked.sets {
        let mut shown = Shown::default();
        for body in bodies {
            shown.try_on(policies, body)?;
        }
        let idle = policies.unused(&shown.usage);
        findings.extend(idle.iter().filter_map(|unused| idle_part(unused, sources, bodies)));
        findings.extend(
            shown
                .doubts
                .into_values()
                .filter_map(|(policy, doubt)| Some(warning(place(sources, &policy, None)?, doubt, None))),
        );
    }
    Ok(findings)
}

impl Shown {
    fn try_on(&mut self, policies: &Policies, body: &Body) -> Result<(), Usage> {
        let mut survey = Survey::new(policies.plan(None, Mode::Enforce), body.format);
        body.declare(&mut survey)?;
        let mut out = LabelSet::default();
        body.series(|name, labels| {
            survey.series(name, labels, |asked| self.note(asked, &mut out));
        })
    }

    fn note(&mut self, asked: Surveyed<'_>, out: &mut LabelSet) {
        let Surveyed { family, kind, plan, series } = asked;
        plan.note_use(series, &mut self.usage);
        let decision = plan.decide(series, out, &mut Boundless);
        if let Outcome::Changed(cause) = &decision.outcome
            && !self.doubts.contains_key(family)
            && let Some(doubt) = policy::fold_doubt(family, kind, plan.settings(decision.settings))
        {
            self.doubts.insert(family.to_owned(), (cause.policy.to_string(), doubt));
        }
    }
}

/// The built-in policy is in none of the files, and is to blame for nothing.
fn idle_part(unused: &Unused, sources: &[Source], bodies: &[Body]) -> Option<Finding> {
    let at = place(sources, &unused.policy, Some(unused.part))?;
    let what = match unused.part {
        Part::Selection => format!("policy `{}` selects no series", unused.policy),
        Part::Step(i) => format!("step {} of policy `{}` matches nothing", i + 1, unused.policy),
        Part::Rule(i) => format!("rule {} of policy `{}` matches nothing", i + 1, unused.policy),
    };
    let names: Vec<&str> = bodies.iter().map(|body| body.name.as_str()).collect();
    let help = "a misspelt name, or a body that lacks it?".to_owned();
    Some(warning(at, format!("{what} in {}", names.join(", ")), Some(help)))
}
