//! OpenMetrics' exemplars: checked, never read.

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;
use super::number;
use super::openmetrics::timestamp;
use super::quoted::{self, quoted};

/// Reads from the blank before `# {`, where `cursor` stands, to the end of the exemplar.
#[cold]
pub(super) fn read(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.at += 4;
    while !cursor.eat(b'}') {
        label(cursor)?;
        if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
            return Err(cursor.unexpected(SyntaxErrorKind::Comma));
        }
    }
    if !cursor.eat(b' ') {
        return Err(cursor.unexpected(SyntaxErrorKind::ValueBlank));
    }
    cursor.at = number::check(cursor.input, cursor.at)?;
    if cursor.peek() == Some(b' ') {
        timestamp(cursor)?;
    }
    Ok(())
}

fn label(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let start = cursor.at;
    if cursor.peek() == Some(b'"') {
        quoted(cursor, quoted::EXEMPLAR)?;
    } else {
        cursor.label_name();
    }
    if cursor.at == start {
        return Err(cursor.unexpected(SyntaxErrorKind::ExemplarLabels));
    }
    if !cursor.eat(b'=') {
        return Err(cursor.unexpected(SyntaxErrorKind::Equals));
    }
    if cursor.peek() != Some(b'"') {
        return Err(cursor.unexpected(SyntaxErrorKind::LabelValue));
    }
    let value = quoted(cursor, quoted::EXEMPLAR)?;
    std::str::from_utf8(value.raw).map_err(|_| SyntaxErrorKind::LabelValueEncoding)?;
    Ok(())
}
