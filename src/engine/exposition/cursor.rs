//! A place in a line, and the few moves both formats share.

use std::ops::Range;

use super::error::SyntaxErrorKind;

pub(super) type Parsed<T> = Result<T, SyntaxErrorKind>;

/// A place in a line. The input may go on behind the line, or end before it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub input: &'a [u8],
    pub at: usize,
    /// Whether the input's end is the body's.
    pub last: bool,
    /// So much of the input is known to be UTF-8: checking a line once is cheaper than its parts.
    text: &'a str,
}

const METRIC: u8 = 1;
const LABEL: u8 = 2;
const DIGIT: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut b = 0;
    while b < 256 {
        classes[b] = match b as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => METRIC | LABEL,
            b':' => METRIC,
            b'0'..=b'9' => DIGIT,
            _ => 0,
        };
        b += 1;
    }
    classes
};

impl<'a> Cursor<'a> {
    #[inline]
    pub fn new(input: &'a [u8], at: usize, last: bool) -> Cursor<'a> {
        Cursor { input, at, last, text: "" }
    }

    /// A cursor at the start of `input` that has looked at its first `end` bytes as text.
    #[inline]
    pub fn checked(input: &'a [u8], end: usize, last: bool) -> Cursor<'a> {
        let text = input.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        Cursor { input, at: 0, last, text }
    }

    /// A part of the input, if it is UTF-8.
    #[inline]
    pub fn text(&self, range: Range<usize>) -> Option<&'a str> {
        self.text.get(range.clone()).or_else(|| std::str::from_utf8(self.input.get(range)?).ok())
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// The byte before this place.
    #[inline]
    pub fn behind(&self) -> Option<u8> {
        self.input.get(self.at.wrapping_sub(1)).copied()
    }

    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Moves behind `byte` if it stands here.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    #[inline]
    pub fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Moves behind `[a-zA-Z_:][a-zA-Z0-9_:]*`, or nowhere.
    #[inline]
    pub fn metric_name(&mut self) {
        self.word(METRIC);
    }

    /// Moves behind `[a-zA-Z_][a-zA-Z0-9_]*`, or nowhere.
    #[inline]
    pub fn label_name(&mut self) {
        self.word(LABEL);
    }

    #[inline]
    fn word(&mut self, first: u8) {
        if let [initial, rest @ ..] = self.rest()
            && CLASSES[usize::from(*initial)] & first != 0
        {
            let more = rest.iter().position(|b| CLASSES[usize::from(*b)] & (first | DIGIT) == 0);
            self.at += 1 + more.unwrap_or(rest.len());
        }
    }

    /// The end of the line, without its newline.
    pub fn line_end(&self) -> Parsed<usize> {
        match memchr::memchr(b'\n', self.rest()) {
            Some(i) => Ok(self.at + i),
            None if self.last => Ok(self.input.len()),
            None => Err(SyntaxErrorKind::Incomplete),
        }
    }

    /// Moves behind the newline, or stays at the body's end; `other` when something else is here.
    #[inline]
    pub fn newline(&mut self, other: SyntaxErrorKind) -> Parsed<()> {
        match self.peek() {
            Some(b'\n') => self.at += 1,
            None if self.last => {}
            None => return Err(SyntaxErrorKind::Incomplete),
            Some(b'\r') => return Err(SyntaxErrorKind::CarriageReturn),
            Some(0) => return Err(SyntaxErrorKind::Nul),
            Some(_) => return Err(other),
        }
        Ok(())
    }

    /// The error when the byte here is not the one wanted: at the input's end, and at a NUL, the
    /// reason is another one.
    #[cold]
    pub fn unexpected(&self, kind: SyntaxErrorKind) -> SyntaxErrorKind {
        match self.peek() {
            None if !self.last => SyntaxErrorKind::Incomplete,
            Some(0) => SyntaxErrorKind::Nul,
            _ => kind,
        }
    }
}

/// Whether `name` can stand without quotes before the braces.
#[allow(
    clippy::redundant_closure_for_method_calls,
    clippy::redundant_closure,
    reason = "the method's path fixes one lifetime where any is wanted"
)]
pub(super) fn is_metric_name(name: &str) -> bool {
    is_word(name, |cursor| cursor.metric_name())
}

/// Whether `name` can stand without quotes before a `=`.
#[allow(
    clippy::redundant_closure_for_method_calls,
    clippy::redundant_closure,
    reason = "the method's path fixes one lifetime where any is wanted"
)]
pub(super) fn is_label_name(name: &str) -> bool {
    is_word(name, |cursor| cursor.label_name())
}

fn is_word(name: &str, walk: fn(&mut Cursor<'_>)) -> bool {
    let mut cursor = Cursor::new(name.as_bytes(), 0, true);
    walk(&mut cursor);
    cursor.at == name.len() && !name.is_empty()
}
