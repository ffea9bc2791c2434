//! A line of OpenMetrics, as lenient and as strict as Prometheus 3.

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;
use super::exemplar;
use super::labels::{Comma, Dialect, Series};
use super::meta;
use super::number;
use super::quoted::{self, Rules};
use super::step::{Keyword, Meta, Sample, Step, Tail};
use crate::engine::model::Kind;

pub(super) struct OpenMetrics;

impl Dialect for OpenMetrics {
    const VALUE: Rules = quoted::OPENMETRICS_VALUE;
    const COMMA: Comma = Comma::Required;

    #[inline]
    fn blanks(_: &mut Cursor<'_>) {}
}

/// Reads the line that begins where the input does. There is at least one byte.
#[inline]
pub(super) fn line(mut cursor: Cursor<'_>, series: &mut Series, labels: usize) -> Parsed<Step> {
    cursor.metric_name();
    if cursor.at != 0 {
        series.begin(&cursor.input[..cursor.at])?;
        match cursor.peek() {
            Some(b'{') => {
                cursor.at += 1;
                series.read_labels::<OpenMetrics>(&mut cursor, labels)?;
            }
            Some(b' ') => cursor.at += 1,
            _ => return Err(cursor.unexpected(SyntaxErrorKind::ValueBlank)),
        }
        return sample(cursor);
    }
    match cursor.peek() {
        Some(b'{') => {
            cursor.at += 1;
            series.begin_nameless();
            series.read_labels::<OpenMetrics>(&mut cursor, labels)?;
            sample(cursor)
        }
        Some(b'#') => comment(cursor, &mut series.name),
        Some(b'\n') => Err(SyntaxErrorKind::BlankLine),
        Some(b'\r') => Err(SyntaxErrorKind::CarriageReturn),
        Some(b' ' | b'\t') => Err(SyntaxErrorKind::LeadingBlank),
        _ => Err(cursor.unexpected(SyntaxErrorKind::Start)),
    }
}

fn sample(cursor: Cursor<'_>) -> Parsed<Step> {
    let series_end = cursor.at;
    Ok(Step::Sample(Sample { series_end, tail: tail(cursor)? }))
}

/// Reads value, timestamp and exemplar. The blank before the value belongs to the series part of
/// a bare name, and is still to come behind a `}`.
#[inline]
pub(super) fn tail(mut cursor: Cursor<'_>) -> Parsed<Tail> {
    let behind_blank = cursor.at > 0 && cursor.input.get(cursor.at - 1) == Some(&b' ');
    if !behind_blank && !cursor.eat(b' ') {
        return Err(cursor.unexpected(SyntaxErrorKind::ValueBlank));
    }
    let start = cursor.at;
    cursor.at = number::check(cursor.input, start)?;
    let mut tail = Tail { value: start..cursor.at, timestamp: None, exemplar: None, end: 0 };
    if cursor.peek() == Some(b' ') {
        extras(&mut cursor, &mut tail)?;
    }
    tail.end = newline(cursor)?;
    Ok(tail)
}

/// Reads what may follow the value, from the blank behind it.
fn extras(cursor: &mut Cursor<'_>, tail: &mut Tail) -> Parsed<()> {
    if !cursor.rest().starts_with(b" # {") {
        tail.timestamp = Some((timestamp(cursor)? * 1000.0) as i64);
    }
    if cursor.rest().starts_with(b" # {") {
        let start = cursor.at + 1;
        exemplar::read(cursor)?;
        tail.exemplar = Some(start..cursor.at);
    }
    Ok(())
}

/// Reads a blank and the seconds behind it.
pub(super) fn timestamp(cursor: &mut Cursor<'_>) -> Parsed<f64> {
    let start = cursor.at + 1;
    cursor.at = number::check(cursor.input, start).map_err(|kind| match kind {
        SyntaxErrorKind::CarriageReturn => kind,
        _ => SyntaxErrorKind::Timestamp,
    })?;
    let seconds = number::parse(&cursor.input[start..cursor.at]);
    if seconds.is_finite() { Ok(seconds) } else { Err(SyntaxErrorKind::Timestamp) }
}

/// The offset behind the newline, which no sample or metadata line may lack.
#[inline]
fn newline(mut cursor: Cursor<'_>) -> Parsed<usize> {
    if cursor.peek().is_none() {
        return Err(SyntaxErrorKind::Incomplete);
    }
    cursor.newline(SyntaxErrorKind::Trailing)?;
    Ok(cursor.at)
}

/// Reads from the `#`.
fn comment(mut cursor: Cursor<'_>, name: &mut String) -> Parsed<Step> {
    let keyword = match cursor.rest() {
        b"# EOF" if cursor.last => return Ok(Step::Eof { end: 5 }),
        b"# EOF" => return Err(SyntaxErrorKind::Incomplete),
        [b'#', b' ', b'E', b'O', b'F', b'\n', ..] => return Ok(Step::Eof { end: 6 }),
        [b'#', b' ', b'E', b'O', b'F', ..] => return Err(SyntaxErrorKind::AfterEof),
        [b'#', b' ', b'H', b'E', b'L', b'P', b' ', ..] => Keyword::Help,
        [b'#', b' ', b'T', b'Y', b'P', b'E', b' ', ..] => Keyword::Type,
        [b'#', b' ', b'U', b'N', b'I', b'T', b' ', ..] => Keyword::Unit,
        _ => return Err(SyntaxErrorKind::Comment),
    };
    cursor.at += 7;
    let family = meta::family(&mut cursor, name)?;
    if !cursor.eat(b' ') {
        return Err(cursor.unexpected(SyntaxErrorKind::MetaBlank));
    }
    let range = cursor.at..cursor.line_end()?;
    let text = &cursor.input[range.clone()];
    let kind = match keyword {
        Keyword::Type => Some(kind(text)?),
        Keyword::Help if std::str::from_utf8(text).is_err() => return Err(SyntaxErrorKind::HelpEncoding),
        Keyword::Unit if !is_unit_of(text, family) => return Err(SyntaxErrorKind::Unit),
        _ => None,
    };
    cursor.at = range.end;
    Ok(Step::Meta(Meta { keyword, kind, text: range, end: newline(cursor)? }))
}

fn is_unit_of(unit: &[u8], family: &[u8]) -> bool {
    unit.is_empty() || family.strip_suffix(unit).is_some_and(|base| base.ends_with(b"_"))
}

fn kind(word: &[u8]) -> Parsed<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str().as_bytes() == word).ok_or(match word {
        [.., b'\r'] => SyntaxErrorKind::CarriageReturn,
        _ => SyntaxErrorKind::MetricType,
    })
}
