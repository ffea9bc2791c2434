//! An index from a 64-bit seeded hash to a position in a vector: 4 bytes and a control byte a slot,
//! because the key itself stands in the vector.

use hashbrown::HashTable;

use crate::engine::model::SeriesHash;

#[derive(Debug, Default)]
pub struct Index {
    slots: HashTable<u32>,
}

impl Index {
    pub fn find(&self, key: SeriesHash, key_at: impl Fn(u32) -> SeriesHash) -> Option<u32> {
        self.slots.find(key.0, |&i| key_at(i) == key).copied()
    }

    /// The key must not be there yet.
    pub fn insert(&mut self, key: SeriesHash, at: u32, key_at: impl Fn(u32) -> SeriesHash) {
        self.slots.insert_unique(key.0, at, |&i| key_at(i).0);
    }

    pub fn remove(&mut self, key: SeriesHash, at: u32) {
        if let Ok(entry) = self.slots.find_entry(key.0, |&i| i == at) {
            entry.remove();
        }
    }

    /// Starts again with the keys at `0..len`.
    pub fn rebuild(&mut self, len: usize, key_at: impl Fn(u32) -> SeriesHash) {
        self.slots = HashTable::with_capacity(len);
        for at in 0..len as u32 {
            self.insert(key_at(at), at, &key_at);
        }
    }

    pub fn memory(&self) -> usize {
        self.slots.allocation_size()
    }
}
