//! A compiled rule and what it does to a series.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::super::hash;
use super::super::pattern::Pattern;
use super::super::rewrite::Rewrite;
use super::super::step::is_reserved;
use super::super::template::{MAX_VALUE, Template};
use super::super::{SeriesRef, relabel::case};
use crate::engine::model::LabelSet;

#[derive(Clone, Debug)]
pub(in super::super) struct Rule {
    pub source_labels: Box<[Box<str>]>,
    pub separator: Box<str>,
    pub verb: Verb,
}

/// What a rule does with the source labels' joined values, or with label names.
#[derive(Clone, Debug)]
pub(in super::super) enum Verb {
    Replace { rewrite: Rewrite, target: Target },
    Keep(Pattern),
    Drop(Pattern),
    KeepEqual(Arc<str>),
    DropEqual(Arc<str>),
    HashMod { modulus: NonZeroU64, target: Arc<str> },
    Lowercase(Arc<str>),
    Uppercase(Arc<str>),
    LabelMap(Rewrite),
    LabelDrop(Pattern),
    LabelKeep(Pattern),
}

#[derive(Clone, Debug)]
pub(in super::super) enum Target {
    Label(Arc<str>),
    /// `target_label: x_$1`.
    Template {
        template: Template,
        text: Box<str>,
    },
}

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Ruled {
    Unchanged,
    /// This label was set or removed (the first, where there are several).
    Changed(Arc<str>),
    /// The series is left out.
    Dropped,
}

impl Rule {
    /// Applies the rule to `out`, the labels as they are by now.
    pub fn apply(&self, series: SeriesRef<'_>, out: &mut LabelSet) -> Ruled {
        match &self.verb {
            Verb::Keep(pattern) => drop_if(!pattern.fits(&self.value(series, out))),
            Verb::Drop(pattern) => drop_if(pattern.fits(&self.value(series, out))),
            Verb::KeepEqual(target) => drop_if(self.value(series, out) != get(series, out, target)),
            Verb::DropEqual(target) => drop_if(self.value(series, out) == get(series, out, target)),
            Verb::Replace { rewrite, target } => replace(rewrite, target, &self.value(series, out), out),
            Verb::HashMod { modulus, target } => {
                let value = self.value(series, out);
                write(out, target, &hash::bucket(value.as_bytes(), *modulus).to_string())
            }
            Verb::Lowercase(target) => write(out, target, &case::lower(&self.value(series, out))),
            Verb::Uppercase(target) => write(out, target, &case::upper(&self.value(series, out))),
            Verb::LabelMap(rewrite) => label_map(rewrite, series, out),
            Verb::LabelDrop(pattern) => remove(out, |name| pattern.fits(name)),
            Verb::LabelKeep(pattern) => remove(out, |name| !pattern.fits(name)),
        }
    }

    /// Says whether the rule can do more than leave series out.
    pub fn edits_labels(&self) -> bool {
        !matches!(self.verb, Verb::Keep(_) | Verb::Drop(_) | Verb::KeepEqual(_) | Verb::DropEqual(_))
    }

    /// Says whether it can give the lines of one histogram or summary other labels, by `le`,
    /// `quantile` or the sample's name.
    pub fn may_split(&self) -> bool {
        self.edits_labels() && !matches!(self.verb, Verb::LabelDrop(_) | Verb::LabelKeep(_))
    }

    fn value(&self, series: SeriesRef<'_>, out: &LabelSet) -> String {
        let mut value = String::new();
        for (i, label) in self.source_labels.iter().enumerate() {
            value.push_str(if i > 0 { &self.separator } else { "" });
            value.push_str(get(series, out, label));
        }
        value
    }
}

/// A label as Prometheus would see it: with the name and with `le` or `quantile`.
fn get<'s>(series: SeriesRef<'s>, out: &'s LabelSet, label: &str) -> &'s str {
    match series.reserved {
        Some((name, value)) if name == label => value,
        _ if label == "__name__" => series.name,
        _ => out.get(label).unwrap_or(""),
    }
}

fn drop_if(hit: bool) -> Ruled {
    if hit { Ruled::Dropped } else { Ruled::Unchanged }
}

fn replace(rewrite: &Rewrite, target: &Target, value: &str, out: &mut LabelSet) -> Ruled {
    let mut new = String::new();
    match target {
        Target::Label(label) => match rewrite.apply(value, &mut new) {
            Some(()) => write(out, label, &new),
            None => Ruled::Unchanged,
        },
        Target::Template { template, .. } => {
            let mut label = String::new();
            match rewrite.apply_with(value, template, &mut label, &mut new) {
                Some(()) => write(out, &Arc::from(label), &new),
                None => Ruled::Unchanged,
            }
        }
    }
}

/// Sets a label (an empty value removes it). A name worked out from values may turn out to be one
/// that no rule may write: then nothing happens.
fn write(out: &mut LabelSet, label: &Arc<str>, value: &str) -> Ruled {
    let same = out.get(label).unwrap_or("") == value;
    if same || label.is_empty() || is_reserved(label) || value.len() > MAX_VALUE {
        return Ruled::Unchanged;
    }
    out.set(label, value);
    Ruled::Changed(label.clone())
}

fn remove(out: &mut LabelSet, goes: impl Fn(&str) -> bool) -> Ruled {
    let mut first = Ruled::Unchanged;
    let mut i = 0;
    while i < out.len() {
        let name = out.name(i);
        if is_reserved(name) || !goes(name) {
            i += 1;
            continue;
        }
        if first == Ruled::Unchanged {
            first = Ruled::Changed(Arc::from(name));
        }
        out.remove_at(i);
    }
    first
}

fn label_map(rewrite: &Rewrite, series: SeriesRef<'_>, out: &mut LabelSet) -> Ruled {
    let mut mapped: Vec<(String, String)> = Vec::new();
    let own = [("__name__", series.name)].into_iter().chain(series.reserved);
    for (name, value) in own.chain(out.iter()) {
        let mut new = String::new();
        if rewrite.apply(name, &mut new).is_some() {
            mapped.push((new, value.to_owned()));
        }
    }
    let mut first = Ruled::Unchanged;
    for (name, value) in mapped {
        let done = write(out, &Arc::from(name), &value);
        if first == Ruled::Unchanged {
            first = done;
        }
    }
    first
}

/// What the rule does, in words.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match &*self.source_labels {
            [] => "nothing".to_owned(),
            labels => format!("`{}`", labels.join(&self.separator)),
        };
        match &self.verb {
            Verb::Replace { rewrite, target } if self.source_labels.is_empty() && rewrite.regex_text() == "(.*)" => {
                write!(f, "replace: label `{}` becomes `{}`", target.text(), rewrite.replacement_text())
            }
            Verb::Replace { rewrite, target } => {
                let (regex, new) = (rewrite.regex_text(), rewrite.replacement_text());
                write!(f, "replace: label `{}` becomes `{new}` where {value} is `{regex}`", target.text())
            }
            Verb::Keep(pattern) => write!(f, "keep: series stay where {value} is `{}`", pattern.text()),
            Verb::Drop(pattern) => write!(f, "drop: series are left out where {value} is `{}`", pattern.text()),
            Verb::KeepEqual(label) => write!(f, "keepequal: series stay where {value} is the value of `{label}`"),
            Verb::DropEqual(label) => {
                write!(f, "dropequal: series are left out where {value} is the value of `{label}`")
            }
            Verb::HashMod { modulus, target } => {
                write!(f, "hashmod: label `{target}` becomes the hash of {value} modulo {modulus}")
            }
            Verb::Lowercase(target) => write!(f, "lowercase: label `{target}` becomes {value} in lower case"),
            Verb::Uppercase(target) => write!(f, "uppercase: label `{target}` becomes {value} in upper case"),
            Verb::LabelMap(rewrite) => {
                let (regex, new) = (rewrite.regex_text(), rewrite.replacement_text());
                write!(f, "labelmap: labels `{regex}` are copied to `{new}`")
            }
            Verb::LabelDrop(pattern) => write!(f, "labeldrop: labels `{}` go", pattern.text()),
            Verb::LabelKeep(pattern) => write!(f, "labelkeep: labels other than `{}` go", pattern.text()),
        }
    }
}

impl Target {
    fn text(&self) -> &str {
        match self {
            Target::Label(label) => label,
            Target::Template { text, .. } => text,
        }
    }
}
