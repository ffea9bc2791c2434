//! Strings between quotes: where they end, and what they say.

use std::borrow::Cow;

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;

/// What may stand between a pair of quotes as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub line_feed: Raw,
    pub nul: Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Data,
    Refused,
}

/// Metric and label names, in both formats.
pub(super) const NAME: Rules = Rules { line_feed: Raw::Data, nul: Raw::Refused };
pub(super) const TEXT_VALUE: Rules = Rules { line_feed: Raw::Data, nul: Raw::Data };
pub(super) const OPENMETRICS_VALUE: Rules = Rules { line_feed: Raw::Refused, nul: Raw::Data };
pub(super) const EXEMPLAR: Rules = Rules { line_feed: Raw::Refused, nul: Raw::Refused };

/// What stands between a pair of quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    pub raw: &'a [u8],
    /// The same, if it is UTF-8.
    text: Option<&'a str>,
    escaped: bool,
}

/// Reads from the opening quote, where `cursor` stands, to behind the closing one.
#[inline]
pub(super) fn quoted<'a>(cursor: &mut Cursor<'a>, rules: Rules) -> Parsed<Quoted<'a>> {
    let start = cursor.at + 1;
    let mut escaped = false;
    cursor.at = start;
    loop {
        match find_special(cursor.rest()) {
            None => {
                cursor.at = cursor.input.len();
                return Err(cursor.unexpected(SyntaxErrorKind::Unclosed));
            }
            Some(i) => cursor.at += i,
        }
        if cursor.peek() == Some(b'"') {
            break;
        }
        escaped = true;
        skip_escape(cursor)?;
    }
    let raw = &cursor.input[start..cursor.at];
    let text = cursor.text(start..cursor.at);
    cursor.at += 1;
    if rules.line_feed == Raw::Refused && memchr::memchr(b'\n', raw).is_some() {
        return Err(SyntaxErrorKind::LineFeed);
    }
    if rules.nul == Raw::Refused && memchr::memchr(0, raw).is_some() {
        return Err(SyntaxErrorKind::Nul);
    }
    Ok(Quoted { raw, text, escaped })
}

/// The first quote or backslash. Label values are short as a rule: eight bytes at a time find it
/// before a call to `memchr` has begun.
#[inline]
fn find_special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().take(6).enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        // The top bit of each byte that is 0; above the lowest such byte there may be others.
        let zeros = ((quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & TOPS;
        if zeros != 0 {
            return Some(i * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let looked_at = words.len().min(6) * 8;
    memchr::memchr2(b'"', b'\\', &bytes[looked_at..]).map(|i| looked_at + i)
}

/// Moves behind a backslash and what it escapes. Prometheus' lexer does not see NUL bytes, so the
/// escaped byte is the next one that is none.
#[cold]
fn skip_escape(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.at += 1;
    while cursor.peek() == Some(0) {
        cursor.at += 1;
    }
    match cursor.peek() {
        None => Err(cursor.unexpected(SyntaxErrorKind::Unclosed)),
        Some(b'\n') => Err(SyntaxErrorKind::Escape),
        Some(_) => {
            cursor.at += 1;
            Ok(())
        }
    }
}

impl<'a> Quoted<'a> {
    /// What it says; `scratch` holds it where it differs from what is written.
    #[inline]
    pub fn text<'s>(&self, encoding: SyntaxErrorKind, scratch: &'s mut String) -> Parsed<&'s str>
    where
        'a: 's,
    {
        let written = self.text.ok_or(encoding)?;
        if !self.escaped {
            return Ok(written);
        }
        scratch.clear();
        unescape(written, scratch);
        Ok(scratch)
    }

    /// The same where bytes that are not UTF-8 are allowed: the name of a metadata line.
    pub fn text_lossy(&self, out: &mut String) {
        match String::from_utf8_lossy(self.raw) {
            Cow::Borrowed(written) => unescape(written, out),
            Cow::Owned(written) => unescape(&written, out),
        }
    }
}

/// Appends `written` with `\\`, `\"` and `\n` replaced. Any other backslash stands for itself.
fn unescape(written: &str, out: &mut String) {
    let mut rest = written;
    while let Some(i) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..i]);
        let (c, length) = match rest.as_bytes().get(i + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'"') => ('"', 2),
            Some(b'n') => ('\n', 2),
            _ => ('\\', 1),
        };
        out.push(c);
        rest = &rest[i + length..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], rules: Rules) -> Parsed<(String, usize)> {
        let mut cursor = Cursor::new(input, 0, true);
        let quoted = quoted(&mut cursor, rules)?;
        let mut scratch = String::new();
        Ok((quoted.text(SyntaxErrorKind::LabelValueEncoding, &mut scratch)?.to_owned(), cursor.at))
    }

    #[test]
    fn escapes_are_read_as_prometheus_reads_them() {
        for (input, want) in [
            (r#""""#, ""),
            (r#""a\\b""#, r"a\b"),
            (r#""\"""#, "\""),
            (r#""\n""#, "\n"),
            (r#""\\n""#, r"\n"),
            (r#""\t\x""#, r"\t\x"),
            (r#""\\\\\"""#, "\\\\\""),
            ("\"raw\nline\"", "raw\nline"),
            ("\"\\é\"", "\\é"),
            ("\"\\\0\"\"", "\\\0\""),
        ] {
            assert_eq!(read(input.as_bytes(), TEXT_VALUE), Ok((want.to_owned(), input.len())), "{input:?}");
        }
    }

    #[test]
    fn specials_are_found_wherever_they_are() {
        for length in 0..120 {
            let mut bytes = vec![b'#'; length];
            assert_eq!(find_special(&bytes), None, "{length}");
            for at in 0..length {
                bytes[at] = if at % 2 == 0 { b'"' } else { b'\\' };
                assert_eq!(find_special(&bytes), Some(at), "{at} of {length}");
                bytes[at] = if at % 3 == 0 { b']' } else { 0xa2 };
            }
        }
    }

    #[test]
    fn what_may_not_stand_between_quotes() {
        use SyntaxErrorKind::*;
        for (input, rules, want) in [
            (&b"\"abc"[..], TEXT_VALUE, Unclosed),
            (b"\"abc\\\"", TEXT_VALUE, Unclosed),
            (b"\"abc\\", TEXT_VALUE, Unclosed),
            (b"\"a\\\nb\"", TEXT_VALUE, Escape),
            (b"\"a\nb\"", OPENMETRICS_VALUE, LineFeed),
            (b"\"a\0b\"", NAME, Nul),
            (b"\"a\0b\"", EXEMPLAR, Nul),
            (b"\"a\xffb\"", TEXT_VALUE, LabelValueEncoding),
        ] {
            assert_eq!(read(input, rules), Err(want), "{:?}", input.escape_ascii().to_string());
        }
    }
}
