//! Where a line ends, found in steps: a scan that goes on where it stopped when more of the line
//! arrives, so that a long line in tiny chunks is looked at once.
//!
//! It knows of the syntax only what decides whether a newline is inside quotes. Whether the line
//! is any good is for the parser to say, once it is complete.

use crate::engine::model::Format;

/// How far the line at hand has been looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Framing {
    at: usize,
    place: Place,
}

/// What the bytes so far have opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the start, or in the blanks there.
    #[default]
    Start,
    /// Behind a comment's `#`.
    Hash,
    /// In the blanks behind it.
    Comment,
    /// In a keyword, with so much of it still to come.
    Keyword(&'static [u8]),
    /// In the blanks behind a keyword.
    Family,
    /// Where quotes mean nothing.
    Rest,
    /// In a sample, outside of braces.
    Outside,
    /// Inside of braces.
    Inside,
    /// Inside of quotes, and where their end leads.
    Quoted(Quotes),
    /// Behind a backslash inside of quotes.
    Escaped(Quotes),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    OfSample,
    OfFamily,
}

/// Where the line at hand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// It ends here, newline included.
    Complete(usize),
    Open,
}

impl Framing {
    /// Whether nothing of the line has been looked at.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.at == 0
    }

    #[inline]
    pub fn restart(&mut self) {
        *self = Framing::default();
    }

    /// Tells a fresh scan that the line is a sample whose series part ends at `from`.
    pub fn skip_series(&mut self, from: usize) {
        if self.is_fresh() {
            *self = Framing { at: from, place: Place::Outside };
        }
    }

    /// Looks at what `input`, the line from its start, has more than the last time.
    pub fn advance(&mut self, input: &[u8], format: Format) -> Frame {
        while let Some(rest) = input.get(self.at..).filter(|rest| !rest.is_empty()) {
            let skipped = match self.place {
                Place::Rest => memchr::memchr(b'\n', rest),
                Place::Outside => memchr::memchr2(b'\n', b'{', rest),
                Place::Inside => memchr::memchr3(b'\n', b'"', b'}', rest),
                Place::Quoted(_) => memchr::memchr2(b'"', b'\\', rest),
                _ => Some(0),
            };
            let Some(skipped) = skipped else {
                self.at = input.len();
                break;
            };
            let byte = rest[skipped];
            self.at += skipped + 1;
            self.place = match self.place.after(byte, format) {
                Some(place) => place,
                None => return Frame::Complete(self.at),
            };
        }
        Frame::Open
    }
}

impl Place {
    /// Where `byte` leads; `None` when it ends the line.
    fn after(self, byte: u8, format: Format) -> Option<Place> {
        Some(match (self, byte) {
            (Place::Quoted(Quotes::OfSample), b'"') => Place::Inside,
            (Place::Quoted(Quotes::OfFamily), b'"') => Place::Rest,
            (Place::Quoted(quotes), b'\\') => Place::Escaped(quotes),
            (Place::Escaped(quotes), 0) => Place::Escaped(quotes),
            (Place::Quoted(quotes) | Place::Escaped(quotes), _) => Place::Quoted(quotes),
            (_, b'\n') => return None,
            (Place::Start | Place::Comment | Place::Family, b' ' | b'\t') => self,
            (Place::Start, b'#') => Place::Hash,
            (Place::Start | Place::Outside, b'{') => Place::Inside,
            (Place::Start | Place::Outside, _) => Place::Outside,
            (Place::Hash, b' ' | b'\t') => Place::Comment,
            (Place::Comment, b'H') => Place::Keyword(b"ELP"),
            (Place::Comment, b'T') => Place::Keyword(b"YPE"),
            (Place::Comment, b'U') if format == Format::OpenMetrics => Place::Keyword(b"NIT"),
            (Place::Keyword([next, rest @ ..]), _) if *next == byte => Place::Keyword(rest),
            (Place::Keyword([]), b' ' | b'\t') => Place::Family,
            (Place::Family, b'"') => Place::Quoted(Quotes::OfFamily),
            (Place::Inside, b'"') => Place::Quoted(Quotes::OfSample),
            (Place::Inside, b'}') => Place::Outside,
            (Place::Inside, _) => Place::Inside,
            (Place::Hash | Place::Comment | Place::Keyword(_) | Place::Family | Place::Rest, _) => Place::Rest,
        })
    }
}
