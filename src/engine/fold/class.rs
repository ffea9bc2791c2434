//! What many members have in common, kept once: members carry 4 bytes of it.

use std::collections::HashMap;

use super::family::FamilyId;
use super::layout::LayoutId;

/// There are as many as families, steps and layouts make, never as many as members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    pub family: FamilyId,
    /// Who changed the label set: an index the caller understands.
    pub cause: u32,
    /// What observers would make of it: an index the caller understands.
    pub shadow: u32,
    pub layout: LayoutId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassId(u32);

#[derive(Debug, Default)]
pub(super) struct Classes {
    all: Vec<Class>,
    index: HashMap<Class, ClassId>,
    /// What comes together is mostly of one class.
    recent: Option<(Class, ClassId)>,
}

impl Classes {
    #[inline]
    pub fn get(&self, id: ClassId) -> &Class {
        &self.all[id.0 as usize]
    }

    pub fn number(&mut self, class: Class) -> ClassId {
        if let Some((recent, id)) = self.recent
            && recent == class
        {
            return id;
        }
        let id = *self.index.entry(class).or_insert_with(|| {
            self.all.push(class);
            ClassId(self.all.len() as u32 - 1)
        });
        self.recent = Some((class, id));
        id
    }

    pub fn memory(&self) -> usize {
        self.all.capacity() * size_of::<Class>() + self.index.capacity() * (size_of::<Class>() + 8)
    }
}
