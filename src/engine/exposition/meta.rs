//! The family's name in a metadata line: the same in both formats.

use super::cursor::{Cursor, Parsed};
use super::error::SyntaxErrorKind;
use super::quoted::{self, quoted};

/// Reads the family at the cursor into `name`, unescaped; gives what was written, without quotes.
pub(super) fn family<'a>(cursor: &mut Cursor<'a>, name: &mut String) -> Parsed<&'a [u8]> {
    name.clear();
    if cursor.peek() == Some(b'"') {
        let family = quoted(cursor, quoted::NAME)?;
        family.text_lossy(name);
        return Ok(family.raw);
    }
    let start = cursor.at;
    cursor.metric_name();
    if cursor.at == start {
        return Err(cursor.unexpected(SyntaxErrorKind::MetaName));
    }
    name.push_str(cursor.text(start..cursor.at).ok_or(SyntaxErrorKind::MetaName)?);
    Ok(&cursor.input[start..cursor.at])
}
