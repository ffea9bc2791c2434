//! Which steps act on labels of which name, worked out once for each name a family shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::step::Step;
use crate::engine::model::LabelSet;

/// What is known of the label at some position of a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    id: NameId,
    /// A bit for each of the first 64 steps that may act on it.
    bits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NameId(u16);

/// Label names, and which steps want them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<Arc<str>, NameId>,
    names: Vec<Name>,
    /// The name last seen at each position: series of a family mostly have the same labels.
    recent: Vec<(Arc<str>, Seen)>,
}

#[derive(Clone, Debug)]
struct Name {
    text: Arc<str>,
    /// A bit for each step.
    wanted: Box<[u64]>,
}

/// An exporter with more label names in one family is no reason to grow.
const MAX_NAMES: usize = 1_024;

/// A name beyond what is remembered: each step is asked each time.
const UNKNOWN: Seen = Seen { id: NameId(u16::MAX), bits: u64::MAX };

impl Seen {
    /// The steps (of the first 64) that may act on the label.
    #[inline]
    pub fn bits(self) -> u64 {
        self.bits
    }
}

impl Names {
    /// Looks at the name of the label at `position`; `steps` are all steps of the family, in order.
    #[inline]
    pub fn see<'s>(&mut self, labels: &LabelSet, position: usize, steps: impl Iterator<Item = &'s Step>) -> Seen {
        match self.recent.get(position) {
            Some((text, seen)) if labels.name_is(position, text) => *seen,
            _ => self.look_up(position, labels.name(position), steps),
        }
    }

    /// Says whether step number `number` acts on the label at `position`.
    #[inline]
    pub fn wanted(&self, seen: Seen, number: usize, step: &Step, labels: &LabelSet, position: usize) -> bool {
        if number < 64 && seen.bits >> number & 1 == 0 {
            return false;
        }
        match self.names.get(seen.id.0 as usize) {
            Some(known) => known.wanted[number / 64] >> (number % 64) & 1 == 1,
            None => step.wants(labels.name(position)),
        }
    }

    /// The name as shared text.
    pub fn text(&self, seen: Seen, name: &str) -> Arc<str> {
        self.names.get(seen.id.0 as usize).map_or_else(|| Arc::from(name), |known| known.text.clone())
    }

    #[cold]
    fn look_up<'s>(&mut self, position: usize, name: &str, steps: impl Iterator<Item = &'s Step>) -> Seen {
        let Some(id) = self.ids.get(name).copied().or_else(|| self.learn(name, steps)) else { return UNKNOWN };
        let known = &self.names[id.0 as usize];
        let seen = Seen { id, bits: known.wanted.first().copied().unwrap_or(0) };
        let entry = (known.text.clone(), seen);
        if let Some(recent) = self.recent.get_mut(position) {
            *recent = entry;
        } else if position == self.recent.len() && position < MAX_NAMES {
            self.recent.push(entry);
        }
        seen
    }

    fn learn<'s>(&mut self, name: &str, steps: impl Iterator<Item = &'s Step>) -> Option<NameId> {
        let id = NameId(u16::try_from(self.names.len()).ok().filter(|id| usize::from(*id) < MAX_NAMES)?);
        let mut wanted = Vec::new();
        for (i, step) in steps.enumerate() {
            if i % 64 == 0 {
                wanted.push(0u64);
            }
            wanted[i / 64] |= u64::from(step.wants(name)) << (i % 64);
        }
        let text: Arc<str> = Arc::from(name);
        self.names.push(Name { text: text.clone(), wanted: wanted.into() });
        self.ids.insert(text, id);
        Some(id)
    }
}
