//! Choices and bodies out of the bytes that a fuzzer gives.

/// The first bytes are choices, the rest is text.
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub fn new(data: &'a [u8]) -> Bytes<'a> {
        Bytes(data)
    }

    /// The next byte; 0 when there is none.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The rest in parts: a byte that is no UTF-8 at all stands between them.
    pub fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == 0xfe)
    }
}
