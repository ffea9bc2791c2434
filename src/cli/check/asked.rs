//! Policies against what rules and dashboards ask: every expression that selects, groups or matches
//! by a label that a policy removes or changes.

use std::collections::BTreeSet;

use super::files::Checked;
use super::places::place;
use super::takes::{Fate, Meant, Taken, Takes};
use crate::cli::body::Body;
use crate::cli::failure::Usage;
use crate::cli::promql::{Expression, How, Name, Questions, Read};
use crate::engine::policy::{Builtin, Finding, Severity};

/// Characters of an expression that are shown.
const SHOWN: usize = 160;

/// What the expressions say against the policies. `bodies` tell of metrics that no expression names.
pub(super) fn lost(checked: &Checked, questions: &Questions, bodies: &[Body]) -> Result<Vec<Finding>, Usage> {
    let metrics = metrics(questions, bodies)?;
    let mut findings = Vec::new();
    for (policies, sources) in &checked.sets {
        let mut sources = sources.clone();
        // What is in none of the files is the built-in policy.
        if policies.names(None).any(|name| place(&sources, name, None).is_none()) {
            sources.push(Builtin::source());
        }
        let takes = Takes::of(&sources);
        for expression in &questions.expressions {
            let mut told = BTreeSet::new();
            for read in &expression.query.reads {
                let taken = read.metrics.iter().find_map(|name| {
                    let meant = meant(name, &metrics, &questions.recorded)?;
                    takes.of_label(&meant, &read.label)
                });
                if let Some(taken) = taken
                    && told.insert((read.label.as_str(), read.how.words()))
                {
                    findings.push(finding(expression, read, &taken));
                }
            }
        }
    }
    Ok(findings)
}

/// The names of metrics that are known, apart from those that rules record.
fn metrics(questions: &Questions, bodies: &[Body]) -> Result<BTreeSet<String>, Usage> {
    let names = questions.expressions.iter().flat_map(|expression| &expression.query.metrics);
    let names = names.filter_map(|name| match name {
        Name::Is(name) => Some(name.clone()),
        _ => None,
    });
    let mut metrics: BTreeSet<String> = names.filter(|name| !questions.recorded.contains(name)).collect();
    for body in bodies {
        body.series(|name, _| {
            if !metrics.contains(name) {
                metrics.insert(name.to_owned());
            }
        })?;
    }
    Ok(metrics)
}

/// `None`: a metric that does not pass the guard.
fn meant<'m>(name: &'m Name, metrics: &'m BTreeSet<String>, recorded: &BTreeSet<String>) -> Option<Meant<'m>> {
    match name {
        Name::Is(name) if recorded.contains(name) => None,
        Name::Is(name) => Some(Meant::One(name)),
        name => Some(Meant::Some(metrics.iter().map(String::as_str).filter(|metric| name.fits(metric)).collect())),
    }
}

fn finding(expression: &Expression, read: &Read, taken: &Taken) -> Finding {
    let Taken { policy, part, fate } = taken;
    let label = &read.label;
    let fate = match fate {
        Fate::Removed => "removes",
        Fate::Changed => "changes",
    };
    let (severity, help) = match read.how {
        How::LeavesOut => (Severity::Note, "which makes no difference to the result".to_owned()),
        How::Shows => (Severity::Note, "its place in the annotation or legend stays empty".to_owned()),
        _ => {
            let keep = "keep it for this metric, by a policy with `action: pass` before this one";
            (Severity::Warning, format!("ask without `{label}`, or {keep}"))
        }
    };
    let message = format!(
        "`{}` {} `{label}`, which {part} of policy `{policy}` {fate}",
        one_line(&expression.text),
        read.how.words()
    );
    let (line, column) = (expression.at.line, expression.at.column);
    Finding { severity, file: expression.file.clone(), line, column, message, help: Some(help) }
}

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
