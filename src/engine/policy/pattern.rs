//! Anchored regular expressions as Prometheus reads them.
//!
//! Prometheus writes Go's dialect (RE2). Where Rust's means something else (`\d` beyond ASCII, set
//! operators inside brackets, a lone `{`), the pattern is rewritten before it is compiled.

use regex::{Regex, RegexBuilder};

/// A pattern that must fit the whole text.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// `a|b|c` needs no automaton.
    Words(Box<[Box<str>]>),
    Regex(Regex),
}

/// Compiled programs larger than this are refused: a regex is paid for by each endpoint.
const SIZE_LIMIT: usize = 1 << 20;
const NEST_LIMIT: u32 = 64;
const MAX_PATTERN: usize = 64 << 10;

impl Pattern {
    pub fn new(text: &str) -> Result<Pattern, String> {
        let test = match words(text) {
            Some(words) => Test::Words(words.into_iter().map(Box::from).collect()),
            None => Test::Regex(anchored(text)?),
        };
        Ok(Pattern { text: text.into(), test })
    }

    #[inline]
    pub fn fits(&self, text: &str) -> bool {
        match &self.test {
            Test::Words(words) => words.iter().any(|word| **word == *text),
            Test::Regex(regex) => regex.is_match(text),
        }
    }

    /// As written by the operator.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words of a plain alternation (`a|b`), if that is all the pattern is.
    pub fn words(&self) -> Option<&[Box<str>]> {
        match &self.test {
            Test::Words(words) => Some(words),
            Test::Regex(_) => None,
        }
    }
}

/// Compiles a pattern that must fit the whole text, with its groups. The error is one line.
pub(super) fn anchored(text: &str) -> Result<Regex, String> {
    if text.len() > MAX_PATTERN {
        return Err(format!("the pattern is longer than {} KiB", MAX_PATTERN >> 10));
    }
    RegexBuilder::new(&format!("^(?s:{})$", translate(text)?))
        .size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|error| one_line(&error))
}

fn one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large once compiled".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// Splits `a|b`, `(a|b)` and `(?:a|b)` into words when nothing in them is special.
fn words(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).map(|t| t.strip_prefix("?:").unwrap_or(t));
    let inner = inner.unwrap_or(text);
    let special = |c: char| "\\.+*?()[]{}^$".contains(c);
    (!inner.contains(special)).then(|| inner.split('|').collect())
}

/// Go's dialect -> Rust's.
fn translate(pattern: &str) -> Result<String, String> {
    let mut walk = Translation { rest: pattern, out: String::with_capacity(pattern.len() + 8), depth: 0 };
    while let Some(c) = walk.next() {
        match c {
            '\\' => walk.escape(Place::Outside),
            '[' => walk.class(),
            '{' if !is_repetition(walk.rest) => walk.out.push_str("\\{"),
            '(' => {
                walk.depth += 1;
                walk.out.push('(');
            }
            // Else `a)(b` would close the group that anchors it.
            ')' if walk.depth == 0 => return Err("unopened group".to_owned()),
            ')' => {
                walk.depth -= 1;
                walk.out.push(')');
            }
            c => walk.out.push(c),
        }
    }
    Ok(walk.out)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Outside,
    InClass,
}

struct Translation<'p> {
    rest: &'p str,
    out: String,
    depth: usize,
}

impl Translation<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Go's classes are ASCII; `\Q..\E` quotes.
    fn escape(&mut self, place: Place) {
        let (digit, word, space) = ("0-9", "0-9A-Za-z_", "\\t\\n\\f\\r ");
        let set = match self.next() {
            Some('d') => digit,
            Some('w') => word,
            Some('s') => space,
            Some('D') => return self.out.push_str("[^0-9]"),
            Some('W') => return self.out.push_str("[^0-9A-Za-z_]"),
            Some('S') => return self.out.push_str("[^\\t\\n\\f\\r ]"),
            Some('b') if place == Place::Outside => return self.out.push_str("(?-u:\\b)"),
            Some('Q') if place == Place::Outside => return self.quoted(),
            other => {
                self.out.push('\\');
                return self.out.extend(other);
            }
        };
        match place {
            Place::Outside => self.out.extend(["[", set, "]"]),
            Place::InClass => self.out.push_str(set),
        }
    }

    fn quoted(&mut self) {
        let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
        self.out.push_str(&regex::escape(literal));
        self.rest = rest;
    }

    /// Inside brackets Go knows no nesting and no set operators.
    fn class(&mut self) {
        self.out.push('[');
        if self.rest.starts_with('^') {
            self.next();
            self.out.push('^');
        }
        if self.rest.starts_with(']') {
            self.next();
            self.out.push_str("\\]");
        }
        while let Some(c) = self.next() {
            match c {
                ']' => return self.out.push(']'),
                '\\' => self.escape(Place::InClass),
                '[' => self.bracket_in_class(),
                '&' | '~' => self.out.extend(['\\', c]),
                '-' if self.rest.starts_with('-') => {
                    self.next();
                    self.out.push_str("-\\-");
                }
                c => self.out.push(c),
            }
        }
    }

    fn bracket_in_class(&mut self) {
        let posix = self.rest.strip_prefix(':').and_then(|rest| rest.split_once(":]"));
        match posix {
            Some((name, rest)) if name.trim_start_matches('^').chars().all(|c| c.is_ascii_lowercase()) => {
                self.out.extend(["[:", name, ":]"]);
                self.rest = rest;
            }
            _ => self.out.push_str("\\["),
        }
    }
}

/// Says whether what follows a `{` makes it a repetition; else Go takes it literally.
fn is_repetition(rest: &str) -> bool {
    let Some((inner, _)) = rest.split_once('}') else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && number(low) && number(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("job_id|task_id", "task_id", true)]
    #[case("job_id|task_id", "xtask_id", false)]
    #[case("(a|b)", "b", true)]
    #[case("(?:a|b)", "ab", false)]
    #[case("foo", "foobar", false)]
    #[case("a|b.*", "a", true)]
    #[case("a|b.*", "xa", false)]
    #[case(".+", "two\nlines", true)]
    #[case("", "", true)]
    #[case("", "x", false)]
    #[case(r"\d+", "123", true)]
    #[case(r"\d+", "١٢٣", false)]
    #[case(r"\w+", "é", false)]
    #[case(r"\W+", "é", true)]
    #[case(r"[\d.]+", "1.2", true)]
    #[case(r"[^\d]+", "ab", true)]
    #[case(r"[\D]+", "ab", true)]
    #[case(r"[[]x", "[x", true)]
    #[case(r"[]a]+", "a]", true)]
    #[case(r"[a&&b]+", "a&b", true)]
    #[case(r"[+--]+", "+,-", true)]
    #[case(r"[[:alpha:]]+", "abC", true)]
    #[case(r"a{,5}", "a{,5}", true)]
    #[case(r"{x}", "{x}", true)]
    #[case(r"a{2,3}", "aa", true)]
    #[case(r"\Qa.b\E.", "a.bc", true)]
    #[case(r"(?i)ABC", "abc", true)]
    #[case(r"\bfoo\b", "foo", true)]
    #[case(r"/orders/\d+", "/orders/12", true)]
    fn fits_as_in_prometheus(#[case] pattern: &str, #[case] text: &str, #[case] fits: bool) {
        assert_eq!(Pattern::new(pattern).expect(pattern).fits(text), fits, "{pattern} on {text}");
    }

    #[rstest]
    #[case("(", "unclosed group")]
    #[case("a)(b", "unopened group")]
    #[case("a(?=b)", "look-around, including look-ahead and look-behind, is not supported")]
    #[case(r"(a)\1", "backreferences are not supported")]
    #[case(r".{1000}{1000}", "the pattern is too large once compiled")]
    #[case("[z-a]", "invalid character class range, the start must be <= the end")]
    fn mistakes_are_one_line(#[case] pattern: &str, #[case] message: &str) {
        assert_eq!(Pattern::new(pattern).expect_err(pattern), message);
    }

    #[test]
    fn hostile_patterns_are_refused_or_linear() {
        assert!(Pattern::new(&"(".repeat(10_000)).is_err());
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000))).is_err());
        assert!(Pattern::new(&"x+".repeat(MAX_PATTERN)).is_err());
        let slow_elsewhere = Pattern::new("(a+)+b").expect("linear here");
        assert!(!slow_elsewhere.fits(&"a".repeat(50_000)));
    }
}
