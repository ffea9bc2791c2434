//! One matcher of a selector.

use std::fmt;

use super::super::pattern::Pattern;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Op {
    Equal,
    NotEqual,
    Matches,
    NotMatches,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Matcher {
    label: Box<str>,
    op: Op,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Value(Box<str>),
    Pattern(Pattern),
}

impl Matcher {
    /// The error says what is wrong with the pattern.
    pub fn new(label: &str, op: Op, value: &str) -> Result<Matcher, String> {
        let test = match op {
            Op::Equal | Op::NotEqual => Test::Value(value.into()),
            Op::Matches | Op::NotMatches => Test::Pattern(Pattern::new(value)?),
        };
        Ok(Matcher { label: label.into(), op, test })
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    /// The values that fit, as far as it spells them out.
    pub fn words(&self) -> Vec<&str> {
        match (&self.test, self.op) {
            (Test::Value(value), Op::Equal) => vec![value],
            (Test::Pattern(pattern), Op::Matches) => pattern.words().unwrap_or_default().iter().map(|w| &**w).collect(),
            _ => Vec::new(),
        }
    }

    /// An absent label has the value "".
    #[inline]
    pub fn fits(&self, value: &str) -> bool {
        let hit = match &self.test {
            Test::Value(want) => **want == *value,
            Test::Pattern(pattern) => pattern.fits(value),
        };
        hit == matches!(self.op, Op::Equal | Op::Matches)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match &self.test {
            Test::Value(value) => value,
            Test::Pattern(pattern) => pattern.text(),
        };
        write!(f, "{}{}{value:?}", self.label, self.op.as_str())
    }
}

impl Op {
    pub const fn as_str(self) -> &'static str {
        match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::NotMatches => "!~",
        }
    }
}
