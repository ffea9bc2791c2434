//! Values and the places they have: the first so many keep their name, and a place is free again
//! when its value has not been seen for a while.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The values that one step has met under one label.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By the seeded hash of the value.
    by_value: HashMap<u64, Place, BuildHasherDefault<Hashed>>,
    granted: u64,
}

/// The keys are seeded hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub admission: Admission,
    /// Second of the endpoint clock at which the value was last seen.
    pub seen: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Granted,
    Refused,
}

/// What became of a value that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub admission: Admission,
    /// Whether this is the first time.
    pub novelty: super::Novelty,
}

/// Refused values are remembered, so that they stay refused while others go; of more than these
/// it is not known any more whether they were refused before.
const MOST_REFUSED: usize = 10_000;

impl Places {
    /// Gives `value` a place if there is one; who was answered once is answered the same again.
    pub fn ask(&mut self, value: u64, limit: u64, now: u32) -> Answer {
        use super::Novelty::{Known, New};
        if let Some(place) = self.by_value.get_mut(&value) {
            place.seen = place.seen.max(now);
            return Answer { admission: place.admission, novelty: Known };
        }
        let admission = if self.granted < limit { Admission::Granted } else { Admission::Refused };
        if admission == Admission::Granted || self.refused() < MOST_REFUSED {
            self.put(value, Place { admission, seen: now });
        }
        Answer { admission, novelty: New }
    }

    pub fn put(&mut self, value: u64, place: Place) {
        if self.by_value.insert(value, place).is_none() && place.admission == Admission::Granted {
            self.granted += 1;
        }
    }

    /// Takes an answer back: the scrape that asked has failed.
    pub fn take_back(&mut self, value: u64) {
        if self.by_value.remove(&value).is_some_and(|place| place.admission == Admission::Granted) {
            self.granted -= 1;
        }
    }

    /// The value was there at `now`.
    pub fn saw(&mut self, value: u64, now: u32) {
        if let Some(place) = self.by_value.get_mut(&value) {
            place.seen = place.seen.max(now);
        }
    }

    /// Frees the places of values not seen since `oldest`; says whose they were.
    pub fn free(&mut self, oldest: u32) -> Vec<u64> {
        let gone: Vec<u64> = self.by_value.iter().filter(|(_, place)| place.seen < oldest).map(|(&v, _)| v).collect();
        gone.iter().for_each(|&value| self.take_back(value));
        gone
    }

    /// Whether the value would be refused like any other that is not remembered, and forgotten again.
    pub fn is_beyond(&self, value: u64, limit: u64) -> bool {
        self.granted >= limit && self.refused() >= MOST_REFUSED && !self.knows(value)
    }

    /// Whether the value's answer is remembered.
    pub fn knows(&self, value: u64) -> bool {
        self.by_value.contains_key(&value)
    }

    /// Values that have a place.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Values that have asked, as far as they are remembered.
    pub fn demand(&self) -> u64 {
        self.by_value.len() as u64
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, Place)> {
        self.by_value.iter().map(|(&value, &place)| (value, place))
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.by_value.capacity() * (size_of::<(u64, Place)>() + 1)
    }

    fn refused(&self) -> usize {
        self.by_value.len() - self.granted as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::Novelty;
    use super::*;

    fn ask(places: &mut Places, value: u64, now: u32) -> (Admission, Novelty) {
        let Answer { admission, novelty } = places.ask(value, 2, now);
        (admission, novelty)
    }

    #[test]
    fn the_first_ones_in_stay_in() {
        let mut places = Places::default();
        assert_eq!(ask(&mut places, 1, 0), (Admission::Granted, Novelty::New));
        assert_eq!(ask(&mut places, 2, 0), (Admission::Granted, Novelty::New));
        assert_eq!(ask(&mut places, 3, 0), (Admission::Refused, Novelty::New));
        assert_eq!(ask(&mut places, 3, 1), (Admission::Refused, Novelty::Known));
        assert_eq!(ask(&mut places, 1, 1), (Admission::Granted, Novelty::Known));
        assert_eq!((places.granted(), places.demand()), (2, 3));
    }

    #[test]
    fn rule_5_3_a_place_is_free_when_its_value_is_unseen() {
        let mut places = Places::default();
        (1..=3).for_each(|value| assert_eq!(places.ask(value, 2, 0).novelty, Novelty::New));
        places.saw(2, 50);
        places.saw(3, 50);
        assert_eq!(places.free(50), [1]);
        // Who was refused stays so while he is seen; the place goes to somebody new.
        assert_eq!(ask(&mut places, 3, 51), (Admission::Refused, Novelty::Known));
        assert_eq!(ask(&mut places, 4, 51), (Admission::Granted, Novelty::New));
        assert_eq!(ask(&mut places, 5, 51), (Admission::Refused, Novelty::New));
    }

    #[test]
    fn what_a_failed_scrape_asked_was_never_asked() {
        let mut places = Places::default();
        places.ask(1, 1, 0);
        places.take_back(1);
        assert_eq!(ask(&mut places, 2, 0), (Admission::Granted, Novelty::New));
    }

    #[test]
    fn refusals_are_remembered_within_bounds() {
        let mut places = Places::default();
        (0..50_000).for_each(|value| assert_eq!(places.ask(value, 2, 0).novelty, Novelty::New));
        assert_eq!(places.demand(), 2 + MOST_REFUSED as u64);
    }
}
