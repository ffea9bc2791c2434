//! Expressions in rule files and dashboards. Both are read as YAML, which JSON is: everything that
//! stands under `expr`, however deep, and the queries of a dashboard's variables.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::read::{Query, read};
use super::shown::shown;
use crate::cli::failure::Usage;
use crate::engine::policy::yaml::{self, Entry, Mark, Node, Value};
use crate::engine::policy::{Finding, Source};

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Expression {
    pub file: String,
    pub at: Mark,
    pub text: String,
    pub query: Query,
}

/// What rules and dashboards ask.
#[derive(Debug, Default)]
pub(in crate::cli) struct Questions {
    pub expressions: Vec<Expression>,
    /// Metrics that rules record: they never pass the guard.
    pub recorded: BTreeSet<String>,
    pub sources: Vec<Source>,
    /// Files that are not YAML or JSON.
    pub findings: Vec<Finding>,
}

impl Questions {
    pub(in crate::cli) fn read<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Result<Questions, Usage> {
        let mut questions = Questions::default();
        for path in paths {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
            questions.add(Source { name, text });
        }
        Ok(questions)
    }

    fn add(&mut self, source: Source) {
        match yaml::parse(&source.name, &source.text) {
            Ok(root) => self.walk(&source.name, &root),
            Err(finding) => self.findings.push(finding),
        }
        self.sources.push(source);
    }

    fn walk(&mut self, file: &str, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.walk(file, item)),
            Value::Map(entries) if asks_prometheus(entries) => {
                entries.iter().for_each(|entry| self.entry(file, entry, entries));
            }
            _ => {}
        }
    }

    fn entry(&mut self, file: &str, entry: &Entry, beside: &[Entry]) {
        let Value::Scalar(scalar) = &entry.value.value else { return self.walk(file, &entry.value) };
        let is_query = entry.key == "query" && scalar.text.trim_start().starts_with("label_values(");
        if entry.key == "expr" || is_query {
            let (at, text) = (entry.value.at, scalar.text.clone());
            let mut query = read(&text);
            query.show(&shown(beside));
            self.expressions.push(Expression { file: file.to_owned(), at, query, text });
        } else if entry.key == "record" {
            self.recorded.insert(scalar.text.clone());
        }
    }
}

/// Dashboards ask others too (`datasource: {type: loki}`).
fn asks_prometheus(entries: &[Entry]) -> bool {
    let get = |entries: &[Entry], key: &str| entries.iter().find(|e| e.key == key).map(|e| e.value.value.clone());
    let Some(Value::Map(datasource)) = get(entries, "datasource") else { return true };
    let Some(Value::Scalar(kind)) = get(&datasource, "type") else { return true };
    kind.text.is_empty()
        || kind.text.contains("prometheus")
        || matches!(kind.text.as_str(), "datasource" | "mixed")
        || kind.text.contains('$')
}

#[cfg(test)]
mod tests {
    use super::super::read::How;
    use super::*;

    fn asked(text: &str) -> Questions {
        let mut questions = Questions::default();
        questions.add(Source { name: "f".into(), text: text.into() });
        questions
    }

    fn texts(questions: &Questions) -> Vec<(usize, &str)> {
        questions.expressions.iter().map(|e| (e.at.line, e.text.trim_end())).collect()
    }

    #[test]
    fn rules_at_any_depth() {
        let text = "groups:\n  - name: g\n    rules:\n      - record: a:b\n        expr: sum(a)\n      - alert: x\n        expr: |\n          b\n            > 0\n";
        let questions = asked(text);
        assert_eq!(texts(&questions), [(5, "sum(a)"), (8, "b\n  > 0")]);
        assert!(questions.recorded.contains("a:b"));
        let nested = format!("spec:\n{}", text.lines().map(|line| format!("  {line}\n")).collect::<String>());
        assert_eq!(texts(&asked(&nested)).len(), 2);
    }

    #[test]
    fn panels_and_variables_of_dashboards() {
        let text = r#"{
  "panels": [
    {"datasource": {"type": "prometheus", "uid": "x"}, "targets": [{"expr": "a{x=\"1\"}", "legendFormat": "{{x}}"}]},
    {"datasource": {"type": "loki"}, "targets": [{"expr": "{x=\"1\"} |= \"y\""}]},
    {"type": "row", "panels": [{"targets": [{"expr": "b"}]}]}
  ],
  "templating": {"list": [{"query": {"query": "label_values(a, x)"}}, {"query": "1m,5m"}]}
}"#;
        assert_eq!(texts(&asked(text)), [(3, "a{x=\"1\"}"), (5, "b"), (7, "label_values(a, x)")]);
    }

    #[test]
    fn words_show_labels_too() {
        let shown = |text: &str| {
            let questions = asked(text);
            let reads = questions.expressions[0].query.reads.clone();
            reads.into_iter().filter(|read| read.how == How::Shows).map(|read| read.label).collect::<Vec<_>>()
        };
        let rule = "{expr: 'a > 0', labels: {to: '{{ $labels.team }}'}, annotations: {x: '{{ $labels.queue }}: {{ $value }} of {{ index $labels \"my.job\" }}'}}";
        assert_eq!(shown(rule), ["my.job", "queue", "team"]);
        assert_eq!(shown("{expr: a, legendFormat: '{{queue}} {{ task }} x'}"), ["queue", "task"]);
        assert!(shown("{expr: '1', legendFormat: '{{queue}}'}").is_empty(), "of no metric");
    }

    #[test]
    fn what_is_neither_is_a_finding() {
        assert_eq!(asked("a: [").findings.len(), 1);
    }
}
