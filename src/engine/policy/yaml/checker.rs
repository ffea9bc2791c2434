//! Walking the tree: typed getters that note what is wrong and go on.

use std::time::Duration;

use super::node::{Entry, Mark, Node, Style, Value};
use super::{suggest, units};
use crate::engine::policy::{Finding, Severity};

/// Collects the findings of one file. A getter that answers `None` has said why.
#[derive(Debug)]
pub struct Checker {
    file: String,
    findings: Vec<Finding>,
}

/// The entries of a mapping whose keys have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    at: Mark,
    entries: &'n [Entry],
}

impl Checker {
    pub fn new(file: &str) -> Checker {
        Checker { file: file.to_owned(), findings: Vec::new() }
    }

    pub fn error(&mut self, at: Mark, message: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), None);
    }

    pub fn error_with_help(&mut self, at: Mark, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), Some(help.into()));
    }

    pub fn warning(&mut self, at: Mark, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Warning, at, message.into(), Some(help.into()));
    }

    /// Notes an error about `word` with the closest of `allowed` as help, or with all of them.
    pub fn unknown(&mut self, at: Mark, what: &str, word: &str, allowed: &[&str]) {
        let help = match suggest::closest(word, allowed.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if allowed.is_empty() => format!("no {what} is known here"),
            None => format!("one of {}", allowed.join(", ")),
        };
        self.error_with_help(at, format!("unknown {what} `{word}`"), help);
    }

    pub fn note(&mut self, at: Mark, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Note, at, message.into(), Some(help.into()));
    }

    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// Everything found, in the order of the file.
    pub fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|f| (f.line, f.column));
        self.findings
    }

    /// A mapping with these keys and no others, none twice. Nothing (`web:`) is an empty mapping.
    pub fn fields<'n>(&mut self, node: &'n Node, allowed: &[&str]) -> Option<Fields<'n>> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => return self.wanted(node, "a mapping"),
        };
        for (i, entry) in entries.iter().enumerate() {
            if !allowed.contains(&entry.key.as_str()) {
                self.unknown(entry.at, "key", &entry.key, allowed);
            }
            if let Some(first) = entries[..i].iter().find(|e| e.key == entry.key) {
                let help = format!("the first one is in line {}", first.at.line);
                self.error_with_help(entry.at, format!("key `{}` is given twice", entry.key), help);
            }
        }
        Some(Fields { at: node.at, entries })
    }

    pub fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => self.wanted(node, "a list"),
        }
    }

    /// Any scalar, as written: `replacement: 1` is the text `1`.
    pub fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Null => {
                self.error_with_help(node.at, "text is wanted here, this is nothing", "write \"\" for empty text");
                None
            }
            _ => self.wanted(node, "text"),
        }
    }

    /// One text or a list of texts. What is no text is reported and left out.
    pub fn texts<'n>(&mut self, node: &'n Node) -> Option<Vec<(Mark, &'n str)>> {
        match &node.value {
            Value::List(items) => {
                Some(items.iter().filter_map(|item| self.text(item).map(|text| (item.at, text))).collect())
            }
            Value::Map(_) => self.wanted(node, "text or a list"),
            _ => self.text(node).map(|text| vec![(node.at, text)]),
        }
    }

    pub fn bool(&mut self, node: &Node) -> Option<bool> {
        match self.plain(node) {
            Some("true" | "True" | "TRUE") => Some(true),
            Some("false" | "False" | "FALSE") => Some(false),
            _ => self.wanted(node, "true or false"),
        }
    }

    pub fn u64(&mut self, node: &Node) -> Option<u64> {
        let digits = self.plain(node).filter(|text| text.starts_with(|c: char| c.is_ascii_digit()));
        match digits.and_then(|text| text.replace('_', "").parse().ok()) {
            Some(number) => Some(number),
            None => self.wanted(node, "a whole number, not negative,"),
        }
    }

    pub fn float(&mut self, node: &Node) -> Option<f64> {
        let number = self.plain(node).and_then(|text| text.replace('_', "").parse::<f64>().ok());
        match number.filter(|number| number.is_finite()) {
            Some(number) => Some(number),
            None => self.wanted(node, "a number"),
        }
    }

    /// `30s`, `1h30m`, `500ms`, as Prometheus writes them.
    pub fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.text(node)?;
        let duration = units::duration(text);
        if duration.is_none() {
            let help = "a number and a unit, as in 30s, 1h30m, 500ms (units: y w d h m s ms)";
            self.error_with_help(node.at, format!("`{text}` is no duration"), help);
        }
        duration
    }

    /// `8MB`, `1MiB` or plain bytes.
    pub fn bytes(&mut self, node: &Node) -> Option<u64> {
        let text = self.text(node)?;
        let size = units::bytes(text);
        if size.is_none() {
            let help = "a number with B, KB, MB, GB or TB, as in 8MB; 0 for none";
            self.error_with_help(node.at, format!("`{text}` is no size"), help);
        }
        size
    }

    /// One of these words; `what` names their sort, as in `unknown action`.
    pub fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown(node.at, what, text, &allowed);
        }
        found
    }

    fn plain<'n>(&self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) if scalar.style == Style::Plain => Some(&scalar.text),
            _ => None,
        }
    }

    fn wanted<T>(&mut self, node: &Node, what: &str) -> Option<T> {
        self.error(node.at, format!("{what} is wanted here, this is {}", node.sort()));
        None
    }

    fn push(&mut self, severity: Severity, at: Mark, message: String, help: Option<String>) {
        let file = self.file.clone();
        self.findings.push(Finding { severity, file, line: at.line, column: at.column, message, help });
    }
}

impl<'n> Fields<'n> {
    /// Where the mapping begins.
    pub fn at(&self) -> Mark {
        self.at
    }

    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value with its key, for findings about the key itself.
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key that must be there.
    pub fn require(&self, check: &mut Checker, key: &str) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            check.error(self.at, format!("`{key}` is missing"));
        }
        node
    }

    pub fn iter(&self) -> impl Iterator<Item = &'n Entry> + use<'n> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use rstest::rstest;

    fn check(text: &str, ask: impl Fn(&mut Checker, Fields<'_>)) -> Vec<String> {
        let root = parse("f", text).expect("YAML");
        let mut check = Checker::new("f");
        if let Some(fields) = check.fields(&root, &["labels", "mode", "n"]) {
            ask(&mut check, fields);
        }
        let show = |f: Finding| format!("{f} ({})", f.help.as_deref().unwrap_or_default());
        check.into_findings().into_iter().map(show).collect()
    }

    #[test]
    fn keys_are_checked_all_at_once() {
        let got = check("labls: 1\nmode: a\nmode: b\nzzzz: 3\n", |_, _| {});
        assert_eq!(
            got,
            [
                "f:1:1: unknown key `labls` (did you mean `labels`?)",
                "f:3:1: key `mode` is given twice (the first one is in line 2)",
                "f:4:1: unknown key `zzzz` (one of labels, mode, n)",
            ]
        );
    }

    #[rstest]
    #[case("n: 1_000", "Some(1000)")]
    #[case("n: '5'", "f:1:4: a whole number, not negative, is wanted here, this is text ()")]
    #[case("n: -5", "f:1:4: a whole number, not negative, is wanted here, this is a number ()")]
    #[case("n: [1]", "f:1:4: a whole number, not negative, is wanted here, this is a list ()")]
    #[case("n: 1.5", "f:1:4: a whole number, not negative, is wanted here, this is a number ()")]
    #[case("n:", "f:1:2: a whole number, not negative, is wanted here, this is nothing ()")]
    fn whole_numbers(#[case] text: &str, #[case] want: &str) {
        let got = check(text, |check, fields| {
            if let Some(n) = fields.get("n").and_then(|n| check.u64(n)) {
                check.error(Mark::default(), format!("{:?}", Some(n)));
            }
        });
        assert!(got[0].contains(want), "{got:?}");
    }

    #[test]
    fn every_getter_says_what_it_wants() {
        let text = "labels: [a, {b: c}]\nmode: enforc\nn: {}\n";
        let got = check(text, |check, fields| {
            let labels = fields.get("labels").and_then(|n| check.texts(n)).expect("a list");
            assert_eq!(labels, [(Mark { line: 1, column: 10 }, "a")]);
            let mode = fields.get("mode").expect("mode");
            assert_eq!(check.word(mode, "mode", &[("enforce", 1), ("observe", 2)]), None);
            assert_eq!((check.bool(mode), check.duration(mode), check.bytes(mode)), (None, None, None));
            let n = fields.get("n").expect("n");
            assert_eq!((check.text(n), check.list(n), check.float(n)), (None, None, None));
            assert!(fields.require(check, "x").is_none());
        });
        assert_eq!(
            got,
            [
                "f:1:1: `x` is missing ()",
                "f:1:13: text is wanted here, this is a mapping ()",
                "f:2:7: unknown mode `enforc` (did you mean `enforce`?)",
                "f:2:7: true or false is wanted here, this is text ()",
                "f:2:7: `enforc` is no duration (a number and a unit, as in 30s, 1h30m, 500ms (units: y w d h m s ms))",
                "f:2:7: `enforc` is no size (a number with B, KB, MB, GB or TB, as in 8MB; 0 for none)",
                "f:3:4: text is wanted here, this is a mapping ()",
                "f:3:4: a list is wanted here, this is a mapping ()",
                "f:3:4: a number is wanted here, this is a mapping ()",
            ]
        );
    }
}
