//! Which of many places are to be given up: a bit for each, so that no list is as long as there are
//! members.

/// In order.
#[derive(Debug)]
pub(super) struct Gone {
    /// One word for each 64 places.
    words: Vec<u64>,
    count: usize,
}

/// Places of one word.
pub(super) const WORD: usize = u64::BITS as usize;

impl Gone {
    /// A word for each 64 places, the first one's lowest bit is the first place's.
    pub fn of(words: Vec<u64>) -> Gone {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Gone { words, count }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub fn iter(&self) -> Places<impl Iterator<Item = (u32, u64)>> {
        let words = (0..).step_by(WORD).zip(self.words.iter().copied()).filter(|(_, word)| *word != 0);
        Places { words, from: 0, word: 0, left: self.count }
    }

    /// These go, too.
    pub fn unite(&mut self, others: &Gone) {
        self.words.iter_mut().zip(&others.words).for_each(|(word, others)| *word |= others);
        self.count = self.words.iter().map(|word| word.count_ones() as usize).sum();
    }

    /// From where to where places stay, in order.
    pub fn stays(&self, len: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let from = self.next(at, len, |word| !word);
            at = self.next(from, len, |word| word);
            (from < len).then_some(from..at)
        })
    }

    /// The first place from `at` on whose bit is set in what `look` makes of its word; `len` when there
    /// is none.
    fn next(&self, at: usize, len: usize, look: impl Fn(u64) -> u64) -> usize {
        let mut mask = u64::MAX << (at % WORD);
        for (word, nth) in self.words.iter().skip(at / WORD).zip(at / WORD..) {
            let found = look(*word) & mask;
            if found != 0 {
                return len.min(nth * WORD + found.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        len
    }
}

/// One place after the other.
pub(super) struct Places<W> {
    words: W,
    from: u32,
    word: u64,
    left: usize,
}

impl<W: Iterator<Item = (u32, u64)>> Iterator for Places<W> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.word == 0 {
            (self.from, self.word) = self.words.next()?;
        }
        let place = self.from + self.word.trailing_zeros();
        self.word &= self.word - 1;
        self.left -= 1;
        Some(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<W: Iterator<Item = (u32, u64)>> ExactSizeIterator for Places<W> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_go_and_ranges_that_stay() {
        for len in [1, 64, 65, 200] {
            for goes in [|_| true, |_| false, |at| at % 3 == 0, |at: u32| (60..130).contains(&at), |at| at == 63] {
                let mut words = vec![0_u64; (len as usize).div_ceil(WORD)];
                let places: Vec<u32> = (0..len).filter(|at| goes(*at)).collect();
                places.iter().for_each(|at| words[*at as usize / WORD] |= 1 << (at % 64));
                let mut gone = Gone::of(words);
                assert!(gone.iter().eq(places.iter().copied()) && gone.iter().len() == gone.len());
                let stays: Vec<u32> = gone.stays(len as usize).flatten().map(|at| at as u32).collect();
                assert!(stays.into_iter().eq((0..len).filter(|at| !goes(*at))), "{len}");
                let even = Gone::of(vec![0x5555_5555_5555_5555; gone.words().len()]);
                gone.unite(&even);
                assert!((0..len).filter(|at| goes(*at) || at % 2 == 0).all(|at| gone.iter().any(|gone| gone == at)));
                assert_eq!(gone.len(), gone.iter().count());
            }
        }
    }
}
