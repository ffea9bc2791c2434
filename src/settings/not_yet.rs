//! Keys of the contract whose feature does not exist yet: accepted, and said to do nothing, so that
//! nobody trusts a limit that is not there.

use crate::engine::policy::yaml::{Checker, Entry, Node, Value};

/// Key, and what does not happen.
const NOT_YET: [(&str, &str); 1] =
    [("web.config_file", "the guard's own port speaks plain HTTP and asks nobody who they are")];

/// Notes every such key that asks for something.
pub(super) fn warn(check: &mut Checker, root: &Node) {
    for (path, instead) in NOT_YET {
        warn_of(check, root, path, instead);
    }
}

fn warn_of(check: &mut Checker, node: &Node, path: &str, instead: &str) {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| warn_of(check, item, path, instead)),
        Value::Map(entries) => {
            for entry in entries.iter().filter(|entry| entry.key == key) {
                match rest {
                    Some(rest) => warn_of(check, &entry.value, rest, instead),
                    None if asks_for_something(entry) => {
                        check.note(entry.at, format!("`{key}` has no effect yet"), instead);
                    }
                    None => {}
                }
            }
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

fn asks_for_something(entry: &Entry) -> bool {
    match &entry.value.value {
        Value::Scalar(scalar) => !scalar.text.trim_matches('0').is_empty(),
        Value::Null => false,
        Value::List(_) | Value::Map(_) => true,
    }
}
