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
        series.begin(cursor.text(0..cursor.at))?;
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
    if cursor.behind() != Some(b' ') && !cursor.eat(b' ') {
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
        tail.timestamp = Some(milliseconds(timestamp(cursor)?));
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
        SyntaxErrorKind::MissingValue => SyntaxErrorKind::Trailing,
        _ => SyntaxErrorKind::Timestamp,
    })?;
    let seconds = number::parse(&cursor.input[start..cursor.at]);
    if seconds.is_finite() { Ok(seconds) } else { Err(SyntaxErrorKind::Timestamp) }
}

/// What Go makes of it on amd64: a time out of range is the earliest there is.
fn milliseconds(seconds: f64) -> i64 {
    let milliseconds = seconds * 1000.0;
    if milliseconds < -(i64::MIN as f64) { milliseconds as i64 } else { i64::MIN }
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
        _ => return Err(no_keyword(&cursor)),
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

#[cold]
fn no_keyword(cursor: &Cursor<'_>) -> SyntaxErrorKind {
    match cursor.line_end() {
        Err(kind) => kind,
        Ok(end) if cursor.input[cursor.at..end].contains(&0) => SyntaxErrorKind::Nul,
        Ok(_) => SyntaxErrorKind::Comment,
    }
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

#[cfg(test)]
mod tests {
    use super::super::testing::read_any;
    use super::SyntaxErrorKind::{self, *};
    use crate::engine::model::Format;

    /// Lines before a `# EOF`, and the rows they give.
    const READ: &[(&[u8], &[&str])] = &[
        (b"", &[]),
        (b"a 1\n", &["a[] 1"]),
        (b"a{} 1\n", &["a[] 1"]),
        (b"a{x=\"1\",y=\"2\",} 1\n", &["a[x=1, y=2] 1"]),
        (b"{\"a b\",x=\"1\"} 1\n", &["a b[x=1] 1"]),
        (b"{\"a\nb\"} 1\n", &["a\nb[] 1"]),
        (b"a{x=\"\0\"} 1\n", &["a[x=\\0] 1"]),
        (b"a 1 1.5\n", &["a[] 1 @1500"]),
        (b"a 1 -1e3\n", &["a[] 1 @-1000000"]),
        (b"a 1 1.0005\n", &["a[] 1 @1000"]),
        (b"a 1 1e99\n", &["a[] 1 @-9223372036854775808"]),
        (b"a 1 # {} 2\n", &["a[] 1 # {} 2"]),
        (b"a 1 3 # {x=\"}\",\"y z\"=\"#\",} 2 -4.5\n", &["a[] 1 @3000 # {x=},y z=#,} 2 -4.5"]),
        (b"# HELP a \n", &["Help a []"]),
        (b"# HELP a  \\n\"\r\n", &["Help a [ \\n\"\r]"]),
        (b"# HELP \"a\n# EOF\" x\n", &["Help a\n# EOF [x]"]),
        (b"# UNIT a_s s\n# TYPE a_s gauge\n", &["Unit a_s [s]", "TYPE a_s gauge"]),
        (b"# UNIT a \n", &["Unit a []"]),
        (b"# TYPE a gaugehistogram\n# TYPE a info\n", &["TYPE a gaugehistogram", "TYPE a info"]),
        (b"# TYPE a stateset\n# TYPE a unknown\n", &["TYPE a stateset", "TYPE a unknown"]),
    ];

    const REFUSED: &[(&[u8], SyntaxErrorKind)] = &[
        (b"\n", BlankLine),
        (b" a 1\n", LeadingBlank),
        (b"1 1\n", Start),
        (b"\0\n", Nul),
        (b"# hi\n", Comment),
        (b"#hi\n", Comment),
        (b"#  HELP a b\n", Comment),
        (b"# EO\0F\n", Nul),
        (b"# EOF \n", AfterEof),
        (b"a\n", ValueBlank),
        (b"a\t1\n", ValueBlank),
        (b"a+1\n", ValueBlank),
        (b"a {x=\"1\"} 1\n", Value),
        (b"a  1\n", MissingValue),
        (b"a 1 \n", Trailing),
        (b"a 1  5\n", Trailing),
        (b"a 1\t5\n", Trailing),
        (b"a 1 5 6\n", Trailing),
        (b"a 1 NaN\n", Timestamp),
        (b"a 1 +Inf\n", Timestamp),
        (b"a 1\r\n", CarriageReturn),
        (b"\r\n", CarriageReturn),
        (b"# TYPE a gauge\r\n", CarriageReturn),
        (b"a{ x=\"1\"} 1\n", LabelName),
        (b"a{x=\"1\", y=\"2\"} 1\n", LabelName),
        (b"a{,} 1\n", LabelName),
        (b"a{x =\"1\"} 1\n", Equals),
        (b"a{x= \"1\"} 1\n", LabelValue),
        (b"a{x=\"1\"y=\"2\"} 1\n", Comma),
        (b"a{x=\"1\n\"} 1\n", LineFeed),
        (b"a{x=\"1\"}1\n", ValueBlank),
        (b"{a} 1\n", BareIdentifier),
        (b"a{x=\"1\",x=\"2\"} 1\n", DuplicateLabel),
        (b"a 1 # {x=\"1\"}\n", ValueBlank),
        (b"a 1 # {x} 1\n", Equals),
        (b"a 1 # {\"x\"} 1\n", Equals),
        (b"a 1 # {x=1} 1\n", LabelValue),
        (b"a 1 # {,} 1\n", ExemplarLabels),
        (b"a 1 # {x=\"\xff\"} 1\n", LabelValueEncoding),
        (b"a 1 # {x=\"\n\"} 1\n", LineFeed),
        (b"a 1 # {x=\"\0\"} 1\n", Nul),
        (b"a 1 # {} 1 NaN\n", Timestamp),
        (b"a 1 # {} 1 # {} 1\n", Timestamp),
        (b"a 1 # {} 1 2 3\n", Trailing),
        (b"a 1 #  {} 1\n", Timestamp),
        (b"# HELP a\n", MetaBlank),
        (b"# HELP  a b\n", MetaName),
        (b"# TYPE a\tgauge\n", MetaBlank),
        (b"# TYPE a untyped\n", MetricType),
        (b"# TYPE a gauge \n", MetricType),
        (b"# UNIT a s\n", Unit),
        (b"# UNIT s s\n", Unit),
        (b"# UNIT as s\n", Unit),
        (b"# HELP a \xff\n", HelpEncoding),
    ];

    type Rows = Result<&'static [&'static str], SyntaxErrorKind>;

    /// How a body ends decides all of it.
    const ENDS: &[(&[u8], Rows)] = &[
        (b"", Ok(&[])),
        (b"# EOF", Ok(&["EOF"])),
        (b"# EOF\n", Ok(&["EOF"])),
        (b"a 1\n# EOF", Ok(&["a[] 1", "EOF"])),
        (b"a 1\n", Err(MissingEof)),
        (b"a 1", Err(Incomplete)),
        (b"# HELP a b", Err(Incomplete)),
        (b"# EO", Err(Comment)),
        (b"# EOF\n\n", Err(AfterEof)),
        (b"# EOF\n# EOF\n", Err(AfterEof)),
        (b"# EOF\na 1\n", Err(AfterEof)),
        (b"# EOFa 1\n", Err(AfterEof)),
    ];

    fn owned(rows: &[&str]) -> Vec<String> {
        rows.iter().map(|row| (*row).to_owned()).collect()
    }

    #[test]
    fn reads_what_prometheus_reads() {
        for (lines, rows) in READ {
            let want = [owned(rows), owned(&["EOF"])].concat();
            assert_eq!(
                read_any(Format::OpenMetrics, &[*lines, b"# EOF\n"].concat()),
                Ok(want),
                "{}",
                lines.escape_ascii()
            );
        }
    }

    #[test]
    fn refuses_what_prometheus_refuses_or_misreads() {
        for (lines, kind) in REFUSED {
            let body = [*lines, b"# EOF\n"].concat();
            assert_eq!(read_any(Format::OpenMetrics, &body), Err(*kind), "{}", lines.escape_ascii());
        }
    }

    #[test]
    fn a_body_ends_with_eof_and_with_nothing_else() {
        for (body, want) in ENDS {
            assert_eq!(read_any(Format::OpenMetrics, body), want.map(owned), "{}", body.escape_ascii());
        }
    }
}
