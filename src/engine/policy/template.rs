//! Replacements with `$1`, `${1}` and `${name}`, as Go's regexp expands them.

use regex::{Captures, Regex};

/// A parsed replacement.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(Box<str>),
    Group(usize),
}

/// A rule may double its input, and the next one again. What grows beyond this is not written.
pub(super) const MAX_VALUE: usize = 1 << 20;

impl Template {
    /// Parses `text` for `regex`; the second value names the groups that the regex has not.
    pub fn new(text: &str, regex: &Regex) -> (Template, Vec<String>) {
        let (mut pieces, mut literal, mut missing) = (Vec::new(), String::new(), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let Some((name, tail)) = reference(rest) else {
                literal.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
                continue;
            };
            rest = tail;
            match group(name, regex) {
                Some(index) => {
                    push_literal(&mut pieces, &mut literal);
                    pieces.push(Piece::Group(index));
                }
                None => missing.push(name.to_owned()),
            }
        }
        literal.push_str(rest);
        push_literal(&mut pieces, &mut literal);
        (Template { pieces: pieces.into() }, missing)
    }

    /// The text when no group is referred to, so that no capture is needed.
    pub fn constant(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes the replacement into `out` (cleared first). `None`: it would grow beyond all measure.
    pub fn expand(&self, captures: &Captures<'_>, out: &mut String) -> Option<()> {
        out.clear();
        for piece in &self.pieces {
            let text = match piece {
                Piece::Literal(text) => text,
                Piece::Group(index) => captures.get(*index).map_or("", |group| group.as_str()),
            };
            if out.len() + text.len() > MAX_VALUE {
                return None;
            }
            out.push_str(text);
        }
        Some(())
    }
}

fn push_literal(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

/// Splits `{name}rest` or `name rest`; `None` when the `$` before it stands for itself.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let word = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len());
    match rest.strip_prefix('{') {
        Some(inner) => {
            let (name, tail) = inner.split_at(word(inner));
            let tail = tail.strip_prefix('}')?;
            (!name.is_empty()).then_some((name, tail))
        }
        None => Some(rest.split_at(word(rest))).filter(|(name, _)| !name.is_empty()),
    }
}

fn group(name: &str, regex: &Regex) -> Option<usize> {
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return name.parse().ok().filter(|index| *index < regex.captures_len());
    }
    regex.capture_names().position(|have| have == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("$1", "ab")]
    #[case("${1}", "ab")]
    #[case("x-${1}y", "x-aby")]
    #[case("$1y", "")]
    #[case("${rest}/$1", "cd/ab")]
    #[case("$rest", "cd")]
    #[case("$0", "ab-cd")]
    #[case("$$1", "$1")]
    #[case("$", "$")]
    #[case("a$ b", "a$ b")]
    #[case("${}", "${}")]
    #[case("${1", "${1")]
    #[case("$9", "")]
    #[case("", "")]
    fn expands_as_go_does(#[case] template: &str, #[case] want: &str) {
        let regex = Regex::new("^(..)-(?P<rest>..)$").expect("regex");
        let captures = regex.captures("ab-cd").expect("fits");
        let (template, _) = Template::new(template, &regex);
        let mut out = String::from("stale");
        template.expand(&captures, &mut out).expect("small");
        assert_eq!(out, want);
    }

    #[test]
    fn names_the_groups_that_are_not_there() {
        let regex = Regex::new("^(.)$").expect("regex");
        assert_eq!(Template::new("$1$2${x}$1y", &regex).1, ["2", "x", "1y"]);
    }

    #[test]
    fn growth_has_an_end() {
        let regex = Regex::new("^(.*)$").expect("regex");
        let long = "x".repeat(MAX_VALUE);
        let captures = regex.captures(&long).expect("fits");
        let mut out = String::new();
        assert_eq!(Template::new("$1", &regex).0.expand(&captures, &mut out), Some(()));
        assert_eq!(Template::new("$1$1", &regex).0.expand(&captures, &mut out), None);
    }
}
