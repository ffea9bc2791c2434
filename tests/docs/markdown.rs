//! The pages of the repository and the blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A page.
pub(crate) struct Page {
    /// From the root of the repository.
    pub name: String,
    pub text: String,
    pub blocks: Vec<Block>,
}

/// Between two fences.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands behind the opening fence.
    pub info: String,
    pub text: String,
    /// `docs/api.md:17`.
    pub place: String,
}

/// What is no page of this repository.
const ELSEWHERE: [&str; 6] = ["target", ".git", ".venv", "dist", "data", "node_modules"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by name.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(root(), &mut paths);
    paths.sort();
    assert!(paths.len() > 15, "{paths:?}");
    paths.iter().map(|path| Page::read(path)).collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !ELSEWHERE.contains(&name.as_str()) => collect(&path, found),
            kind if kind.is_file() && name.ends_with(".md") => found.push(path),
            _ => {}
        }
    }
}

impl Page {
    fn read(path: &Path) -> Page {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let blocks = blocks(&name, &text);
        Page { name, text, blocks }
    }
}

fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let inner = line.trim_start();
        let Some(info) = inner.strip_prefix("```") else { continue };
        let indent = line.len() - inner.len();
        let mut block = Block { info: info.to_owned(), text: String::new(), place: format!("{name}:{}", at + 1) };
        loop {
            let (_, line) = lines.next().unwrap_or_else(|| panic!("{}: never closed", block.place));
            if line.trim_start() == "```" {
                break;
            }
            block.text.push_str(line.get(indent..).unwrap_or_default());
            block.text.push('\n');
        }
        found.push(block);
    }
    found
}

#[test]
fn blocks_are_found_in_lists_too() {
    let text = "a\n```sh\nls\n```\n- b\n  ```yaml\n  a:\n    b\n  ```\n";
    let found: Vec<_> = blocks("p.md", text).into_iter().map(|b| (b.info, b.text, b.place)).collect();
    let of = |info: &str, text: &str, place: &str| (info.to_owned(), text.to_owned(), place.to_owned());
    assert_eq!(found, [of("sh", "ls\n", "p.md:2"), of("yaml", "a:\n  b\n", "p.md:6")]);
}
