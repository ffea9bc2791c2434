//! Which bucket boundaries a histogram member has, shared by all members that have the same.

use std::collections::HashMap;

/// One bucket boundary: compared as a number, printed as first seen (rule 3.6).
#[derive(Clone, Debug)]
pub struct Boundary {
    pub le: f64,
    pub text: Box<str>,
}

/// An append-only list of boundaries in the order in which a member showed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct LayoutId(pub u32);

/// The layouts of one family. Layout 0 is empty; each further one is another plus a boundary, so a
/// member walks a path that its likes have walked before it.
#[derive(Debug)]
pub struct Layouts {
    layouts: Vec<Vec<Boundary>>,
    steps: HashMap<(LayoutId, u64), LayoutId>,
    /// How many a committed scrape has shown.
    committed: usize,
}

impl Default for Layouts {
    fn default() -> Self {
        Layouts { layouts: vec![Vec::new()], steps: HashMap::new(), committed: 1 }
    }
}

impl Layouts {
    pub fn get(&self, id: LayoutId) -> &[Boundary] {
        &self.layouts[id.0 as usize]
    }

    /// Where `le` stands in the layout.
    pub fn position(&self, id: LayoutId, le: f64) -> Option<usize> {
        self.get(id).iter().position(|b| b.le == le)
    }

    /// The layout that has `le` besides, at its end.
    pub fn extend(&mut self, id: LayoutId, le: f64, text: &str) -> LayoutId {
        // 0.0 and -0.0 are one boundary: adding 0.0 makes them one key.
        let step = (id, (le + 0.0).to_bits());
        if let Some(&next) = self.steps.get(&step) {
            return next;
        }
        let next = LayoutId(self.layouts.len() as u32);
        let mut boundaries = self.get(id).to_vec();
        boundaries.push(Boundary { le, text: text.into() });
        self.layouts.push(boundaries);
        self.steps.insert(step, next);
        next
    }

    pub(super) fn commit(&mut self) {
        self.committed = self.layouts.len();
    }

    /// Forgets those that no committed scrape has shown.
    pub(super) fn rollback(&mut self) {
        if self.layouts.len() > self.committed {
            let committed = self.committed;
            self.layouts.truncate(committed);
            self.steps.retain(|_, layout| (layout.0 as usize) < committed);
        }
    }

    /// How many there are, the empty one included.
    pub fn len(&self) -> usize {
        self.layouts.len()
    }

    /// Each layout but the empty one, in order of birth: which one it extends, and by what.
    pub(super) fn steps(&self) -> impl Iterator<Item = (LayoutId, &Boundary)> {
        let mut parents = vec![LayoutId::default(); self.layouts.len()];
        for ((parent, _), child) in &self.steps {
            parents[child.0 as usize] = *parent;
        }
        parents.into_iter().zip(&self.layouts).skip(1).filter_map(|(parent, layout)| Some((parent, layout.last()?)))
    }

    pub fn memory(&self) -> usize {
        self.layouts.iter().map(|l| l.capacity() * 40).sum::<usize>() + self.steps.capacity() * 32
    }
}
