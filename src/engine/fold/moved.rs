//! Where members went when some of them left.

use super::gone::{Gone, WORD};
use super::member::MemberId;
use crate::engine::model::GONE;

/// A place is found by counting: no list is as long as there are members.
#[derive(Debug)]
pub struct Moved {
    gone: Gone,
    len: usize,
    kept: u32,
    way: Way,
}

/// Who took the free places.
#[derive(Debug)]
enum Way {
    /// All that were behind them: how many had gone before each word of bits.
    ClosedUp { before: Vec<u32> },
    /// The last ones, and where each of these went.
    Filled { last: Vec<Option<MemberId>> },
}

impl Moved {
    /// Everybody is where he was, but for the last ones, of whom nothing is known yet.
    pub(super) fn filled(len: usize, gone: Gone) -> Moved {
        let last = Way::Filled { last: vec![None; gone.len()] };
        Moved { len, kept: (len - gone.len()) as u32, gone, way: last }
    }

    pub(super) fn closed_up(len: usize, gone: Gone) -> Moved {
        let mut all = 0;
        let add = |word: &u64| {
            all += word.count_ones();
            all - word.count_ones()
        };
        let before = gone.words().iter().map(add).collect();
        Moved { len, kept: (len - gone.len()) as u32, gone, way: Way::ClosedUp { before } }
    }

    /// Those that went.
    pub(super) fn gone(&self) -> &Gone {
        &self.gone
    }

    /// One of the last took a free place.
    pub(super) fn went(&mut self, from: u32, to: u32) {
        if let Way::Filled { last } = &mut self.way
            && let Some(place) = last.get_mut((from - self.kept) as usize)
        {
            *place = Some(MemberId(to));
        }
    }

    /// Where a member is; `None` for one that was forgotten.
    #[inline]
    pub fn place(&self, id: MemberId) -> Option<MemberId> {
        let (word, bit) = (id.index() / WORD, id.0 % u64::BITS);
        let bits = *self.gone.words().get(word)?;
        if id.index() >= self.len || bits >> bit & 1 == 1 {
            return None;
        }
        match &self.way {
            Way::ClosedUp { before } => {
                let gone = before[word] + (bits & ((1 << bit) - 1)).count_ones();
                Some(MemberId(id.0 - gone))
            }
            Way::Filled { .. } if id.0 < self.kept => Some(id),
            Way::Filled { last } => last[(id.0 - self.kept) as usize],
        }
    }

    /// The same where nobody took another's place but by closing up, and without a branch that nobody
    /// could foretell: [`GONE`] for one that was forgotten.
    #[inline]
    pub(super) fn closed_up_to(&self, at: u32) -> u32 {
        let Way::ClosedUp { before } = &self.way else { return GONE };
        let (word, bit) = (at as usize / WORD, at % u64::BITS);
        let (Some(bits), Some(before)) = (self.gone.words().get(word), before.get(word)) else { return GONE };
        // Who comes together goes together: mostly a word goes as a whole or stays.
        let is_mixed = bits.wrapping_add(1) > 1;
        let among = if is_mixed { (bits & ((1 << bit) - 1)).count_ones() } else { 0 };
        let behind = at.wrapping_sub(before + among);
        // All bits, when it is gone.
        behind | 0_u32.wrapping_sub((bits >> bit & 1) as u32)
    }

    /// How many were forgotten.
    pub fn forgotten(&self) -> usize {
        self.len - self.kept as usize
    }

    /// Whether nobody before `first` has another place.
    pub fn begins_at(&self, first: usize) -> bool {
        matches!(self.way, Way::Filled { .. }) && self.kept as usize >= first
    }

    /// The places that the last ones took.
    pub fn last(&self) -> impl Iterator<Item = MemberId> {
        let last = if let Way::Filled { last } = &self.way { last.as_slice() } else { &[] };
        last.iter().copied().flatten()
    }
}

#[cfg(test)]
impl Moved {
    /// Those at these places went, and all others closed up.
    pub fn without(len: usize, places: &[u32]) -> Moved {
        Moved::closed_up(len, tests::gone(len, places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn gone(len: usize, places: &[u32]) -> Gone {
        let mut words = vec![0; len.div_ceil(WORD)];
        places.iter().for_each(|at| words[*at as usize / WORD] |= 1 << (at % u64::BITS));
        Gone::of(words)
    }

    #[test]
    fn who_stays_is_told_from_who_went() {
        let places = [0, 63, 64, 65, 199];
        let (closed, mut filled) = (Moved::without(200, &places), Moved::filled(200, gone(200, &places)));
        let holes = places.into_iter().filter(|&at| at < 195);
        (195..199).zip(holes).for_each(|(from, to)| filled.went(from, to));
        for at in 0..210 {
            let stays = at < 200 && !places.contains(&at);
            let behind = at - places.iter().filter(|gone| **gone < at).count() as u32;
            assert_eq!(closed.place(MemberId(at)), stays.then_some(MemberId(behind)), "{at}");
            assert!(at >= 200 || closed.closed_up_to(at) == if stays { behind } else { GONE }, "{at}");
            let place = if at < 195 { at } else { places[(at.min(198) - 195) as usize] };
            assert_eq!(filled.place(MemberId(at)), stays.then_some(MemberId(place)), "{at}");
        }
        assert_eq!([closed.forgotten(), filled.forgotten()], [5, 5]);
        assert!(!closed.begins_at(0) && filled.begins_at(195) && !filled.begins_at(196));
        let moved: Vec<u32> = filled.last().map(|id| id.0).collect();
        assert_eq!(moved, [0, 63, 64, 65]);
    }
}
