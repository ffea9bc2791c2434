//! A line of the Prometheus text format, as lenient and as strict as Prometheus 3.

use std::ops::Range;

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;
use super::labels::{Comma, Dialect, Series};
use super::meta;
use super::number;
use super::quoted::{self, Rules};
use super::step::{Keyword, Meta, Sample, Step, Tail};
use crate::engine::model::Kind;

pub(super) struct Text;

impl Dialect for Text {
    const VALUE: Rules = quoted::TEXT_VALUE;
    const COMMA: Comma = Comma::Optional;

    #[inline]
    fn blanks(cursor: &mut Cursor<'_>) {
        cursor.blanks();
    }
}

/// Reads the line that begins where the input does. There is at least one byte.
#[inline]
pub(super) fn line(mut cursor: Cursor<'_>, series: &mut Series, labels: usize) -> Parsed<Step> {
    cursor.blanks();
    let start = cursor.at;
    cursor.metric_name();
    if cursor.at != start {
        // Prometheus 3 takes leading blanks for a part of the name.
        series.begin(&cursor.input[..cursor.at])?;
        cursor.blanks();
        if cursor.eat(b'{') {
            series.read_labels::<Text>(&mut cursor, labels)?;
        }
        return sample(cursor);
    }
    match cursor.peek() {
        Some(b'{') => {
            cursor.at += 1;
            series.begin_nameless();
            series.read_labels::<Text>(&mut cursor, labels)?;
            sample(cursor)
        }
        Some(b'#') => comment(cursor, &mut series.name),
        _ => {
            let start = cursor.unexpected(SyntaxErrorKind::Start);
            cursor.newline(start)?;
            Ok(Step::Skip { end: cursor.at })
        }
    }
}

fn sample(cursor: Cursor<'_>) -> Parsed<Step> {
    let series_end = cursor.at;
    Ok(Step::Sample(Sample { series_end, tail: tail(cursor)? }))
}

/// Reads value and timestamp.
#[inline]
pub(super) fn tail(mut cursor: Cursor<'_>) -> Parsed<Tail> {
    cursor.blanks();
    let start = cursor.at;
    cursor.at = number::check(cursor.input, start)?;
    let value = start..cursor.at;
    let mut timestamp = None;
    if cursor.peek() != Some(b'\n') {
        cursor.blanks();
        timestamp = read_timestamp(&mut cursor)?;
        cursor.blanks();
    }
    cursor.newline(SyntaxErrorKind::Trailing)?;
    Ok(Tail { value, timestamp, exemplar: None, end: cursor.at })
}

/// Reads the digits that stand here, if any. Prometheus takes no sign.
fn read_timestamp(cursor: &mut Cursor<'_>) -> Parsed<Option<i64>> {
    let mut timestamp = None;
    while let Some(digit @ b'0'..=b'9') = cursor.peek() {
        let next = timestamp.unwrap_or(0i64).checked_mul(10).and_then(|t| t.checked_add(i64::from(digit - b'0')));
        timestamp = Some(next.ok_or(SyntaxErrorKind::Timestamp)?);
        cursor.at += 1;
    }
    match cursor.peek() {
        Some(b'+' | b'-' | b'.') => Err(SyntaxErrorKind::Timestamp),
        _ => Ok(timestamp),
    }
}

/// Reads from the `#`. What is no metadata is a comment, whatever its bytes.
fn comment(mut cursor: Cursor<'_>, name: &mut String) -> Parsed<Step> {
    cursor.at += 1;
    let start = cursor.at;
    cursor.blanks();
    if cursor.at == start {
        let end = cursor.line_end()?;
        if memchr::memchr(0, &cursor.input[start..end]).is_some() {
            return Err(SyntaxErrorKind::Nul);
        }
        return skip(cursor, end);
    }
    let keyword = match cursor.rest() {
        [0, ..] => return Err(SyntaxErrorKind::Nul),
        [b'H', b'E', b'L', b'P', b' ' | b'\t', ..] => Keyword::Help,
        [b'T', b'Y', b'P', b'E', b' ' | b'\t', ..] => Keyword::Type,
        _ => {
            let end = cursor.line_end()?;
            if is_veiled_keyword(&cursor.input[cursor.at..end]) {
                return Err(SyntaxErrorKind::Nul);
            }
            return skip(cursor, end);
        }
    };
    cursor.at += 4;
    cursor.blanks();
    metadata(cursor, keyword, name)
}

fn skip(mut cursor: Cursor<'_>, end: usize) -> Parsed<Step> {
    cursor.at = end;
    cursor.newline(SyntaxErrorKind::Trailing)?;
    Ok(Step::Skip { end: cursor.at })
}

/// Prometheus' lexer does not see the NUL bytes of a comment: to it this is HELP or TYPE.
fn is_veiled_keyword(comment: &[u8]) -> bool {
    let seen = || comment.iter().filter(|&&b| b != 0).copied();
    [b"HELP ", b"HELP\t", b"TYPE ", b"TYPE\t"].iter().any(|k| seen().take(5).eq(k.iter().copied()))
}

/// Reads from the family's name.
fn metadata(mut cursor: Cursor<'_>, keyword: Keyword, name: &mut String) -> Parsed<Step> {
    meta::family(&mut cursor, name)?;
    let text = text(&cursor)?;
    let kind = match keyword {
        Keyword::Type => Some(kind(&cursor.input[text.clone()])?),
        _ => None,
    };
    if keyword == Keyword::Help && std::str::from_utf8(&cursor.input[text.clone()]).is_err() {
        return Err(SyntaxErrorKind::HelpEncoding);
    }
    cursor.at = text.end;
    cursor.newline(SyntaxErrorKind::Trailing)?;
    Ok(Step::Meta(Meta { keyword, kind, text, end: cursor.at }))
}

/// The byte behind the family is dropped, whatever it is; a text of blanks alone is empty.
fn text(cursor: &Cursor<'_>) -> Parsed<Range<usize>> {
    if cursor.peek() == Some(0) {
        return Err(SyntaxErrorKind::Nul);
    }
    let end = cursor.line_end()?;
    let blank = cursor.input[cursor.at..end].iter().all(|b| matches!(b, b' ' | b'\t'));
    Ok(if blank { end..end } else { cursor.at + 1..end })
}

fn kind(word: &[u8]) -> Parsed<Kind> {
    Ok(match word {
        b"counter" => Kind::Counter,
        b"gauge" => Kind::Gauge,
        b"histogram" => Kind::Histogram,
        b"summary" => Kind::Summary,
        b"untyped" => Kind::Unknown,
        [.., b'\r'] => return Err(SyntaxErrorKind::CarriageReturn),
        _ => return Err(SyntaxErrorKind::MetricType),
    })
}
