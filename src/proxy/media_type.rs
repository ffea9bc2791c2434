//! Content-Type as Prometheus reads it, which is Go's way: one that is malformed names no format,
//! even where its beginning could be read.

/// The media type in lower case; `None` when it or one of its parameters cannot be read.
pub fn read(text: &str) -> Option<String> {
    let (kind, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let kind = kind.trim().to_ascii_lowercase();
    if !kind.split('/').all(is_token) || kind.split('/').count() > 2 {
        return None;
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    while !rest.trim_start().is_empty() {
        // A semicolon with nothing behind it is let pass.
        if rest.trim() == ";" {
            break;
        }
        let (name, value, behind) = parameter(rest)?;
        if seen.iter().any(|(n, v)| *n == name && *v != value) {
            return None;
        }
        seen.push((name, value));
        rest = behind;
    }
    Some(kind)
}

/// `; name=value`, and what is behind it.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let (name, rest) = token(text.trim_start().strip_prefix(';')?.trim_start())?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => token(rest).map(|(value, rest)| (value.to_owned(), rest))?,
    };
    Some((name.to_ascii_lowercase(), value, rest))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|b| !is_token_byte(b)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What stands before the closing quote, and what is behind it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            '\r' | '\n' => return None,
            _ => value.push(c),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_go_reads_is_read() {
        for text in [
            "text/plain",
            " Text/PLAIN ",
            "text/plain; version=0.0.4",
            "text/plain;version=0.0.4;charset=utf-8;",
            "text/plain; charset=\"utf-8; \\\"x\\\"\" ; ",
            "text/plain; a=b; a=b",
            "text/plain;",
        ] {
            assert_eq!(read(text).as_deref(), Some("text/plain"), "{text}");
        }
        assert_eq!(read("text").as_deref(), Some("text"));
    }

    #[test]
    fn what_go_refuses_names_nothing() {
        for text in [
            "",
            ";",
            "text/plain; ;;=",
            "text/plain;;",
            "text/plain;x",
            "text/plain; =b",
            "text/plain; a=",
            "text/plain; a=\"b",
            "text/plain; a=b c",
            "text/plain; charset=utf-8; charset=latin1",
            "text/plain; charset=utf-8; Charset=latin1",
            "text/plain, text/plain",
            "text/plain/x",
            "text /plain",
            "/plain",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
