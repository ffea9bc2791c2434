//! Every example of `docs/api.md` is asked of a real guard, which answers with just what is shown:
//! the same keys, values of the same kind.

use serde_json::Value;

use crate::stage::{Stage, calm, exploding};

/// Where the document's guard listens.
const THERE: &str = "http://127.0.0.1:10900";

#[test]
fn every_example_of_the_api_is_answered_as_it_says() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    // One target of the document's name, that has seen an explosion and one before it.
    let stage = Stage::with("policies: []");
    stage.scrape(&format!("{}jobs_total{{job_id=\"1\",queue=\"emails\",status=\"ok\"}} 1\n", calm(1)));
    stage.scrape(&exploding("job_id", 400));
    stage.scrape(&calm(7));
    let mut asked = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let (commands, rest) = block.split_once("```\n").unwrap();
        let command = commands.lines().last().unwrap();
        let url = command.split('\'').find(|word| word.starts_with(THERE)).expect(command);
        let path = url[THERE.len()..].replace("celery-exporter:9808", &stage.exporter.address.to_string());
        let path = path.replace("target=celery", "target=worker");
        let answer = if command.contains("-X POST") { stage.post(&path) } else { stage.get(&path) };
        assert_eq!(answer.status, 200, "{command}: {}", answer.text());
        if let Some(shown) = rest.strip_prefix("```json\n") {
            let shown: Value = serde_json::from_str(shown.split_once("```").unwrap().0).expect(command);
            let got: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_alike(&shown, &got, command);
        } else {
            let shown = rest.strip_prefix("```yaml\n").expect("an answer is shown").split_once("```").unwrap().0;
            for line in shown.lines().filter(|line| !line.trim_start().starts_with('#')) {
                assert!(answer.text().contains(line), "{command}: no {line:?} in\n{}", answer.text());
            }
        }
        asked.push(path.split('?').next().unwrap().to_owned());
    }
    for path in ["targets", "cardinality", "suggest", "release", "mode", "rollback"] {
        assert!(asked.contains(&format!("/api/v1/{path}")), "no example of {path}: {asked:?}");
    }
}

/// The same keys everywhere, and values of the same kind; of lists the first elements are held
/// against each other.
fn assert_alike(shown: &Value, got: &Value, place: &str) {
    match (shown, got) {
        (Value::Object(shown), Value::Object(got)) => {
            let keys =
                |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(keys(shown), keys(got), "{place}");
            shown.iter().for_each(|(key, value)| assert_alike(value, &got[key], &format!("{place} {key}")));
        }
        (Value::Array(shown), Value::Array(got)) => {
            if let Some(first) = shown.first() {
                assert_alike(first, got.first().unwrap_or_else(|| panic!("{place}: nothing")), place);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (shown, got) => assert_eq!(std::mem::discriminant(shown), std::mem::discriminant(got), "{place}: {got}"),
    }
}
