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
        series.begin(cursor.text(0..cursor.at))?;
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

/// The byte behind the family is dropped, whatever it is; a text of blanks alone, and of the NUL
/// bytes that Prometheus' lexer does not see, is empty.
fn text(cursor: &Cursor<'_>) -> Parsed<Range<usize>> {
    if cursor.peek() == Some(0) {
        return Err(SyntaxErrorKind::Nul);
    }
    let end = cursor.line_end()?;
    let blank = cursor.input[cursor.at..end].iter().all(|b| matches!(b, b' ' | b'\t' | 0));
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

#[cfg(test)]
mod tests {
    use super::super::testing::read_any;
    use super::SyntaxErrorKind::{self, *};
    use crate::engine::model::Format;

    /// Bodies and the rows they give.
    const READ: &[(&[u8], &[&str])] = &[
        (b"", &[]),
        (b"\n \t\n  ", &[]),
        (b"a 1", &["a[] 1"]),
        (b"a 1\n", &["a[] 1"]),
        (b"a\t1\t\n", &["a[] 1"]),
        (b"a+1\n", &["a[] 1"]),
        (b"a-.5 7\n", &["a[] -0.5 @7"]),
        (b"a:b_9{} 1\n", &["a:b_9[] 1"]),
        (b"a 1 1234567890123\n", &["a[] 1 @1234567890123"]),
        (b"a 1 007 \n", &["a[] 1 @7"]),
        (b"a{x=\"y\"}1 5\n", &["a[x=y] 1 @5"]),
        (b"a {x=\"y\"} NaN\n", &["a[x=y] NaN"]),
        (b"a{ x = \"1\" , y\t=\t\"2\" , }\t1\n", &["a[x=1, y=2] 1"]),
        (b"a{y=\"1\"x=\"2\"} 1\n", &["a[x=2, y=1] 1"]),
        (b"a{x=\"\",y=\"1\"} 1\n", &["a[y=1] 1"]),
        (b"a{x=\"1\",x=\"\",y=\"2\"} 1\n", &["a[y=2] 1"]),
        (b"a{x=\"\\t\"} 1\n", &["a[x=\\\\t] 1"]),
        (b"a{x=\"b\nc\"} 1\n", &["a[x=b\\nc] 1"]),
        (b"a{x=\"\\\"} 1\\nevil 2\"} 3\n", &["a[x=\\} 1\\nevil 2] 3"]),
        (b"a{x=\"\0\"} 1\n", &["a[x=\\0] 1"]),
        (b"a{__foo=\"1\"} 1\n", &["a[__foo=1] 1"]),
        (b"a{\"x y\"=\"1\"} 1\n", &["a[x y=1] 1"]),
        (b"{\"a b\"} 1\n", &["a b[] 1"]),
        (b"{\"a\",} 1\n", &["a[] 1"]),
        (b"{x=\"b\",\"a\",y=\"c\"} 1\n", &["a[x=b, y=c] 1"]),
        (b"{x=\"b\" \"a\\\"\n\"} 1\n", &["a\n[x=b] 1"]),
        (b"{\"a\",\"\"=\"\",\"\xff\"=\"\"} 1\n", &["a[] 1"]),
        // Prometheus 3 keeps the blanks in the name.
        (b"  a 1\n \t{\"b\"} 2\n", &["  a[] 1", "b[] 2"]),
        (b"# comment\n#\n# \n#x\n\t # # HELP\n# HELP\n# TYPE\n# HELPx y\n# help a b\n", &[]),
        (b"# \xff \0\n# EOF\na 1\n# UNIT a \"\nb 2\n", &["a[] 1", "b[] 2"]),
        (b" #\t HELP \t a b\n", &["Help a [b]"]),
        (b"# HELP a   x \n", &["Help a [  x ]"]),
        (b"# HELP a\n# HELP b \n# HELP c  \n", &["Help a []", "Help b []", "Help c []"]),
        (b"# HELP a-b x", &["Help a [b x]"]),
        (b"# HELP a b\0\r\n", &["Help a [b\0\r]"]),
        (b"# HELP \"a\nb\\\\\" x\na 1\n", &["Help a\nb\\ [x]", "a[] 1"]),
        (b"# HELP \"\xff\" x\n", &["Help \u{fffd} [x]"]),
        (b"# TYPE a counter\n# TYPE b gauge\n", &["TYPE a counter", "TYPE b gauge"]),
        (b"# TYPE a histogram\n# TYPE b summary\n", &["TYPE a histogram", "TYPE b summary"]),
        (b"#  TYPE  a\tuntyped", &["TYPE a unknown"]),
    ];

    const REFUSED: &[(&[u8], SyntaxErrorKind)] = &[
        (b"1a 1\n", Start),
        (b"\xef\xbb\xbfa 1\n", Start),
        (b"<html>\n", Start),
        (b"\x0ba 1\n", Start),
        (b"\xc2\xa0a 1\n", Start),
        (b"a\n", MissingValue),
        (b"a", MissingValue),
        (b"a{x=\"1\"}\n", MissingValue),
        (b"a b\n", Value),
        (b"a\x0b1\n", Value),
        (b"a{x=\"1\"}{y=\"2\"} 1\n", Value),
        (b"a 1e400\n", ValueRange),
        (b"a 1\r\n", CarriageReturn),
        (b"a 1 5\r\n", CarriageReturn),
        (b"a 1 \r\n", CarriageReturn),
        (b"\r\n", CarriageReturn),
        (b"# TYPE a counter\r\n", CarriageReturn),
        (b"a 1 -1\n", Timestamp),
        (b"a 1 +1\n", Timestamp),
        (b"a 1 1.5\n", Timestamp),
        (b"a 1 9223372036854775808\n", Timestamp),
        (b"a 1 1e3\n", Trailing),
        (b"a 1 5 6\n", Trailing),
        (b"a 1 # x\n", Trailing),
        (b"a 1 # {x=\"1\"} 1\n", Trailing),
        (b"a{,} 1\n", LabelName),
        (b"a{,x=\"1\"} 1\n", LabelName),
        (b"a{x=\"1\",,} 1\n", LabelName),
        (b"a{1=\"1\"} 1\n", LabelName),
        (b"a{\n", LabelName),
        (b"a{", LabelName),
        (b"a{x:y=\"1\"} 1\n", Equals),
        (b"a{x-y=\"1\"} 1\n", Equals),
        (b"a{\"x\" y=\"1\"} 1\n", Equals),
        (b"a{x=1} 1\n", LabelValue),
        (b"a{x='1'} 1\n", LabelValue),
        (b"a{x=\"1} 1\n", Unclosed),
        (b"a{x=\"1\\\n\"} 1\n", Escape),
        (b"a{x=\"\xff\"} 1\n", LabelValueEncoding),
        (b"a{x=\"\xed\xa0\x80\"} 1\n", LabelValueEncoding),
        (b"a{\"\xff\"=\"1\"} 1\n", LabelNameEncoding),
        (b"{\"\xff\"} 1\n", NameEncoding),
        (b"a{\"\"=\"1\"} 1\n", EmptyLabelName),
        (b"{\"\",x=\"b\"} 1\n", MissingName),
        (b"{x=\"b\"} 1\n", MissingName),
        (b"{} 1\n", MissingName),
        (b"a{\"b\"} 1\n", NameTwice),
        (b"{\"a\",\"b\"} 1\n", NameTwice),
        (b"a{x=\"1\",x=\"1\"} 1\n", DuplicateLabel),
        (b"a{__name__=\"b\"} 1\n", ReservedLabel),
        (b"a{__name__=\"\"} 1\n", ReservedLabel),
        (b"{a} 1\n", BareIdentifier),
        (b"{foo,x=\"1\"} 1\n", BareIdentifier),
        (b"a{x=\"1\",b} 1\n", BareIdentifier),
        (b"# HELP \n", MetaName),
        (b"# TYPE ", MetaName),
        (b"# HELP 1a x\n", MetaName),
        (b"# HELP \"a\n", Unclosed),
        (b"# TYPE a\n", MetricType),
        (b"# TYPE a  counter\n", MetricType),
        (b"# TYPE a counter \n", MetricType),
        (b"# TYPE a Counter\n", MetricType),
        (b"# TYPE a-b counter\n", MetricType),
        (b"# TYPE a unknown\n", MetricType),
        (b"# TYPE a info\n", MetricType),
        (b"# HELP a \xff\n", HelpEncoding),
        (b"a 1\n\0b 2\n", Nul),
        (b"  \0\n", Nul),
        (b"a\0 1\n", Nul),
        (b"a 1\0\n", Nul),
        (b"a 1 \0\n", Nul),
        (b"a{\0x=\"1\"} 1\n", Nul),
        (b"a{x= \0\"1\"} 1\n", Nul),
        (b"a{x=\"1\"\0} 1\n", Nul),
        (b"a{\"x\0\"=\"1\"} 1\n", Nul),
        (b"#x\0\n", Nul),
        (b"# \0x\n", Nul),
        (b"# TYPE \0a counter\n", Nul),
        (b"# HELP a_s\0c\n", Nul),
        (b"# HE\0LP a b\n", Nul),
        (b"# TYPE\0 a counter\n", Nul),
    ];

    #[test]
    fn reads_what_prometheus_reads() {
        for (body, rows) in READ {
            let want = rows.iter().map(|row| (*row).to_owned()).collect();
            assert_eq!(read_any(Format::Text, body), Ok(want), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn refuses_what_prometheus_refuses_or_misreads() {
        for (body, kind) in REFUSED {
            assert_eq!(read_any(Format::Text, body), Err(*kind), "{}", body.escape_ascii());
        }
    }
}
