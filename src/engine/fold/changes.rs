//! What members have changed to, in few bytes: those that moved mostly stand one behind the other,
//! and hold one number that is a count.
//!
//! ```text
//! member  head 1 | members left out, unless it is the next one | layout, unless it is as before | numbers
//! number  a count: 7 bits a byte, low ones first; any other: 8 bytes
//! ```

use serde::{Deserialize, Serialize, Serializer};

use super::layout::LayoutId;
use super::member::{MemberId, Members};

/// Runs of members that have other values than before: written as they are found.
#[derive(Debug)]
pub struct Changed<'a>(pub(super) &'a Members, pub(super) &'a [(u32, u32)]);

/// The same, to be read.
#[derive(Debug, Default, Deserialize)]
pub struct Changes(Vec<u8>);

/// A member and what it holds now.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub at: u32,
    pub layout: LayoutId,
    pub values: Numbers,
}

#[derive(Debug, PartialEq)]
pub(super) enum Numbers {
    One(f64),
    Many(Vec<f64>),
}

/// How many members stand between it and the one before follows.
const PLACED: u8 = 1;
/// Its layout follows.
const LAID_OUT: u8 = 2;
/// One number that is no count.
const REAL: u8 = 4;
/// Several numbers: how many, and for each whether it is a count.
const MANY: u8 = 8;
const ALL: u8 = PLACED | LAID_OUT | REAL | MANY;

/// Bytes that a member mostly takes.
const USUAL: usize = 4;

impl Serialize for Changed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Changed(members, runs) = *self;
        let mut writer = Writer::new(runs.iter().map(|(_, len)| *len as usize).sum());
        for id in runs.iter().flat_map(|&(first, len)| (first..first + len).map(MemberId)) {
            let layout = members.class(id).layout;
            match members.only_value(id) {
                Some(value) => writer.one(id.0, layout, value),
                None => writer.many(id.0, layout, &members.values(id)),
            }
        }
        serializer.serialize_bytes(&writer.out)
    }
}

impl Changes {
    /// One after the other; `None` stands for bytes that are none, and for the last time.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<Change>> {
        let mut reader = Reader { rest: &self.0, next: 0, layout: 0 };
        std::iter::from_fn(move || {
            if reader.rest.is_empty() {
                return None;
            }
            let change = reader.change();
            if change.is_none() {
                reader.rest = &[];
            }
            Some(change)
        })
    }
}

struct Writer {
    out: Vec<u8>,
    /// Where the member behind the last one stands, and which layout that one had.
    next: u32,
    layout: u32,
}

impl Writer {
    fn new(members: usize) -> Writer {
        Writer { out: Vec::with_capacity(members * USUAL), next: 0, layout: 0 }
    }

    #[inline]
    fn one(&mut self, at: u32, layout: LayoutId, value: f64) {
        match as_count(value) {
            Some(count) => {
                self.head(0, at, layout.0);
                self.count(count);
            }
            None => {
                self.head(REAL, at, layout.0);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn many(&mut self, at: u32, layout: LayoutId, values: &[f64]) {
        self.head(MANY, at, layout.0);
        self.count(values.len() as u64);
        for &value in values {
            match as_count(value) {
                Some(count) => {
                    self.out.push(0);
                    self.count(count);
                }
                None => {
                    self.out.push(REAL);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }

    #[inline]
    fn head(&mut self, numbers: u8, at: u32, layout: u32) {
        let placed = if at == self.next { 0 } else { PLACED };
        let laid_out = if layout == self.layout { 0 } else { LAID_OUT };
        self.out.push(numbers | placed | laid_out);
        if placed != 0 {
            self.count(u64::from(at.wrapping_sub(self.next)));
        }
        if laid_out != 0 {
            self.count(u64::from(layout));
        }
        (self.next, self.layout) = (at.wrapping_add(1), layout);
    }

    #[inline]
    fn count(&mut self, mut count: u64) {
        while count >= 0x80 {
            self.out.push(count as u8 | 0x80);
            count >>= 7;
        }
        self.out.push(count as u8);
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    next: u32,
    layout: u32,
}

impl Reader<'_> {
    fn change(&mut self) -> Option<Change> {
        let head = self.byte()?;
        if head & !ALL != 0 {
            return None;
        }
        if head & PLACED != 0 {
            self.next = self.next.wrapping_add(u32::try_from(self.count()?).ok()?);
        }
        if head & LAID_OUT != 0 {
            self.layout = u32::try_from(self.count()?).ok()?;
        }
        let (at, layout) = (self.next, LayoutId(self.layout));
        self.next = at.wrapping_add(1);
        let values = match head & MANY {
            0 => Numbers::One(self.number(head & REAL)?),
            _ => {
                let len = self.count()?;
                // Each takes two bytes at least: nobody reserves more than there is.
                let len = usize::try_from(len).ok().filter(|len| *len <= self.rest.len() / 2)?;
                let number = |_| self.byte().and_then(|kind| self.number(kind));
                Numbers::Many((0..len).map(number).collect::<Option<_>>()?)
            }
        };
        Some(Change { at, layout, values })
    }

    fn number(&mut self, kind: u8) -> Option<f64> {
        match kind {
            0 => self.count().map(|count| count as f64),
            REAL => {
                let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
                self.rest = rest;
                Some(f64::from_le_bytes(*bytes))
            }
            _ => None,
        }
    }

    fn count(&mut self) -> Option<u64> {
        let mut count = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            count |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(count);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }
}

/// Most numbers are counts; fractions, what has a sign and whatever is no number are none. Neither is what is more
/// than 2^63: processors are quick with signed integers.
#[inline]
pub(super) fn as_count(value: f64) -> Option<u64> {
    let count = value as i64;
    (count >= 0 && (count as f64).to_bits() == value.to_bits()).then_some(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions, layouts and numbers, bit for bit.
    type Row = (u32, u32, Vec<u64>);

    fn written(rows: &[(u32, u32, &[f64])]) -> Vec<u8> {
        let mut writer = Writer::new(rows.len());
        for &(at, layout, values) in rows {
            match values {
                [one] => writer.one(at, LayoutId(layout), *one),
                many => writer.many(at, LayoutId(layout), many),
            }
        }
        writer.out
    }

    fn read(bytes: &[u8]) -> Option<Vec<Row>> {
        let row = |change: Change| match change.values {
            Numbers::One(value) => (change.at, change.layout.0, vec![value.to_bits()]),
            Numbers::Many(values) => (change.at, change.layout.0, values.into_iter().map(f64::to_bits).collect()),
        };
        Changes(bytes.to_vec()).iter().map(|change| change.map(row)).collect()
    }

    const ROWS: [(u32, u32, &[f64]); 13] = [
        (0, 0, &[0.0]),
        (1, 0, &[-0.0]),
        (2, 3, &[127.0]),
        (9, 3, &[128.0]),
        (10, 0, &[0.5, 1.0, f64::INFINITY]),
        (4, 0, &[]),
        (5, 0, &[9_007_199_254_740_993.0]),
        (u32::MAX, u32::MAX, &[1.8e19]),
        (0, 0, &[f64::MAX]),
        (1, 0, &[-7.0]),
        (2, 0, &[f64::from_bits(0x7ff8_0000_0000_0001)]),
        (3, 0, &[1e15]),
        (4, 0, &[9_223_372_036_854_775_808.0]),
    ];

    #[test]
    fn what_was_written_is_read() {
        let expected: Vec<Row> =
            ROWS.iter().map(|&(at, layout, v)| (at, layout, v.iter().map(|v| v.to_bits()).collect())).collect();
        assert_eq!(read(&written(&ROWS)), Some(expected));
        assert_eq!(read(&[]), Some(vec![]));
    }

    #[test]
    fn a_count_that_is_next_takes_little() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let every = |step: u32| -> Vec<(u32, u32, &[f64])> {
            values.iter().enumerate().map(|(at, v)| (at as u32 * step, 0, std::slice::from_ref(v))).collect()
        };
        assert_eq!(written(&every(1)).len(), 200);
        assert_eq!(written(&every(10)).len(), 299, "all but the first say how many they leave out");
    }

    #[test]
    fn bytes_that_are_no_changes_are_refused_without_a_panic() {
        let bytes = written(&ROWS);
        let whole: Vec<usize> = (0..=ROWS.len()).map(|n| written(&ROWS[..n]).len()).collect();
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).is_some(), whole.contains(&cut), "cut at {cut}");
            for value in 0..=0xff {
                let mut bytes = bytes.clone();
                bytes[cut] = value;
                let _ = read(&bytes);
            }
        }
        for bytes in [&[16_u8, 0][..], &[0x80], &[MANY, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0, 0xff]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
