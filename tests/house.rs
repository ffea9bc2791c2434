//! The house rules that no compiler holds: which room may import which, what the pure engine must
//! never mention, how a file begins and how long it may get.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which room may import which; `engine` stands for every room of it. A room may always import
/// itself. A room that is not named here fails the build, so that its arrows are thought about.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // The engine: siblings never import each other, only `guard` knows their order.
    ("engine::model", &[]),
    ("engine::exposition", &["engine::model"]),
    ("engine::policy", &["engine::model"]),
    ("engine::cardinality", &["engine::model"]),
    ("engine::fold", &["engine::model"]),
    ("engine::coding", &[]),
    (
        "engine::guard",
        &[
            "engine::model",
            "engine::exposition",
            "engine::policy",
            "engine::cardinality",
            "engine::fold",
            "engine::coding",
        ],
    ),
    // The shell: `proxy` and `admin` do not know each other, they meet in `state`.
    ("settings", &["engine"]),
    ("telemetry", &["engine", "settings"]),
    ("state", &["engine", "settings", "telemetry"]),
    ("proxy", &["engine", "settings", "telemetry", "state"]),
    // What `suggest`, the API and the page propose, in one voice.
    ("advice", &["engine", "telemetry"]),
    ("admin", &["engine", "settings", "telemetry", "state", "advice"]),
    // Nobody imports `cli`.
    ("cli", &["engine", "settings", "telemetry", "state", "proxy", "advice", "admin"]),
    // Facades: they declare their rooms and import nothing.
    ("lib", &[]),
    ("engine", &[]),
    ("main", &["cli"]),
];

/// What would make the engine impure.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "tower",
    "dashmap",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "Mutex",
    "RwLock",
    "SystemTime",
    "Instant",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
];

/// What the engine's dependency tree must not hold.
const SHELL_CRATES: &[&str] = &["tokio", "hyper", "tower", "dashmap", "tracing", "clap", "anyhow", "rustls"];

const MAX_LINES_BEFORE_TESTS: usize = 500;

#[test]
fn rooms_import_only_what_the_table_allows() {
    let wrong: Vec<String> = sources().iter().flat_map(|f| wrong_arrows(&f.module, &f.text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_mentions_nothing_impure() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| f.module[0] == "engine") {
        let code = scrub(before_tests(&file.text));
        wrong.extend(impure_words(&code).map(|word| format!("{}: the engine is pure: {word}", file.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_lives_in_it() {
    let silent: Vec<_> = sources().into_iter().filter(|f| !f.text.starts_with("//! ")).map(|f| f.path).collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:#?}");
}

#[test]
fn no_file_is_too_long_before_its_tests() {
    for file in sources() {
        let lines = before_tests(&file.text).lines().count();
        let path = file.path.display();
        assert!(lines <= MAX_LINES_BEFORE_TESTS, "{path}: {lines} lines before its tests");
    }
}

#[test]
fn the_engine_depends_on_no_runtime() {
    let crates = dependency_tree(&["--no-default-features"]);
    assert!(crates.iter().any(|c| c == "regex"), "this is not the engine's tree: {crates:?}");
    let wrong: Vec<_> = crates.iter().filter(|c| SHELL_CRATES.contains(&c.as_str())).collect();
    assert!(wrong.is_empty(), "the engine depends on {wrong:?}");
    let with_shell = dependency_tree(&[]);
    let missing: Vec<_> = SHELL_CRATES.iter().filter(|c| !with_shell.iter().any(|have| have == *c)).collect();
    assert!(missing.is_empty(), "no longer a crate of the shell, so banning it shows nothing: {missing:?}");
}

#[test]
fn every_test_that_the_architecture_names_exists() {
    named_tests_exist("docs/ARCHITECTURE.md");
}

/// Each attack has a row, and each row a test.
#[test]
fn every_attack_has_a_test_that_exists() {
    named_tests_exist("docs/attacks.md");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/attacks.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what |")).collect();
    assert!(rows.len() > 50, "{rows:?}");
    let untested: Vec<_> = rows.iter().filter(|row| !row.contains(".rs::")).collect();
    assert!(untested.is_empty(), "{untested:#?}");
}

fn named_tests_exist(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(page)).unwrap();
    let named: Vec<_> = text.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 10, "{named:?}");
    let is_there = |(file, test): &(&str, &str)| {
        let code = fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
        code.contains(&format!("fn {test}("))
    };
    let gone: Vec<_> = named.iter().filter(|named| !is_there(named)).collect();
    assert!(gone.is_empty(), "{page} names tests that are not there: {gone:#?}");
}

#[test]
fn every_rule_of_the_numbers_has_a_test_of_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/how-the-numbers-stay-true.md")).unwrap();
    let number = |line: &str| {
        let cell = line.strip_prefix("| ")?.split(' ').next()?;
        cell.contains('.').then(|| format!("fn rule_{}_", cell.replace('.', "_")))
    };
    let rules: Vec<String> = text.lines().filter_map(number).collect();
    assert!(rules.len() > 50, "{rules:?}");
    let mut tests = String::new();
    for directory in ["src", "tests"] {
        read_all(&root.join(directory), &mut tests);
    }
    let untested: Vec<_> = rules.iter().filter(|rule| !tests.contains(rule.as_str())).collect();
    assert!(untested.is_empty(), "rules of the document without a test: {untested:?}");
}

/// Everything below a directory that is Rust.
fn read_all(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => read_all(&path, into),
            path if path.extension().is_some_and(|e| e == "rs") => into.push_str(&fs::read_to_string(path).unwrap()),
            _ => {}
        }
    }
}

/// A file of `src`.
struct Source {
    path: PathBuf,
    /// `["engine", "fold", "counter"]`; `["lib"]` and `["main"]` for the two roots.
    module: Vec<String>,
    text: String,
}

/// Every file that ends up in the library or the binary.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 20, "only {} files under {}", found.len(), root.display());
    let for_tests: Vec<_> = found.iter().flat_map(|file| test_modules(&file.module, &file.text)).collect();
    found.retain(|file| !for_tests.contains(&file.module));
    found
}

/// The modules that a file declares for tests only.
fn test_modules(module: &[String], text: &str) -> Vec<Vec<String>> {
    let parent = if module == ["lib"] { &[] } else { module };
    let declared = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
        let declaration = rest.lines().next()?.split("mod ").nth(1)?;
        Some([parent, &[declaration.strip_suffix(';')?.to_owned()]].concat())
    });
    declared.collect()
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { module: module_of(path.strip_prefix(root).unwrap()), path, text });
        }
    }
}

fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<String> = path.with_extension("").iter().map(|p| p.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The room a module lives in: two names deep in the engine, one elsewhere.
fn room_of(module: &[String]) -> String {
    let depth = if module[0] == "engine" { 2 } else { 1 };
    module[..depth.min(module.len())].join("::")
}

/// Every import of this file that the table does not allow, as a sentence.
fn wrong_arrows(module: &[String], text: &str) -> Vec<String> {
    let room = room_of(module);
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{room} is a room that the table in tests/house.rs does not know")];
    };
    let is_allowed =
        |to: &String| *to == room || allowed.iter().any(|a| a == to || (*a == "engine" && to.starts_with("engine::")));
    let mut wrong: Vec<String> = imports(module, &scrub(before_tests(text)))
        .into_iter()
        .map(|path| room_of(&path))
        .filter(|to| !is_allowed(to))
        .map(|to| format!("{} imports {to}, which {room} may not", module.join("::")))
        .collect();
    wrong.dedup();
    wrong
}

/// The modules named by `crate::…`, `super::…` and (in `main`) `cardinality_guard::…`, use trees
/// unfolded. Names that are no module are harmless at the end of a path.
fn imports(module: &[String], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate::", "cardinality_guard::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let whole_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if whole_word {
                let mut base = if root == "super::" { module } else { &[] };
                let mut rest = &code[at..];
                while let Some(after) = rest.strip_prefix("super::") {
                    base = base.split_last().map_or(&[], |(_, parent)| parent);
                    rest = after;
                }
                unfold(rest.strip_prefix(root).unwrap_or(rest), base, &mut found);
            }
        }
    }
    found.retain(|path| !path.is_empty() && path != &["engine"]);
    found
}

/// Unfolds the use tree at the start of `code` under `base`; returns what follows it.
fn unfold<'a>(code: &'a str, base: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = unfold(rest, base, found).trim_start();
            match rest.strip_prefix(',') {
                Some(after) if !after.trim_start().starts_with('}') => rest = after,
                Some(after) => return after.trim_start().strip_prefix('}').unwrap_or(after),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(code.len());
    let mut path = base.to_vec();
    if end > 0 && &code[..end] != "self" {
        path.push(code[..end].to_owned());
    }
    match code[end..].strip_prefix("::") {
        Some(rest) => unfold(rest, &path, found),
        None => {
            found.push(path);
            let rest = code[end..].trim_start().strip_prefix("as ").unwrap_or(&code[end..]);
            rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ' ' || c == '*')
        }
    }
}

/// Blanks out comments, strings and characters, so that only code is searched.
fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment_len(rest).or_else(|| literal_len(rest, out.chars().next_back()));
        match skipped {
            Some(len) => {
                out.push(' ');
                rest = &rest[len..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn comment_len(code: &str) -> Option<usize> {
    if code.starts_with("//") {
        Some(code.find('\n').unwrap_or(code.len()))
    } else if code.starts_with("/*") {
        Some(code.find("*/").map_or(code.len(), |end| end + 2))
    } else {
        None
    }
}

/// The length of the string or character at the start of `code`, if there is one.
fn literal_len(code: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = code.strip_prefix('r').filter(|_| !in_word || before == Some('b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = 1 + hashes + 1;
            return Some(code[start..].find(&close).map_or(code.len(), |end| start + end + close.len()));
        }
    }
    match code.as_bytes()[0] {
        b'"' => Some(quoted_len(code, b'"')),
        // A lifetime is no character: 'a' closes after one character or escape, 'a does not.
        b'\'' if code[1..].starts_with('\\') => Some(quoted_len(code, b'\'')),
        b'\'' => {
            let width = code[1..].chars().next()?.len_utf8();
            code[1 + width..].starts_with('\'').then_some(width + 2)
        }
        _ => None,
    }
}

fn quoted_len(code: &str, quote: u8) -> usize {
    let bytes = code.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(code.len())
}

/// What stands before the tests of a file, which stand last.
fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap()
}

fn impure_words(code: &str) -> impl Iterator<Item = &'static str> + '_ {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    IMPURE.iter().copied().filter(move |word| {
        code.match_indices(word)
            .any(|(at, _)| !code[..at].ends_with(is_name) && !code[at + word.len()..].starts_with(is_name))
    })
}

/// Names of the crates in this package's normal dependency tree.
fn dependency_tree(features: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The checks above see what they are there to see.
mod the_check_itself {
    use super::*;

    fn arrows(module: &str, text: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        wrong_arrows(&module, text)
    }

    #[test]
    fn sees_a_wrong_arrow_however_it_is_written() {
        for text in [
            "use crate::engine::policy::Plan;",
            "use crate::engine::{model::Kind, policy::Plan};",
            "use crate::{engine::{model, policy}};",
            "use crate::engine::{\n    model::{Kind, LabelSet},\n    policy,\n};",
            "fn f(p: &crate::engine::policy::Plan) {}",
            "use super::super::policy::Plan;",
            "use super::super::{model::Kind as K, policy as p};",
            "use crate::proxy;",
        ] {
            assert_eq!(arrows("engine::fold::counter", text).len(), 1, "{text}");
        }
        assert_eq!(arrows("admin::page", "use crate::proxy::Body;").len(), 1);
        assert_eq!(arrows("proxy", "use crate::cli::Args;").len(), 1);
        assert_eq!(arrows("main", "use cardinality_guard::engine::guard::Guard;").len(), 1);
        assert_eq!(arrows("cellar", "").len(), 1);
    }

    #[test]
    fn lets_right_arrows_pass() {
        for (module, text) in [
            ("engine::fold::counter", "use crate::engine::model::{Kind, LabelSet}; use super::group::Group;"),
            ("engine::fold", "// use crate::engine::policy;\nconst S: &str = \"crate::engine::policy\";"),
            ("engine::guard::report", "use crate::engine::policy::Cause;"),
            ("cli::serve", "use crate::{admin, proxy, state::{self, Endpoints}};"),
            ("engine::fold", "use crate::engine::model;\n#[cfg(test)]\nmod tests {\n    use crate::engine::policy;\n}"),
            ("main", "fn main() { cardinality_guard::cli::run() }"),
        ] {
            assert_eq!(arrows(module, text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn knows_which_files_are_for_tests_only() {
        let module = ["engine".to_owned(), "policy".to_owned()];
        let text = "mod decide;\n#[cfg(test)]\nmod shipped;\n#[cfg(test)]\nmod tests {\n";
        assert_eq!(test_modules(&module, text), [["engine", "policy", "shipped"]]);
    }

    #[test]
    fn sees_impure_words_only_in_code() {
        let words = |text: &str| impure_words(&scrub(text)).collect::<Vec<_>>();
        assert_eq!(words("let t = std::time::Instant::now();"), ["Instant"]);
        assert_eq!(words("println!(\"x\");"), ["println!"]);
        assert_eq!(words("use std::{fs as f};\nuse std::fs;"), ["std::fs"]);
        assert!(words("// tokio\nlet s = \"tokio\"; let c = 't'; let r = r#\"hyper\"#; fn f<'a>() {}").is_empty());
        assert!(words("struct InstantNoodles;").is_empty());
    }
}
