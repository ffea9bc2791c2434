//! What is counted about one label of a family.

use super::census::Bounds;
use super::distinct::Count;
use super::lately::{Arrival, Lately};

/// Sample values kept of each label.
pub const SAMPLES: usize = 3;
/// Bytes kept of each sample value.
pub const SAMPLE_BYTES: usize = 128;

/// One label of a family. `T` is the caller's word for the look of a value.
#[derive(Clone, Debug)]
pub struct Label<T> {
    name: Box<str>,
    values: Lately,
    /// The family's label sets, each without this label.
    without: Lately,
    now: Portrait<T>,
    before: Portrait<T>,
}

/// What the values of one generation look like.
#[derive(Clone, Debug)]
struct Portrait<T> {
    carriers: u64,
    samples: Vec<Box<str>>,
    looks: Vec<(T, u64)>,
}

/// How a label's values look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// Nearly all of them alike (19 of 20).
    Alike(T),
    Mixed,
}

impl<T: Copy + PartialEq> Label<T> {
    /// A label that no series has had so far: without it they are what they are.
    pub(super) fn new(name: &str, series: &Lately, bounds: Bounds) -> Label<T> {
        Label {
            name: name.into(),
            values: Lately::new(bounds.exact_values),
            without: series.copy_with(bounds.exact_sets),
            now: Portrait::default(),
            before: Portrait::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Distinct values.
    pub fn values(&self) -> Count {
        self.values.count()
    }

    /// How many series the family would have without this label.
    pub fn leaves(&self) -> Count {
        self.without.count()
    }

    /// How many series have it, when each is added once a generation.
    pub fn carriers(&self) -> u64 {
        self.now.carriers + self.before.carriers
    }

    /// Up to three values, the first that came. Long ones are cut and end in `…`.
    pub fn samples(&self) -> impl Iterator<Item = &str> {
        let older = self.before.samples.iter().filter(|sample| !self.now.samples.contains(sample));
        self.now.samples.iter().chain(older).take(SAMPLES).map(|sample| &**sample)
    }

    /// How its values look; `None` when there are none.
    pub fn look(&self) -> Option<Look<T>> {
        let of = |look: T| self.now.count_of(look) + self.before.count_of(look);
        let looks = || self.now.looks.iter().chain(&self.before.looks).map(|(look, _)| *look);
        let total: u64 = self.now.total() + self.before.total();
        let alike = looks().find(|&look| of(look) * 20 >= total * 19);
        (total > 0).then(|| alike.map_or(Look::Mixed, Look::Alike))
    }

    /// A series that has this label came. `series` says whether it was there before.
    pub(super) fn add(&mut self, value: &str, hash: u64, without: u64, series: Arrival, look: impl FnOnce(&str) -> T) {
        self.without.insert(without);
        self.now.carriers += 1;
        // What may have been there before is taken to have been, or every generation would add up.
        if series != Arrival::New {
            self.before.carriers = self.before.carriers.saturating_sub(1);
        }
        if matches!(self.values.insert(hash), Arrival::New | Arrival::Again | Arrival::Fresh) {
            self.now.note(value, look(value));
        }
    }

    /// A series that lacks it came.
    pub(super) fn pass(&mut self, series: u64) {
        self.without.insert(series);
    }

    pub(super) fn turn(&mut self) {
        self.values.turn();
        self.without.turn();
        self.before = std::mem::take(&mut self.now);
    }

    /// Whether no series had it lately.
    pub(super) fn is_gone(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn memory(&self) -> usize {
        let portraits = self.now.memory() + self.before.memory();
        self.name.len() + self.values.memory() + self.without.memory() + portraits
    }
}

impl<T: Copy + PartialEq> Portrait<T> {
    fn note(&mut self, value: &str, look: T) {
        match self.looks.iter_mut().find(|(known, _)| *known == look) {
            Some((_, count)) => *count += 1,
            None => self.looks.push((look, 1)),
        }
        if self.samples.len() < SAMPLES {
            self.samples.push(cut(value));
        }
    }

    fn count_of(&self, look: T) -> u64 {
        self.looks.iter().find(|(known, _)| *known == look).map_or(0, |(_, count)| *count)
    }

    fn total(&self) -> u64 {
        self.looks.iter().map(|(_, count)| count).sum()
    }

    fn memory(&self) -> usize {
        let samples: usize = self.samples.iter().map(|sample| sample.len()).sum();
        samples + self.samples.capacity() * size_of::<Box<str>>() + self.looks.capacity() * size_of::<(T, u64)>()
    }
}

impl<T> Default for Portrait<T> {
    fn default() -> Self {
        Portrait { carriers: 0, samples: Vec::new(), looks: Vec::new() }
    }
}

/// At most [`SAMPLE_BYTES`] of a value.
fn cut(value: &str) -> Box<str> {
    if value.len() <= SAMPLE_BYTES {
        return value.into();
    }
    let room = SAMPLE_BYTES - '…'.len_utf8();
    let end = (0..=room).rev().find(|&end| value.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &value[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_samples_are_cut_between_characters() {
        assert_eq!(&*cut("short"), "short");
        for value in ["x".repeat(500), "ü".repeat(500), format!("x{}", "€".repeat(500))] {
            let cut = cut(&value);
            assert!(cut.len() <= SAMPLE_BYTES && cut.len() > SAMPLE_BYTES - 8 && cut.ends_with('…'), "{cut}");
        }
    }
}
