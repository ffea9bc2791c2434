//! The JSON schema of policy files, derived from the raw types, and the test that
//! `policies/schema.json` is this schema. `BLESS=1 cargo test schema` writes it anew.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::super::{Builtin, Policies, Source};
use super::policy::RawAggregate;
use super::step::RawWhen;
use super::{RawFile, RawPolicy, RawRule, RawStep, Word};

/// One of the words of a [`Word`].
pub struct OneOf<W>(PhantomData<W>);

/// One of the words, or a list of them.
pub struct OneOrMore<W>(PhantomData<W>);

pub struct TextOrList;

pub struct DurationText;

fn words<W: Word>() -> Vec<&'static str> {
    W::WORDS.iter().map(|(word, _)| *word).collect()
}

impl<W: Word> JsonSchema for OneOf<W> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOf {}", W::WHAT).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": words::<W>()})
    }
}

impl<W: Word> JsonSchema for OneOrMore<W> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore {}", W::WHAT).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({"enum": words::<W>()});
        json_schema!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

impl JsonSchema for TextOrList {
    fn schema_name() -> Cow<'static, str> {
        "TextOrList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(0|(\\d+y)?(\\d+w)?(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?)$",
            "examples": ["30s", "1h30m", "500ms"]
        })
    }
}

fn schema() -> serde_json::Value {
    let schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<RawFile>();
    serde_json::to_value(schema).expect("a schema is JSON")
}

#[test]
fn the_schema_file_is_the_schema_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/schema.json");
    let want = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &want).expect("the schema can be written");
    }
    let have = std::fs::read_to_string(path).expect("policies/schema.json");
    assert!(have == want, "policies/schema.json is not the schema of the code: BLESS=1 cargo test schema");
}

/// The reader asks for keys by name; the schema takes them from the fields.
#[test]
fn the_reader_knows_the_keys_of_the_schema() {
    let schema = schema();
    let properties = |of: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<String> = of["properties"].as_object().expect("properties").keys().cloned().collect();
        keys.sort();
        keys
    };
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    let definitions = &schema["definitions"];
    assert_eq!(properties(&schema), sorted(RawFile::KEYS));
    assert_eq!(properties(&definitions["Policy"]), sorted(RawPolicy::KEYS));
    assert_eq!(properties(&definitions["Step"]), sorted(RawStep::KEYS));
    assert_eq!(properties(&definitions["When"]), sorted(RawWhen::KEYS));
    assert_eq!(properties(&definitions["RelabelRule"]), sorted(RawRule::KEYS));
    assert_eq!(properties(&definitions["Aggregate"]), sorted(RawAggregate::KEYS));
}

/// For each key a value of the wrong sort: the reader must say so, at the value.
#[test]
fn the_reader_wants_the_sorts_of_the_schema() {
    let schema = schema();
    let wrapped = |definition: &str, line: &str| match definition {
        "Policy" => format!("policies:\n - name: x\n{line}"),
        "Step" => format!("policies:\n - name: x\n   labels:\n    - _: 1\n{line}"),
        "RelabelRule" => format!("policies:\n - name: x\n   metric_relabel_configs:\n    - _: 1\n{line}"),
        "Aggregate" => format!("policies:\n - name: x\n   aggregate:\n    - _: 1\n{line}"),
        other => panic!("no example for {other}"),
    };
    for definition in ["Policy", "Step", "RelabelRule", "Aggregate"] {
        let properties = schema["definitions"][definition]["properties"].as_object().expect("properties");
        let indent = if definition == "Policy" { 3 } else { 6 };
        for key in properties.keys().filter(|key| !matches!(key.as_str(), "name" | "action")) {
            let sort = properties[key].to_string();
            let wrong = if sort.contains("\"integer\"") || sort.contains("boolean") || sort.contains("array") {
                "{a: b}"
            } else {
                "[[a]]"
            };
            let line = format!("{:indent$}{key}: {wrong}\n", "");
            let text = wrapped(definition, &line);
            let source = Source { name: "p".into(), text: text.clone() };
            let findings = Policies::compile(&[source], Builtin::Excluded, None).expect_err(&text);
            let last = text.lines().count();
            assert!(
                findings.iter().any(|f| f.line == last && f.message.contains("wanted")),
                "{definition}.{key}: {wrong} -> {findings:?}"
            );
        }
    }
}
