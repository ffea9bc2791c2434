//! Where one spelling of a series stands in the forecast of a body: 8 bytes, because there are as
//! many as an endpoint has series, and a scrape walks over all of them.

/// The spelling itself is not kept: whoever holds this holds its hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spelled {
    /// The one that followed in the last scrape, by a number of the caller's.
    pub next: u32,
    /// 0: no spelling at all.
    len: u16,
    /// The lower bits are a stamp, the upper ones a code of the caller's.
    tag: u16,
}

/// When something was last seen, modulo [`STAMPS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(u16);

const STAMP_BITS: u32 = 6;
const STAMP_MASK: u16 = (1 << STAMP_BITS) - 1;
/// Stamps come round after so many passes; 0 is never.
const STAMPS: u32 = STAMP_MASK as u32;
/// Stamps are wiped so often that none is older than a round.
const WIPE: u32 = STAMPS / 2;

/// Spellings this long or longer, and those that must not be predicted, are found by a table only.
const UNPREDICTABLE: u16 = 1 << 15;

impl Spelled {
    /// The largest code.
    pub const MOST: u16 = u16::MAX >> STAMP_BITS;

    /// A spelling of so many bytes; more than 32 kB, and it is not predicted.
    #[inline]
    pub fn new(len: usize, next: u32, code: u16) -> Spelled {
        let len = u16::try_from(len).unwrap_or(UNPREDICTABLE).clamp(1, UNPREDICTABLE);
        Spelled { next, len, tag: code << STAMP_BITS }
    }

    /// Bytes of the spelling; more than any input has, when it must not be predicted.
    #[inline]
    pub fn len(&self) -> usize {
        if self.len.wrapping_sub(1) < UNPREDICTABLE - 1 { usize::from(self.len) } else { usize::MAX }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same as before, but there is no spelling any more.
    pub fn forget(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.tag & STAMP_MASK)
    }

    #[inline]
    pub fn set_stamp(&mut self, stamp: Stamp) {
        self.tag = self.tag & !STAMP_MASK | stamp.0;
    }

    #[inline]
    pub fn code(&self) -> u16 {
        self.tag >> STAMP_BITS
    }

    #[inline]
    pub fn set_code(&mut self, code: u16) {
        self.tag = self.tag & STAMP_MASK | code << STAMP_BITS;
    }
}

impl Stamp {
    pub const NEVER: Stamp = Stamp(0);
    /// Bits of a stamp.
    pub const BITS: u32 = STAMP_BITS;

    /// The stamp of a pass.
    pub fn of(pass: u32) -> Stamp {
        Stamp((pass % STAMPS) as u16 + 1)
    }

    /// Whether all stamps are to be wiped before this pass.
    pub fn wipes(pass: u32) -> bool {
        pass.is_multiple_of(WIPE)
    }

    #[inline]
    pub fn raw(self) -> u16 {
        self.0
    }

    /// The stamp in the lower bits.
    #[inline]
    pub fn from_raw(raw: u16) -> Stamp {
        Stamp(raw & STAMP_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_wiped_before_it_comes_round() {
        for pass in 1..1000 {
            let again = (pass + 1..).find(|&p| Stamp::of(p) == Stamp::of(pass)).unwrap();
            assert!((pass + 1..=again).any(Stamp::wipes), "{pass}");
            assert_ne!(Stamp::of(pass), Stamp::NEVER);
        }
    }

    #[test]
    fn stamp_and_code_stand_beside_each_other() {
        let mut spelled = Spelled::new(118, 7, Spelled::MOST);
        spelled.set_stamp(Stamp::of(9));
        assert_eq!((spelled.len(), spelled.stamp(), spelled.code()), (118, Stamp::of(9), Spelled::MOST));
        spelled.set_code(5);
        assert_eq!((spelled.stamp(), spelled.code(), spelled.next), (Stamp::of(9), 5, 7));
        assert_eq!(size_of::<Spelled>(), 8);
    }

    #[test]
    fn what_is_too_long_is_there_and_has_no_length() {
        for (len, read) in [(1, 1), (32767, 32767), (32768, usize::MAX), (usize::MAX, usize::MAX)] {
            let spelled = Spelled::new(len, 0, 0);
            assert_eq!((spelled.len(), spelled.is_empty()), (read, false));
        }
        let mut spelled = Spelled::new(9, 0, 0);
        spelled.forget();
        assert_eq!((spelled.len(), spelled.is_empty()), (usize::MAX, true));
    }
}
