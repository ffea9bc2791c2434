//! Text -> matchers. Only what a selector may be: no range, no offset, no function.

use super::matcher::{Matcher, Op};
use super::quoted::quoted;

/// What is wrong with a selector, and at which character (from 0).
#[derive(Debug, PartialEq)]
pub(in super::super) struct Mistake {
    pub at: usize,
    pub message: String,
    pub help: Option<&'static str>,
}

const NO_TARGET_LABELS: &str =
    "Prometheus adds target labels after the guard has answered: bind the policy with `targets:` instead";
const NO_SPLIT: &str = "a histogram or summary is covered as a whole: select it by name or by its other labels";

pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, Mistake> {
    let mut reader = Reader { text, at: 0, matchers: Vec::new() };
    reader.skip_blanks();
    let name = reader.metric_name();
    if !name.is_empty() {
        reader.add(0, "__name__", Op::Equal, name)?;
    }
    if reader.peek() == Some('{') {
        reader.braces()?;
    } else if name.is_empty() {
        return Err(reader.mistake("a selector is wanted, as in x_total{queue=\"emails\"}", None));
    }
    match reader.peek() {
        None => Ok(reader.matchers),
        Some(_) => Err(reader.mistake("nothing may follow a selector: no range, no offset, no function", None)),
    }
}

struct Reader<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
    matchers: Vec<Matcher>,
}

impl<'t> Reader<'t> {
    fn braces(&mut self) -> Result<(), Mistake> {
        self.take('{');
        while !self.take('}') {
            self.matcher()?;
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.mistake("a comma or `}` is wanted here", None));
            }
        }
        Ok(())
    }

    /// `label="value"`, or a quoted metric name alone.
    fn matcher(&mut self) -> Result<(), Mistake> {
        self.skip_blanks();
        let start = self.at;
        if matches!(self.peek(), Some('"' | '\'' | '`')) {
            let label = self.string()?;
            return match self.op() {
                Some(op) => self.value(start, &label, op),
                None => self.add(start, "__name__", Op::Equal, &label),
            };
        }
        let label = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if label.is_empty() {
            return Err(self.mistake("a label name is wanted here", None));
        }
        match self.op() {
            Some(op) => self.value(start, label, op),
            None => Err(self.mistake("one of =, !=, =~, !~ is wanted here", None)),
        }
    }

    fn value(&mut self, start: usize, label: &str, op: Op) -> Result<(), Mistake> {
        if !matches!(self.peek(), Some('"' | '\'' | '`')) {
            return Err(self.mistake("a quoted value is wanted here", None));
        }
        let value = self.string()?;
        self.add(start, label, op, &value)
    }

    fn add(&mut self, start: usize, label: &str, op: Op, value: &str) -> Result<(), Mistake> {
        if let Some((message, help)) = forbidden(label) {
            self.at = start;
            return Err(self.mistake(&message, Some(help)));
        }
        let matcher = Matcher::new(label, op, value).map_err(|why| {
            self.at = start;
            self.mistake(&format!("the pattern of `{label}` is wrong: {why}"), None)
        })?;
        self.matchers.push(matcher);
        Ok(())
    }

    fn string(&mut self) -> Result<String, Mistake> {
        let (value, len) = quoted(&self.text[self.at..]).map_err(|why| self.mistake(why, None))?;
        self.at += len;
        self.skip_blanks();
        Ok(value)
    }

    fn op(&mut self) -> Option<Op> {
        let rest = &self.text[self.at..];
        let op = [Op::Matches, Op::NotMatches, Op::NotEqual, Op::Equal]
            .into_iter()
            .find(|op| rest.starts_with(op.as_str()))?;
        self.at += op.as_str().len();
        self.skip_blanks();
        Some(op)
    }

    fn metric_name(&mut self) -> &'t str {
        match self.peek() {
            Some(c) if c.is_ascii_digit() => "",
            _ => self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'),
        }
    }

    fn word(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += len;
        self.skip_blanks();
        &rest[..len]
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.at += c.len_utf8();
            self.skip_blanks();
        }
        there
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn mistake(&self, message: &str, help: Option<&'static str>) -> Mistake {
        Mistake { at: self.text[..self.at].chars().count(), message: message.to_owned(), help }
    }
}

/// Why a selector may not read this label, and what to do.
fn forbidden(label: &str) -> Option<(String, &'static str)> {
    match label {
        "le" | "quantile" => {
            Some((format!("a matcher on `{label}` would split the lines of a histogram or summary"), NO_SPLIT))
        }
        "job" | "instance" => Some((format!("a selector cannot read `{label}`"), NO_TARGET_LABELS)),
        "__name__" => None,
        _ if label.starts_with("__") && !label.starts_with("__tmp") => {
            Some((format!("a selector cannot read `{label}`"), NO_TARGET_LABELS))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", 0, "a selector is wanted")]
    #[case("9x", 0, "a selector is wanted")]
    #[case("x[5m]", 1, "nothing may follow a selector")]
    #[case("x{} offset 5m", 4, "nothing may follow a selector")]
    #[case("rate(x)", 4, "nothing may follow a selector")]
    #[case("x{", 2, "a label name is wanted")]
    #[case("x{a}", 3, "one of =, !=, =~, !~")]
    #[case("x{a=b}", 4, "a quoted value is wanted")]
    #[case("x{a=\"b\" c=\"d\"}", 8, "a comma or `}`")]
    #[case("x{a=\"b}", 4, "the string has no end")]
    #[case("x{,}", 2, "a label name is wanted")]
    #[case("x{ä=\"b\"}", 2, "a label name is wanted")]
    #[case("x{a=~\"(\"}", 2, "the pattern of `a` is wrong: unclosed group")]
    #[case("x{job=\"b\"}", 2, "a selector cannot read `job`")]
    #[case("x{q=\"ä\", instance=~\"b\"}", 9, "a selector cannot read `instance`")]
    #[case("x{\"__address__\"=\"b\"}", 2, "a selector cannot read `__address__`")]
    #[case("x{le=\"1\"}", 2, "a matcher on `le` would split")]
    #[case("x{quantile=\"0.5\"}", 2, "a matcher on `quantile` would split")]
    fn mistakes_have_a_place(#[case] text: &str, #[case] at: usize, #[case] message: &str) {
        let mistake = matchers(text).expect_err(text);
        assert!(mistake.message.contains(message), "{mistake:?}");
        assert_eq!(mistake.at, at, "{mistake:?}");
    }

    #[test]
    fn temporary_labels_may_be_read() {
        assert!(matchers("x{__tmp_shard=\"1\", __name__!=\"y\"}").is_ok());
    }
}
