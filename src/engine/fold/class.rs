//! What many members have in common, kept once: members carry 4 bytes of it.

use std::collections::HashMap;

use hashbrown::HashTable;

use super::family::FamilyId;
use super::group::GroupId;
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

/// Where increments of a member go, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// A position, or [`Role::ALONE`].
    pub(super) group: u32,
    pub class: ClassId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoleId(u32);

impl RoleId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// There are as many as groups and classes make together.
#[derive(Debug, Default)]
pub(super) struct Roles {
    all: Vec<Role>,
    index: HashTable<RoleId>,
}

impl Role {
    const ALONE: u32 = u32::MAX;

    pub fn new(group: Option<GroupId>, class: ClassId) -> Role {
        Role { group: group.map_or(Role::ALONE, |group| group.0), class }
    }

    /// `None`: alone, and passes as it came (rule 0.11).
    #[inline]
    pub fn group(self) -> Option<GroupId> {
        (self.group != Role::ALONE).then_some(GroupId(self.group))
    }

    /// Both are small numbers of our own: nobody can make them collide.
    #[inline]
    fn hash(self) -> u64 {
        let mixed = (u64::from(self.group) << 32 | u64::from(self.class.0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

impl Roles {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Role> {
        self.all.iter().copied()
    }

    #[inline]
    pub fn get(&self, id: RoleId) -> Role {
        self.all[id.0 as usize]
    }

    #[inline]
    pub fn number(&mut self, role: Role) -> RoleId {
        let Roles { all, index } = self;
        if let Some(known) = index.find(role.hash(), |id| all[id.0 as usize] == role) {
            return *known;
        }
        let id = RoleId(all.len() as u32);
        all.push(role);
        index.insert_unique(role.hash(), id, |id| all[id.0 as usize].hash());
        id
    }

    /// Groups went to other places, or away.
    pub fn follow_groups(&mut self, new: impl Fn(GroupId) -> Option<GroupId>) {
        let Roles { all, index } = self;
        index.clear();
        for at in 0..all.len() {
            let role = Role::new(all[at].group().and_then(&new), all[at].class);
            all[at] = role;
            if index.find(role.hash(), |id| all[id.0 as usize] == role).is_none() {
                index.insert_unique(role.hash(), RoleId(at as u32), |id| all[id.0 as usize].hash());
            }
        }
    }

    pub fn memory(&self) -> usize {
        self.all.capacity() * size_of::<Role>() + self.index.capacity() * 5
    }
}

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

    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.all.iter()
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
