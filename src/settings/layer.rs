//! Where settings come from, the file first and a flag last, each as a tree that says where it
//! stands: one reader then names the file and line, the variable or the flag alike.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Environment, Source as _};

use crate::engine::policy::yaml::{self, Entry, Mark, Node, Scalar, Style, Value};
use crate::engine::policy::{Finding, Source};

const PREFIX: &str = "CARDINALITY_GUARD";

/// Keys that hold a list, in which a variable or flag separates items by commas.
const LISTS: [&str; 2] = ["web.listen_address", "policy_files"];
/// The key that a variable gives as YAML, because nothing shorter can say it.
const YAML: &str = "targets";

/// A part of the settings, from one origin.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The file, the environment variable or the flag, as findings name it.
    pub origin: String,
    pub root: Node,
    /// What relative paths in it are relative to; `None`: the working directory.
    pub base: Option<PathBuf>,
}

/// A key on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As in `--web.listen-address`.
    pub name: &'static str,
    /// As in `web.listen_address`.
    pub key: &'static str,
    /// More than one for a flag that was repeated.
    pub values: Vec<String>,
}

impl Layer {
    pub(super) fn file(source: &Source) -> Result<Layer, Finding> {
        let root = yaml::parse(&source.name, &source.text)?;
        let base = Path::new(&source.name).parent().map(Path::to_owned);
        Ok(Layer { origin: source.name.clone(), root, base })
    }

    pub(super) fn flag(flag: &Flag) -> Layer {
        let value = if LISTS.contains(&flag.key) {
            list(flag.values.iter().flat_map(|value| value.split(',')))
        } else {
            scalar(flag.values.last().map_or("", String::as_str))
        };
        Layer { origin: flag.name.into(), root: nested(flag.key, value), base: None }
    }
}

/// A layer per variable `CARDINALITY_GUARD__…`, sorted by name. `variables` stands for the
/// process's own environment in tests.
pub(super) fn environment(variables: Option<HashMap<String, String>>) -> Result<Vec<Layer>, Vec<Finding>> {
    let source = Environment::with_prefix(PREFIX).separator("__").source(variables);
    let collected = source.collect().map_err(|error| vec![about_the_environment(error.to_string())])?;
    let mut variables: Vec<(String, String)> =
        collected.into_iter().map(|(key, value)| (key, value.into_string().unwrap_or_default())).collect();
    variables.sort();
    let (layers, findings): (Vec<_>, Vec<_>) =
        variables.iter().map(|(key, value)| variable(key, value)).partition(Result::is_ok);
    if findings.is_empty() {
        Ok(layers.into_iter().flatten().collect())
    } else {
        Err(findings.into_iter().filter_map(Result::err).collect())
    }
}

fn variable(key: &str, value: &str) -> Result<Layer, Finding> {
    let origin = format!("{PREFIX}__{}", key.to_uppercase().replace('.', "__"));
    let value = match key {
        YAML => yaml::parse(&origin, value)?,
        _ if LISTS.contains(&key) => list(value.split(',')),
        _ => scalar(value),
    };
    Ok(Layer { origin, root: nested(key, value), base: None })
}

fn about_the_environment(message: String) -> Finding {
    let severity = crate::engine::policy::Severity::Error;
    Finding { severity, file: "environment".into(), line: 0, column: 0, message, help: None }
}

/// `web.listen_address` with a value as the tree that YAML would give.
fn nested(key: &str, value: Node) -> Node {
    key.rsplit('.').fold(value, |value, key| {
        let entry = Entry { key: key.to_owned(), at: Mark::default(), value };
        Node { at: Mark::default(), value: Value::Map(vec![entry]) }
    })
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Node {
    let items = items.map(str::trim).filter(|item| !item.is_empty()).map(scalar).collect();
    Node { at: Mark::default(), value: Value::List(items) }
}

fn scalar(text: &str) -> Node {
    let scalar = Scalar { text: text.to_owned(), style: Style::Plain };
    Node { at: Mark::default(), value: Value::Scalar(scalar) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_trees() {
        let variables = [
            ("CARDINALITY_GUARD__WEB__LISTEN_ADDRESS", "1.2.3.4:5, [::1]:6"),
            ("CARDINALITY_GUARD__MODE", "observe"),
            // What Kubernetes sets for a service named like us.
            ("CARDINALITY_GUARD_PORT", "tcp://10.0.0.1:10900"),
            ("HOME", "/root"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let layers = environment(Some(variables.into())).unwrap();
        let origins: Vec<&str> = layers.iter().map(|layer| layer.origin.as_str()).collect();
        assert_eq!(origins, ["CARDINALITY_GUARD__MODE", "CARDINALITY_GUARD__WEB__LISTEN_ADDRESS"]);
        assert_eq!(layers[1].root, nested("web.listen_address", list(["1.2.3.4:5", "[::1]:6"].into_iter())));
    }
}
