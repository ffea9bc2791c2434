//! Text from outside, made harmless in HTML, in ids and in queries.

use std::fmt::{self, Write as _};

use crate::telemetry::Printable;

/// Characters shown of one text.
const MOST: usize = 160;

/// Text: markup escaped, control characters spelled out, long ones cut.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(pub &'a str);

/// Text whose lines and length stay.
#[derive(Clone, Copy)]
pub(super) struct Block<'a>(pub &'a str);

/// Fit for an id: letters and digits, the rest spelled out; a hash of what is very long.
#[derive(Clone, Copy)]
pub(super) struct Slug<'a>(pub &'a str);

/// Fit for the value of a query's parameter.
#[derive(Clone, Copy)]
pub(super) struct Query<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MOST).map_or(self.0.len(), |(at, _)| at);
        escape(&Printable(&self.0[..end]).to_string(), f)?;
        if end < self.0.len() { f.write_char('…') } else { Ok(()) }
    }
}

impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.lines() {
            escape(&Printable(line).to_string(), f)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl fmt::Display for Slug<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= MOST {
            return spelled(self.0, '.', f);
        }
        let hash = self
            .0
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        write!(f, "long.{hash:016x}")
    }
}

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(self.0, '%', f)
    }
}

fn spelled(text: &str, mark: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => f.write_char(char::from(byte))?,
            _ => write!(f, "{mark}{byte:02X}")?,
        }
    }
    Ok(())
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            _ => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_text() {
        assert_eq!(Text("<a b='c'>&\"\n\u{202e}").to_string(), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\\u{a}\\u{202e}");
        assert_eq!(Text(&"ü".repeat(500)).to_string(), format!("{}…", "ü".repeat(MOST)));
        assert_eq!(Block("a: <b>\n  c\u{1b}").to_string(), "a: &lt;b&gt;\n  c\\u{1b}\n");
        assert_eq!(Slug("a b\"c").to_string(), "a.20b.22c");
        let long = |end: &str| Slug(&("x".repeat(5000) + end)).to_string();
        assert!(long("a").len() < 30 && long("a") != long("b"));
        assert_eq!(Query("a b&c=ü").to_string(), "a%20b%26c%3D%C3%BC");
    }
}
