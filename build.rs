//! Tells the binary which revision it is built from: `CARDINALITY_GUARD_REVISION` where somebody
//! says it (an image is built without a `.git`), git's word where this directory is a checkout,
//! else `unknown`.
//!
//! Only a build that is optimised asks git. Where one builds for every edit, a commit would change
//! the revision and with it compile the whole crate anew, for a number that nobody reads.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const SAID: &str = "CARDINALITY_GUARD_REVISION";
const UNKNOWN: &str = "unknown";

/// What the binary is made of. Any change in it compiles the crate anyway.
const SOURCES: [&str; 5] = ["build.rs", "Cargo.toml", "Cargo.lock", "policies", "src"];

/// Where git notes that HEAD is another commit.
const MOVES: [&str; 3] = ["HEAD", "logs/HEAD", "packed-refs"];

fn main() {
    println!("cargo::rerun-if-env-changed={SAID}");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let said = env::var(SAID).ok().filter(|said| is_plain(said));
    let revision = said.or_else(|| (env::var("OPT_LEVEL").as_deref() != Ok("0")).then(|| checkout(&root)).flatten());
    println!("cargo::rustc-env={SAID}={}", revision.as_deref().unwrap_or(UNKNOWN));
}

/// The commit that is checked out, and whether the sources have been changed since.
fn checkout(root: &Path) -> Option<String> {
    // Unpacked inside of somebody else's checkout, this is not a revision of theirs.
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"])?;
    let status = [&["status", "--porcelain", "--"], &SOURCES[..]].concat();
    let changed = if git(root, &status)?.is_empty() { "" } else { "-changed" };
    watch(root);
    Some(commit + changed)
}

/// Runs this again when the answer may be another one.
fn watch(root: &Path) {
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let moves = MOVES.into_iter().map(str::to_owned).chain(branch);
    let noted = moves.filter_map(|name| git(root, &["rev-parse", "--git-path", &name])).map(|path| root.join(path));
    // Cargo takes a file that is not there for one that has changed.
    let watched = noted.chain(SOURCES.iter().map(|name| root.join(name))).filter(|path| path.exists());
    for path in watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// What git says; `None` where it fails or is not there.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    let said = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(said.trim().to_owned())
}

/// A label value and a word of a status line, whoever said it.
fn is_plain(said: &str) -> bool {
    !said.is_empty() && said.len() <= 64 && said.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+".contains(&b))
}
