//! Text -> tree. The YAML library reads; its budgets keep bombs (aliases, nesting, size) small.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{MessageFormatter, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter};

use super::node::{Entry, Mark, Node, Scalar, Style, Value};
use crate::engine::policy::{Finding, Severity};

/// A file an operator writes by hand is thousands of times smaller.
pub const MAX_BYTES: usize = 4 << 20;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 200_000;

/// Reads one document. What is not YAML is a single finding, because nothing after it is certain.
/// An empty document is a null node.
pub fn parse(file: &str, text: &str) -> Result<Node, Finding> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(finding(file, Mark::default(), message));
    }
    let raw: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| syntax(file, &error))?;
    Source { file, text }.node(raw)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 8,
            max_total_scalar_bytes: MAX_BYTES,
            max_recorded_anchor_events: MAX_NODES,
            max_recorded_anchor_bytes: MAX_BYTES,
            max_merge_keys: 1_000,
        },
        alias_limits: alias_limits(),
        // Every duplicate is to be reported, not only the first.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn alias_limits() -> AliasLimits {
    serde_saphyr::alias_limits! {
        max_total_replayed_events: MAX_NODES,
        max_replay_stack_depth: 16,
    }
}

fn syntax(file: &str, error: &serde_saphyr::Error) -> Finding {
    let at = error.location().map_or(Mark::default(), |l| mark(&l));
    finding(file, at, UserMessageFormatter.format_message(error.without_snippet()).into_owned())
}

fn finding(file: &str, at: Mark, message: String) -> Finding {
    let file = file.to_owned();
    Finding { severity: Severity::Error, file, line: at.line, column: at.column, message, help: None }
}

fn mark(location: &serde_saphyr::Location) -> Mark {
    Mark { line: location.line() as usize, column: location.column() as usize }
}

/// What the library hands over, before scalars got their written form back.
enum Raw {
    Null,
    /// A number or boolean; its written form is in the source.
    Typed(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn node(&self, raw: Spanned<Raw>) -> Result<Node, Finding> {
        let at = mark(&raw.referenced);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Text(text) => {
                // What stands there bare may still be meant as a number (`007`, `1_000`).
                let bare = self.written(&raw.defined) == Some(&text);
                let style = if bare { Style::Plain } else { Style::Quoted };
                Value::Scalar(Scalar { text, style })
            }
            Raw::Typed(fallback) => {
                let text = self.written(&raw.defined).map_or(fallback, str::to_owned);
                Value::Scalar(Scalar { text, style: Style::Plain })
            }
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?),
            Raw::Map(pairs) => Value::Map(pairs.into_iter().map(|(k, v)| self.entry(k, v)).collect::<Result<_, _>>()?),
        };
        Ok(Node { at, value })
    }

    fn entry(&self, key: Spanned<Raw>, value: Spanned<Raw>) -> Result<Entry, Finding> {
        let key = self.node(key)?;
        let Value::Scalar(Scalar { text, .. }) = key.value else {
            return Err(finding(self.file, key.at, format!("a key must be a word, this is {}", key.sort())));
        };
        Ok(Entry { key: text, at: key.at, value: self.node(value)? })
    }

    fn written(&self, location: &serde_saphyr::Location) -> Option<&str> {
        let start = location.span().byte_offset()? as usize;
        let len = location.span().byte_len()? as usize;
        self.text.get(start..start.checked_add(len)?).map(str::trim).filter(|s| !s.is_empty())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(v.to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Raw, E> {
        Ok(Raw::Text(v))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary data has no place here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
            if pairs.len() > MAX_NODES {
                return Err(A::Error::custom("too many keys"));
            }
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tree(text: &str) -> String {
        fn show(node: &Node, out: &mut String) {
            out.push_str(&format!("{}:{} ", node.at.line, node.at.column));
            match &node.value {
                Value::Null => out.push_str("null"),
                Value::Scalar(s) if s.style == Style::Plain => out.push_str(&s.text),
                Value::Scalar(s) => out.push_str(&format!("{:?}", s.text)),
                Value::List(items) => {
                    out.push('[');
                    items.iter().for_each(|item| {
                        show(item, out);
                        out.push_str(", ");
                    });
                    out.push(']');
                }
                Value::Map(entries) => {
                    out.push('{');
                    entries.iter().for_each(|e| {
                        out.push_str(&format!("{}:{} {}=", e.at.line, e.at.column, e.key));
                        show(&e.value, out);
                        out.push_str(", ");
                    });
                    out.push('}');
                }
            }
        }
        match parse("f.yaml", text) {
            Err(finding) => finding.to_string(),
            Ok(node) => {
                let mut out = String::new();
                show(&node, &mut out);
                out
            }
        }
    }

    #[rstest]
    #[case("a: 007\nb: 1.10\nc: '5'\n", "1:1 {1:1 a=1:4 007, 2:1 b=2:4 1.10, 3:1 c=3:4 \"5\", }")]
    #[case("d: true\ne: yes\nf:\n", "1:1 {1:1 d=1:4 true, 2:1 e=2:4 yes, 3:1 f=3:2 null, }")]
    #[case("g: 1_000\nh: 0x10\nj: |\n  x\n", "1:1 {1:1 g=1:4 1_000, 2:1 h=2:4 0x10, 3:1 j=4:3 \"x\\n\", }")]
    #[case("a: 99999999999999999999999\nb: -0.0 # c\n", "1:1 {1:1 a=1:4 99999999999999999999999, 2:1 b=2:4 -0.0, }")]
    #[case("a: [1, two , 'x']\n", "1:1 {1:1 a=1:4 [1:5 1, 1:8 two, 1:14 \"x\", ], }")]
    #[case("ä: {b: c}\nä: 2\n", "1:1 {1:1 ä=1:4 {1:5 b=1:8 c, }, 2:1 ä=2:4 2, }")]
    #[case("", "1:1 null")]
    #[case("# only\n", "2:1 null")]
    fn scalars_stay_as_written_and_everything_knows_its_place(#[case] text: &str, #[case] want: &str) {
        assert_eq!(tree(text), want);
    }

    #[test]
    fn aliases_and_merges_stand_where_they_are_used() {
        let got = tree("x: &a {q: 1}\ny: *a\nz: {<<: *a, q: 2}\n");
        assert_eq!(got, "1:1 {1:1 x=1:7 {1:8 q=1:11 1, }, 2:1 y=2:4 {2:4 q=2:4 1, }, 3:1 z=3:4 {3:13 q=3:16 2, }, }");
    }

    #[rstest]
    #[case("a: 1: 2", "f.yaml:1:5: mapping values are not allowed in this context")]
    #[case("a: [1", "f.yaml:1:4: unclosed bracket '['")]
    #[case("? [a]\n: b\n", "f.yaml:1:3: a key must be a word, this is a list")]
    #[case("a: *nope\n", "f.yaml:1:4: reference to unknown value")]
    #[case("a: b\n---\nc: d\n", "f.yaml:3:1: only single YAML document expected but multiple found")]
    fn what_is_not_yaml_is_one_finding(#[case] text: &str, #[case] want: &str) {
        assert_eq!(tree(text), want);
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let block_deep: String = (0..2_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        let large = format!("a: '{}'", "x".repeat(MAX_BYTES));
        for text in [laughs, deep, block_deep, large] {
            assert!(parse("f.yaml", &text).is_err());
        }
    }
}
