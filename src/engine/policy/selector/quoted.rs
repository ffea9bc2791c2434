//! Quoted strings as PromQL (and Go) writes them.

/// Reads the quoted string at the start of `text`: its value and its length with the quotes.
pub(super) fn quoted(text: &str) -> Result<(String, usize), &'static str> {
    let quote = text.chars().next().unwrap_or_default();
    let body = &text[quote.len_utf8()..];
    if quote == '`' {
        let end = body.find('`').ok_or("the string has no end")?;
        return Ok((body[..end].to_owned(), end + 2));
    }
    let mut bytes = Vec::new();
    let mut rest = body;
    loop {
        let c = rest.chars().next().ok_or("the string has no end")?;
        rest = &rest[c.len_utf8()..];
        match c {
            c if c == quote => break,
            '\n' => return Err("a line break in a string is written \\n"),
            '\\' => rest = escape(rest, quote, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let value = String::from_utf8(bytes).map_err(|_| "the string is no valid UTF-8")?;
    Ok((value, text.len() - rest.len()))
}

/// Writes what the escape after a backslash stands for; returns what follows it.
fn escape<'t>(rest: &'t str, quote: char, out: &mut Vec<u8>) -> Result<&'t str, &'static str> {
    const UNKNOWN: &str = "unknown escape; a backslash itself is written \\\\";
    let c = rest.chars().next().ok_or("the string has no end")?;
    let after = &rest[c.len_utf8()..];
    let plain = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        c if c == quote => c as u8,
        '0'..='7' => return byte(rest, 3, 8, out).ok_or(UNKNOWN),
        'x' => return byte(after, 2, 16, out).ok_or(UNKNOWN),
        'u' => return code_point(after, 4, out).ok_or(UNKNOWN),
        'U' => return code_point(after, 8, out).ok_or(UNKNOWN),
        _ => return Err(UNKNOWN),
    };
    out.push(plain);
    Ok(after)
}

fn byte<'t>(rest: &'t str, digits: usize, radix: u32, out: &mut Vec<u8>) -> Option<&'t str> {
    out.push(u8::from_str_radix(number(rest, digits)?, radix).ok()?);
    Some(&rest[digits..])
}

fn code_point<'t>(rest: &'t str, digits: usize, out: &mut Vec<u8>) -> Option<&'t str> {
    let c = char::from_u32(u32::from_str_radix(number(rest, digits)?, 16).ok()?)?;
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(&rest[digits..])
}

/// `from_str_radix` would take a sign.
fn number(rest: &str, digits: usize) -> Option<&str> {
    rest.get(..digits).filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#""a"x"#, Ok(("a", 3)))]
    #[case(r#"'it"s'"#, Ok(("it\"s", 6)))]
    #[case(r#""\"""#, Ok(("\"", 4)))]
    #[case(r"`a\n`", Ok(("a\\n", 5)))]
    #[case(r#""\a\b\f\n\r\t\v\\""#, Ok(("\u{7}\u{8}\u{c}\n\r\t\u{b}\\", 18)))]
    #[case(r#""\101\x41\u0041\U00000041""#, Ok(("AAAA", 26)))]
    #[case(r#""\xc3\xa4""#, Ok(("ä", 10)))]
    #[case(r#""\xff""#, Err("the string is no valid UTF-8"))]
    #[case(r#""\777""#, Err("unknown escape; a backslash itself is written \\\\"))]
    #[case(r#""\+1""#, Err("unknown escape; a backslash itself is written \\\\"))]
    #[case(r#""\x+1""#, Err("unknown escape; a backslash itself is written \\\\"))]
    #[case(r#""\d""#, Err("unknown escape; a backslash itself is written \\\\"))]
    #[case(r#""\'""#, Err("unknown escape; a backslash itself is written \\\\"))]
    #[case("\"a\n\"", Err("a line break in a string is written \\n"))]
    #[case(r#""a"#, Err("the string has no end"))]
    #[case(r#""a\"#, Err("the string has no end"))]
    fn reads_go_strings(#[case] text: &str, #[case] want: Result<(&str, usize), &'static str>) {
        assert_eq!(quoted(text), want.map(|(value, len)| (value.to_owned(), len)));
    }
}
