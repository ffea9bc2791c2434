//! The braces of a sample.

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;
use super::quoted::{self, Quoted, Rules, quoted};
use crate::engine::model::LabelSet;

/// Where the two formats differ inside braces.
pub(super) trait Dialect {
    const VALUE: Rules;
    const COMMA: Comma;
    /// Moves over the blanks that may stand between tokens.
    fn blanks(cursor: &mut Cursor<'_>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comma {
    Optional,
    Required,
}

/// What a sample is called. The buffers live as long as the body.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub name: String,
    pub labels: LabelSet,
    named: bool,
    raw_labels: usize,
    scratch: (String, String),
}

impl Series {
    /// Begins a sample whose name does not stand before the braces.
    #[inline]
    pub fn begin_nameless(&mut self) {
        self.name.clear();
        self.labels.clear();
        self.named = false;
        self.raw_labels = 0;
    }

    /// Begins a sample with the name before the braces.
    #[inline]
    pub fn begin(&mut self, name: Option<&str>) -> Parsed<()> {
        self.begin_nameless();
        self.set_name(name.ok_or(SyntaxErrorKind::NameEncoding)?)
    }

    /// Reads from behind `{` to behind `}`; `limit` bounds the labels.
    #[inline]
    pub fn read_labels<D: Dialect>(&mut self, cursor: &mut Cursor<'_>, limit: usize) -> Parsed<()> {
        D::blanks(cursor);
        while !cursor.eat(b'}') {
            if let Entry::Label = self.read_entry::<D>(cursor)? {
                self.raw_labels += 1;
                if limit != 0 && self.raw_labels > limit {
                    return Err(SyntaxErrorKind::LabelCount);
                }
                D::blanks(cursor);
                if cursor.eat(b',') {
                    D::blanks(cursor);
                } else if D::COMMA == Comma::Required && cursor.peek() != Some(b'}') {
                    return Err(cursor.unexpected(SyntaxErrorKind::Comma));
                }
            }
        }
        self.check()
    }

    /// Reads `name="value"`, or a quoted metric name with the comma behind it.
    #[inline]
    fn read_entry<D: Dialect>(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Entry> {
        if cursor.peek() == Some(b'"') {
            return self.read_quoted_entry::<D>(cursor);
        }
        let start = cursor.at;
        cursor.label_name();
        if cursor.at == start {
            return Err(cursor.unexpected(SyntaxErrorKind::LabelName));
        }
        let name = cursor.text(start..cursor.at).ok_or(SyntaxErrorKind::LabelNameEncoding)?;
        D::blanks(cursor);
        if matches!(cursor.peek(), Some(b',' | b'}')) {
            return Err(SyntaxErrorKind::BareIdentifier);
        }
        let value = read_value::<D>(cursor)?;
        push(&mut self.labels, name, value, &mut self.scratch.1)?;
        Ok(Entry::Label)
    }

    fn read_quoted_entry<D: Dialect>(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Entry> {
        let name = quoted(cursor, quoted::NAME)?;
        D::blanks(cursor);
        if matches!(cursor.peek(), Some(b',' | b'}')) {
            if cursor.eat(b',') {
                D::blanks(cursor);
            }
            let mut scratch = std::mem::take(&mut self.scratch.0);
            let set = name.text(SyntaxErrorKind::NameEncoding, &mut scratch).and_then(|name| self.set_name(name));
            self.scratch.0 = scratch;
            return set.map(|()| Entry::Name);
        }
        let value = read_value::<D>(cursor)?;
        match name.text(SyntaxErrorKind::LabelNameEncoding, &mut self.scratch.0) {
            Ok(name) => push(&mut self.labels, name, value, &mut self.scratch.1)?,
            // Without a value the label is not there, whatever its name.
            Err(_) if value.raw.is_empty() => {}
            Err(kind) => return Err(kind),
        }
        Ok(Entry::Label)
    }

    #[inline]
    fn set_name(&mut self, name: &str) -> Parsed<()> {
        if self.named {
            return Err(SyntaxErrorKind::NameTwice);
        }
        self.named = true;
        self.name.push_str(name);
        Ok(())
    }

    /// What Prometheus checks once a label set is complete.
    #[inline]
    fn check(&mut self) -> Parsed<()> {
        if self.name.is_empty() {
            return Err(SyntaxErrorKind::MissingName);
        }
        self.labels.normalise().map_err(|_| SyntaxErrorKind::DuplicateLabel)?;
        if !self.labels.is_empty() && self.labels.name(0).is_empty() {
            return Err(SyntaxErrorKind::EmptyLabelName);
        }
        Ok(())
    }
}

enum Entry {
    Name,
    Label,
}

/// Reads `="value"`.
#[inline]
fn read_value<'a, D: Dialect>(cursor: &mut Cursor<'a>) -> Parsed<Quoted<'a>> {
    if !cursor.eat(b'=') {
        return Err(cursor.unexpected(SyntaxErrorKind::Equals));
    }
    D::blanks(cursor);
    if cursor.peek() != Some(b'"') {
        return Err(cursor.unexpected(SyntaxErrorKind::LabelValue));
    }
    quoted(cursor, D::VALUE)
}

#[inline]
fn push(labels: &mut LabelSet, name: &str, value: Quoted<'_>, scratch: &mut String) -> Parsed<()> {
    if name == "__name__" {
        return Err(SyntaxErrorKind::ReservedLabel);
    }
    labels.push(name, value.text(SyntaxErrorKind::LabelValueEncoding, scratch)?);
    Ok(())
}
