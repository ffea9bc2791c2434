//! Which steps act on labels of which name, worked out once for each name a family shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::step::Step;

/// A label name seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameId(u16);

impl NameId {
    /// A name beyond what is remembered: its steps are worked out each time.
    pub const UNKNOWN: NameId = NameId(u16::MAX);
}

/// Names and, for each, a bit for every step of the family.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<Arc<str>, NameId>,
    names: Vec<Arc<str>>,
    /// `words` of them for each name.
    bits: Vec<u64>,
    /// The name last seen at each position: series of a family mostly have the same labels.
    recent: Vec<NameId>,
    words: usize,
}

/// An exporter with more label names in one family is no reason to grow.
const MAX_NAMES: usize = 1_024;

impl Names {
    pub fn new(steps: usize) -> Names {
        Names { words: steps.div_ceil(64), ..Names::default() }
    }

    /// The id of the name of the label at `position`.
    #[inline]
    pub fn id<'s>(&mut self, position: usize, name: &str, steps: impl Iterator<Item = &'s Step>) -> NameId {
        if let Some(recent) = self.recent.get(position)
            && self.names.get(recent.0 as usize).is_some_and(|seen| **seen == *name)
        {
            return *recent;
        }
        let id = self.ids.get(name).copied().unwrap_or_else(|| self.learn(name, steps));
        if self.recent.len() <= position && position < MAX_NAMES {
            self.recent.resize(position + 1, NameId::UNKNOWN);
        }
        if let Some(recent) = self.recent.get_mut(position) {
            *recent = id;
        }
        id
    }

    pub fn words(&self) -> usize {
        self.words
    }

    /// The bits of the steps that may want the name, 64 steps a word.
    #[inline]
    pub fn bits(&self, id: NameId, word: usize) -> u64 {
        self.bits.get(id.0 as usize * self.words + word).copied().unwrap_or(u64::MAX)
    }

    #[inline]
    pub fn wanted(&self, id: NameId, step: usize) -> Wanted {
        match self.bits(id, step / 64) >> (step % 64) & 1 {
            _ if id == NameId::UNKNOWN => Wanted::AskTheStep,
            1 => Wanted::Yes,
            _ => Wanted::No,
        }
    }

    /// The name as shared text, if it is remembered.
    pub fn text(&self, id: NameId) -> Option<&Arc<str>> {
        self.names.get(id.0 as usize)
    }

    #[cold]
    fn learn<'s>(&mut self, name: &str, steps: impl Iterator<Item = &'s Step>) -> NameId {
        if self.names.len() >= MAX_NAMES {
            return NameId::UNKNOWN;
        }
        let id = NameId(self.names.len() as u16);
        let text: Arc<str> = Arc::from(name);
        let start = self.bits.len();
        self.bits.resize(start + self.words, 0);
        for (i, _) in steps.enumerate().filter(|(_, step)| step.wants(name)) {
            self.bits[start + i / 64] |= 1 << (i % 64);
        }
        self.names.push(text.clone());
        self.ids.insert(text, id);
        id
    }
}

/// Whether a step acts on labels of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    No,
    AskTheStep,
}
