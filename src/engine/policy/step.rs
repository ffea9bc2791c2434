//! One step of a policy: which labels, under what condition, and what becomes of their values.

use std::fmt;
use std::num::NonZeroU64;

use super::pattern::Pattern;
use super::rewrite::Rewrite;
use super::shape::Shape;
use super::{Action, Ask, Ledger, Manner, Novelty, Room, Span, StepKey, hash, normalize};
use crate::engine::model::Seed;

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub label: Pattern,
    /// Only where the whole value looks like one of these; empty: everywhere.
    pub when: Box<[Shape]>,
    pub edit: Edit,
    /// Stands for the step where places are remembered: the same as long as it acts the same.
    pub key: StepKey,
}

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Drop,
    Hash(NonZeroU64),
    Replace(Rewrite),
    Normalize,
    Keep(Allowed),
    Limit(Ration),
    /// How many values have a place; one more, and the label goes.
    Collapse(u64),
}

/// How a `limit` step shares places out.
#[derive(Clone, Debug)]
pub(super) struct Ration {
    pub limit: u64,
    /// These have a place of their own.
    pub values: Box<[Box<str>]>,
    /// What every value without a place becomes; empty: the label goes.
    pub overflow: Box<str>,
}

/// The values a `keep` step leaves alone.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    pub values: Box<[Box<str>]>,
    pub regex: Option<Pattern>,
    /// What every other value becomes; empty: the label goes.
    pub overflow: Box<str>,
}

/// What a step did to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Unchanged,
    Removed,
    /// The new value is in the buffer.
    Rewritten,
}

/// The labels no step and no rule may touch: without them a sample is another sample.
pub(super) const RESERVED: [&str; 3] = ["__name__", "le", "quantile"];

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

impl Step {
    /// Says whether the step acts on labels of this name.
    pub fn wants(&self, name: &str) -> bool {
        !is_reserved(name) && self.label.fits(name)
    }

    /// The step of this policy, with its key.
    pub fn keyed(self, policy: &str) -> Step {
        let key = StepKey(Seed::new(0).hash(format!("{policy}\n{self}").as_bytes()).0);
        Step { key, ..self }
    }

    /// Whether the step is a budget: it counts values, and `keep_labels` are out of its reach.
    pub fn is_budget(&self) -> bool {
        matches!(self.edit, Edit::Limit(_) | Edit::Collapse(_))
    }

    /// What becomes of the value (never empty) of a label; a new one is written into `out`.
    pub fn apply(&self, name: &str, value: &str, out: &mut String, books: &mut Books<'_>) -> Applied {
        if !self.when.is_empty() && !self.when.iter().any(|shape| shape.fits(value)) {
            return Applied::Unchanged;
        }
        match &self.edit {
            Edit::Drop => return Applied::Removed,
            Edit::Hash(buckets) => hash::bucket_of(value, *buckets, out),
            Edit::Normalize => normalize::normalize(value, out),
            Edit::Replace(rewrite) => {
                if rewrite.apply(value, out).is_none() {
                    return Applied::Unchanged;
                }
            }
            Edit::Keep(allowed) if allowed.has(value) => return Applied::Unchanged,
            Edit::Keep(allowed) => {
                out.clear();
                out.push_str(&allowed.overflow);
            }
            Edit::Limit(ration) => {
                let has_place = ration.values.iter().any(|v| **v == *value) || *ration.overflow == *value;
                if has_place || books.ask(self.key, Span::Endpoint, name, value, ration.limit) == Room::Granted {
                    return Applied::Unchanged;
                }
                out.clear();
                out.push_str(&ration.overflow);
            }
            Edit::Collapse(limit) => {
                return match books.ask(self.key, Span::Family, name, value, *limit) {
                    Room::Granted => Applied::Unchanged,
                    Room::Refused(_) => Applied::Removed,
                };
            }
        }
        match out.as_str() {
            "" => Applied::Removed,
            new if new == value => Applied::Unchanged,
            _ => Applied::Rewritten,
        }
    }

    /// Says whether what the step does depends on how many values there were before.
    pub fn asks_for_room(&self) -> bool {
        matches!(self.edit, Edit::Limit(_) | Edit::Collapse(_))
    }

    /// Says whether a label alone is enough to give the step something to do.
    pub fn is_unconditional(&self) -> bool {
        self.when.is_empty() && !matches!(self.edit, Edit::Replace(_))
    }

    pub fn action(&self) -> Action {
        match self.edit {
            Edit::Drop => Action::Drop,
            Edit::Hash(_) => Action::Hash,
            Edit::Replace(_) => Action::Replace,
            Edit::Normalize => Action::Normalize,
            Edit::Keep(_) => Action::Keep,
            Edit::Limit(_) => Action::Limit,
            Edit::Collapse(_) => Action::Collapse,
        }
    }
}

/// The ledger, as one policy asks it.
pub(super) struct Books<'a> {
    pub ledger: &'a mut dyn Ledger,
    /// The policy that asks.
    pub policy: &'a str,
    pub manner: Manner,
    /// Whether a value was refused that never was before.
    pub newly_refused: bool,
}

impl Books<'_> {
    fn ask(&mut self, step: StepKey, span: Span, label: &str, value: &str, limit: u64) -> Room {
        let room = self.ledger.room(Ask { policy: self.policy, step, span, label, value, limit, manner: self.manner });
        self.newly_refused |= room == Room::Refused(Novelty::New);
        room
    }
}

impl Allowed {
    fn has(&self, value: &str) -> bool {
        self.values.iter().any(|allowed| **allowed == *value) || self.regex.as_ref().is_some_and(|r| r.fits(value))
    }
}

/// What the step does, in words and completely: two steps that print alike act alike.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.text();
        match &self.edit {
            Edit::Drop => write!(f, "label `{label}` goes")?,
            Edit::Hash(buckets) => write!(f, "label `{label}` becomes one of {buckets} buckets, as in `0/{buckets}`")?,
            Edit::Replace(r) if r.replacement_text().is_empty() => {
                write!(f, "label `{label}` goes where its value is `{}`", r.regex_text())?;
            }
            Edit::Replace(r) => {
                write!(
                    f,
                    "label `{label}` becomes `{}` where its value is `{}`",
                    r.replacement_text(),
                    r.regex_text()
                )?;
            }
            Edit::Normalize => write!(f, "ids inside label `{label}` become :uuid :ulid :hex :int :ip :email")?,
            Edit::Keep(allowed) => write!(f, "label `{label}` keeps {allowed}")?,
            Edit::Limit(ration) => write!(f, "label `{label}` keeps {ration}")?,
            Edit::Collapse(limit) => {
                write!(f, "label `{label}` stays while it has at most {limit} values, then it goes")?;
            }
        }
        if !self.when.is_empty() {
            let shapes: Vec<&str> = self.when.iter().map(|shape| shape.as_str()).collect();
            write!(f, ", only where the whole value looks like {}", shapes.join(" or "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Ration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first {} values", self.limit)?;
        if !self.values.is_empty() {
            let values: Vec<String> = self.values.iter().map(|value| format!("`{value}`")).collect();
            write!(f, " besides {}", values.join(", "))?;
        }
        match &*self.overflow {
            "" => f.write_str("; with any other value it goes"),
            overflow => write!(f, "; any other value becomes `{overflow}`"),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(|value| format!("`{value}`")).collect();
        let what = [Some(values.join(", ")), self.regex.as_ref().map(|regex| format!("what fits `{}`", regex.text()))];
        let what: Vec<String> = what.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        write!(f, "{}; ", what.join(" and "))?;
        match &*self.overflow {
            "" => f.write_str("with any other value it goes"),
            overflow => write!(f, "any other value becomes `{overflow}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Boundless;
    use super::*;
    use rstest::rstest;

    fn books(ledger: &mut dyn Ledger) -> Books<'_> {
        Books { ledger, policy: "p", manner: Manner::Enforced, newly_refused: false }
    }

    fn step(label: &str, edit: Edit) -> Step {
        Step { label: Pattern::new(label).expect("pattern"), when: Box::new([]), edit, key: StepKey::default() }
    }

    fn replace(regex: &str, replacement: &str) -> Edit {
        Edit::Replace(Rewrite::new(regex, replacement).expect("regex").0)
    }

    fn keep(values: &[&str], regex: Option<&str>, overflow: &str) -> Edit {
        Edit::Keep(Allowed {
            values: values.iter().map(|v| Box::from(*v)).collect(),
            regex: regex.map(|r| Pattern::new(r).expect("regex")),
            overflow: overflow.into(),
        })
    }

    fn becomes(edit: Edit, value: &str) -> String {
        let mut out = String::from("stale");
        match step(".+", edit).apply("x", value, &mut out, &mut books(&mut Boundless)) {
            Applied::Unchanged => value.to_owned(),
            Applied::Removed => String::new(),
            Applied::Rewritten => out,
        }
    }

    #[rstest]
    #[case(Edit::Drop, "x", "")]
    #[case(Edit::Hash(NonZeroU64::new(64).unwrap()), "a", "33/64")]
    #[case(Edit::Normalize, "/orders/123/items", "/orders/:int/items")]
    #[case(replace(r"/orders/\d+", "/orders/:id"), "/orders/12", "/orders/:id")]
    #[case(replace(r"/orders/\d+", "/orders/:id"), "/orders/12/x", "/orders/12/x")]
    #[case(replace(r"(.+)-[a-z0-9]{5}", "$1"), "worker-q8wzn", "worker")]
    #[case(replace(".*", ""), "x", "")]
    #[case(keep(&["Timeout"], Some("Net::.+"), "other"), "Timeout", "Timeout")]
    #[case(keep(&["Timeout"], Some("Net::.+"), "other"), "Net::X", "Net::X")]
    #[case(keep(&["Timeout"], Some("Net::.+"), "other"), "X", "other")]
    #[case(keep(&["Timeout"], None, "other"), "other", "other")]
    #[case(keep(&["Timeout"], None, ""), "X", "")]
    fn edits_a_value(#[case] edit: Edit, #[case] value: &str, #[case] want: &str) {
        assert_eq!(becomes(edit, value), want);
    }

    #[test]
    fn labels_are_matched_whole_and_reserved_ones_never() {
        let all = step(".+", Edit::Drop);
        assert!(all.wants("job_id"));
        assert!(RESERVED.iter().all(|name| !all.wants(name)));
        assert!(!step("job", Edit::Drop).wants("job_id"));
    }

    #[test]
    fn a_condition_looks_at_the_whole_value() {
        let when = Box::new([Shape::Uuid, Shape::Int]);
        let step =
            Step { label: Pattern::new(".+").expect("pattern"), when, edit: Edit::Drop, key: StepKey::default() };
        let mut out = String::new();
        assert_eq!(step.apply("x", "17", &mut out, &mut books(&mut Boundless)), Applied::Removed);
        assert_eq!(step.apply("x", "x-17", &mut out, &mut books(&mut Boundless)), Applied::Unchanged);
    }
}
