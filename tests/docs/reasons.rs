//! Every reason that the guard can give for a scrape that failed stands in the page on
//! troubleshooting.

use crate::markdown::root;

const PAGE: &str = "docs/troubleshooting.md";

/// Where reasons are worded, beside the proxy.
const SOURCES: [&str; 2] = ["src/engine/exposition/error.rs", "src/engine/coding/gunzip.rs"];

/// How a reason stands in the code.
const WORDED: [&str; 9] = [
    "#[error(\"",
    "Failure::BadTarget(\"",
    "Failure::BadRequest(\"",
    "Failure::NotFound(\"",
    "Failure::NotFound(format!(\"",
    "Failure::ContentType(\"",
    "Failure::ContentType(format!(\"",
    "UpstreamError::Tls(\"",
    "Stage::",
];

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The literals that follow one of these, without the tests.
fn worded(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap().replace("#[error(\n        \"", "#[error(\"");
    let mut found = Vec::new();
    for mark in WORDED {
        for rest in code.split(mark).skip(1) {
            let literal = match mark {
                // `Stage::Head => "waiting for the answer"`.
                "Stage::" => rest.split('\n').next().and_then(|line| line.split_once("=> \"")).map(|(_, rest)| rest),
                _ => Some(rest),
            };
            found.extend(literal.and_then(until_quote));
        }
    }
    // The kinds of a bad certificate are told in a `match`.
    let told = code.split("fn tls_error").nth(1).unwrap_or_default();
    found.extend(told.split("\"").skip(1).step_by(2).map(str::to_owned));
    found
}

fn until_quote(rest: &str) -> Option<String> {
    let mut end = rest.char_indices().filter(|(at, c)| *c == '"' && !rest[..*at].ends_with('\\'));
    end.next().map(|(at, _)| rest[..at].replace("\\\"", "\"").replace("{{", "{").replace("}}", "}"))
}

/// What of it is always there: the pieces between the places that are filled in.
fn pieces(reason: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut depth = 0;
    for c in reason.chars() {
        match c {
            '{' => (depth, _) = (depth + 1, pieces.push(String::new())),
            '}' if depth > 0 => depth -= 1,
            _ if depth == 0 => pieces.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    let words = pieces.into_iter().map(|piece| piece.trim_matches([' ', ',', ':', '"', '/', '?']).to_owned());
    words.filter(|piece| piece.len() > 2).collect()
}

/// `ScrapeError::StartedOver` never leaves the guard, `ScrapeError::BodyWanted` is answered by who drives it.
const NEVER_TOLD: [&str; 2] = ["the body is read again", "the body is wanted once more"];

#[test]
fn every_reason_is_explained() {
    let page = text(PAGE);
    let mut reasons = 0;
    let mut missing = Vec::new();
    let guard = text("src/engine/guard/scrape.rs");
    let scrape_errors = guard.split("pub enum ScrapeError").nth(1).unwrap().split("\n}\n").next().unwrap();
    let proxy = std::fs::read_dir(root().join("src/proxy")).unwrap().flatten().map(|entry| entry.path());
    let proxy = proxy.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let sources = SOURCES.iter().map(|path| text(path)).chain([scrape_errors.to_owned()]).chain(proxy);
    for reason in sources.flat_map(|source| worded(&source)).filter(|reason| !NEVER_TOLD.contains(&reason.as_str())) {
        reasons += 1;
        let explained = page.lines().any(|line| pieces(&reason).iter().all(|piece| line.contains(piece.as_str())));
        if !explained {
            missing.push(reason);
        }
    }
    assert!(reasons > 90, "{reasons}");
    assert!(missing.is_empty(), "{PAGE} does not speak of {missing:#?}");
}

#[test]
fn reasons_are_found() {
    let code = "#[error(\"a {b} c\")]\nFailure::NotFound(format!(\"say {}?x\", 1))\nStage::Head => \"waiting\",\n";
    assert_eq!(worded(code), ["a {b} c", "say {}?x", "waiting"]);
    assert_eq!(pieces("more than {0} bytes"), ["more than", "bytes"]);
}
