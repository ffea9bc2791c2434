//! Members: what is remembered about each input series.

use super::family::FamilyId;
use super::group::GroupId;
use super::layout::LayoutId;
use super::table::Index;
use crate::engine::model::SeriesHash;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u32);

impl MemberId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a member begins.
#[derive(Clone, Copy, Debug)]
pub struct MemberSeed {
    /// Hash of family and input label set.
    pub key: SeriesHash,
    pub family: FamilyId,
    /// Who changed its label set: an index the caller understands.
    pub cause: u32,
    /// What observers would make of it: an index the caller understands.
    pub shadow: u32,
}

#[derive(Debug)]
pub struct Member {
    pub key: SeriesHash,
    /// Last good values by field; NaN where none was seen.
    values: Values,
    pub family: FamilyId,
    /// `None`: alone, and passes as it came (rule 0.11).
    pub group: Option<GroupId>,
    pub cause: u32,
    pub shadow: u32,
    pub layout: LayoutId,
    /// Second of the endpoint clock at which it was last in a committed scrape.
    pub seen: u32,
    /// The scrape in which it was last noted.
    pub scrape: u32,
}

/// Most members hold one number.
#[derive(Debug)]
enum Values {
    One(f64),
    Many(Vec<f64>),
}

impl Member {
    #[inline]
    pub fn last(&self, field: u32) -> f64 {
        match &self.values {
            Values::One(v) if field == 0 => *v,
            Values::One(_) => f64::NAN,
            Values::Many(values) => values.get(field as usize).copied().unwrap_or(f64::NAN),
        }
    }

    #[inline]
    pub fn set_last(&mut self, field: u32, value: f64) {
        match &mut self.values {
            Values::One(v) if field == 0 => *v = value,
            Values::One(v) => {
                let mut values = vec![f64::NAN; field as usize + 1];
                values[0] = *v;
                values[field as usize] = value;
                self.values = Values::Many(values);
            }
            Values::Many(values) => {
                if values.len() <= field as usize {
                    values.resize(field as usize + 1, f64::NAN);
                }
                values[field as usize] = value;
            }
        }
    }

    /// What it was is not known any more.
    pub fn forget(&mut self) {
        match &mut self.values {
            Values::One(v) => *v = f64::NAN,
            Values::Many(values) => values.clear(),
        }
    }

    /// Every field, from the first.
    pub(super) fn values(&self) -> &[f64] {
        match &self.values {
            Values::One(v) => std::slice::from_ref(v),
            Values::Many(values) => values,
        }
    }

    fn restart(&mut self) {
        let zero = |v: &mut f64| {
            if !v.is_nan() {
                *v = 0.0;
            }
        };
        match &mut self.values {
            Values::One(v) => zero(v),
            Values::Many(values) => values.iter_mut().for_each(zero),
        }
    }
}

/// All members of an endpoint, by position and by key.
#[derive(Debug, Default)]
pub struct Members {
    all: Vec<Member>,
    index: Index,
}

impl Members {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[inline]
    pub fn get(&self, id: MemberId) -> &Member {
        &self.all[id.index()]
    }

    #[inline]
    pub fn get_mut(&mut self, id: MemberId) -> &mut Member {
        &mut self.all[id.index()]
    }

    pub fn find(&self, key: SeriesHash) -> Option<MemberId> {
        self.index.find(key, |i| self.all[i as usize].key).map(MemberId)
    }

    pub(super) fn insert(&mut self, seed: MemberSeed, capacity: usize) -> MemberId {
        let id = self.all.len() as u32;
        let values = match capacity {
            0 | 1 => Values::One(f64::NAN),
            n => Values::Many(Vec::with_capacity(n)),
        };
        self.all.push(Member {
            key: seed.key,
            values,
            family: seed.family,
            group: None,
            cause: seed.cause,
            shadow: seed.shadow,
            layout: LayoutId::default(),
            seen: 0,
            scrape: 0,
        });
        self.index.insert(seed.key, id, |i| self.all[i as usize].key);
        MemberId(id)
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for at in len..self.all.len() {
            self.index.remove(self.all[at].key, at as u32);
        }
        self.all.truncate(len);
    }

    pub(super) fn restart(&mut self) {
        self.all.iter_mut().for_each(Member::restart);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all.iter()
    }

    /// Keeps the members `keep` wants, in order, and tells where each went.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Member) -> bool) -> Vec<Option<MemberId>> {
        let mut moved = Vec::with_capacity(self.all.len());
        let mut kept = 0;
        self.all.retain(|member| {
            let keep = keep(member);
            moved.push(keep.then_some(MemberId(kept)));
            kept += u32::from(keep);
            keep
        });
        self.all.shrink_to(self.all.len() + self.all.len() / 4);
        self.index.rebuild(self.all.len(), |i| self.all[i as usize].key);
        moved
    }

    pub fn for_each_mut(&mut self, f: impl FnMut(&mut Member)) {
        self.all.iter_mut().for_each(f);
    }

    pub(super) fn memory(&self) -> usize {
        let values = |m: &Member| match &m.values {
            Values::One(_) => 0,
            Values::Many(v) => v.capacity() * 8,
        };
        self.all.capacity() * size_of::<Member>()
            + self.index.memory()
            + self.all.first().map_or(0, values) * self.all.len()
    }
}
