//! What a release is: which revision a binary says it is of, and what is in the tarball.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
#[allow(dead_code)]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program to its good end and gives what it said.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.trim().to_owned()
}

mod revision {
    use super::*;

    /// The build script of this package as a program, and a package for it to look at.
    struct Package {
        script: PathBuf,
        root: PathBuf,
        _dir: TempDir,
    }

    impl Package {
        fn new() -> Package {
            let dir = tempfile::tempdir().unwrap();
            let script = dir.path().join("build");
            let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            said(Command::new(rustc).args(["--edition=2024", "build.rs", "-o"]).arg(&script).current_dir(ROOT));
            let root = dir.path().join("package");
            fs::create_dir_all(root.join("src")).unwrap();
            fs::write(root.join("src/main.rs"), "fn main() {}\n").unwrap();
            Package { script, root, _dir: dir }
        }

        fn checked_out() -> Package {
            let package = Package::new();
            commit_all(&package.root);
            package
        }

        /// What cargo is told, optimised or not, with or without a revision in the environment.
        fn told(&self, root: &Path, optimised: &str, given: Option<&str>) -> Vec<String> {
            let mut command = Command::new(&self.script);
            command.env("CARGO_MANIFEST_DIR", root).env("OPT_LEVEL", optimised);
            command.env_remove("CARDINALITY_GUARD_REVISION").env_remove("GIT_DIR");
            command.envs(given.map(|revision| ("CARDINALITY_GUARD_REVISION", revision)));
            said(&mut command).lines().map(str::to_owned).collect()
        }

        fn revision(&self, optimised: &str, given: Option<&str>) -> String {
            revision_in(&self.told(&self.root, optimised, given))
        }
    }

    fn revision_in(told: &[String]) -> String {
        let key = "cargo::rustc-env=CARDINALITY_GUARD_REVISION=";
        told.iter().find_map(|line| line.strip_prefix(key)).expect("a revision").to_owned()
    }

    fn git(root: &Path, args: &[&str]) -> String {
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        said(Command::new("git").arg("-C").arg(root).args(who).args(args))
    }

    fn commit_all(root: &Path) {
        git(root, &["init", "--quiet"]);
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "--message=one"]);
    }

    #[test]
    fn a_release_says_its_commit_and_that_it_was_changed() {
        let package = Package::checked_out();
        let commit = git(&package.root, &["rev-parse", "--short=12", "HEAD"]);
        assert_eq!(package.revision("3", None), commit);
        fs::write(package.root.join("README.md"), "not what the binary is made of\n").unwrap();
        assert_eq!(package.revision("3", None), commit);
        fs::write(package.root.join("src/main.rs"), "fn main() { }\n").unwrap();
        assert_eq!(package.revision("3", None), format!("{commit}-changed"));
    }

    #[test]
    fn without_a_checkout_of_its_own_it_is_unknown_and_the_build_goes_on() {
        let package = Package::new();
        assert_eq!(package.revision("3", None), "unknown");
        // Unpacked in somebody else's checkout.
        let outer = Package::checked_out();
        let inner = outer.root.join("vendor/guard");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(revision_in(&outer.told(&inner, "3", None)), "unknown");
    }

    #[test]
    fn who_builds_may_say_it_in_one_plain_word() {
        let package = Package::checked_out();
        for optimised in ["0", "3"] {
            assert_eq!(package.revision(optimised, Some("v1.2-3")), "v1.2-3");
        }
        assert_eq!(package.revision("0", Some("a b\ncargo::warning=c")), "unknown");
        assert_eq!(package.revision("0", Some("")), "unknown");
    }

    /// A commit compiles nothing anew where one builds for every edit; a release sees it.
    #[test]
    fn only_a_release_looks_at_git() {
        let package = Package::checked_out();
        let watched = |optimised: &str| {
            let told = package.told(&package.root, optimised, None);
            told.iter().filter(|line| line.starts_with("cargo::rerun-if-changed=/")).count()
        };
        assert_eq!((package.revision("0", None).as_str(), watched("0")), ("unknown", 0));
        let told = package.told(&package.root, "3", None).join("\n");
        for part in ["/.git/HEAD\n", "/.git/logs/HEAD\n", "/.git/refs/heads/", "/src"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        // Cargo would run the script at every build for the sake of one that is not there.
        let missing: Vec<_> = told
            .lines()
            .filter_map(|line| line.strip_prefix("cargo::rerun-if-changed=/"))
            .filter(|path| !Path::new("/").join(path).exists())
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}

/// Who upgrades is told what it does to numbers.
#[test]
fn every_release_says_what_becomes_of_state_and_of_the_built_in_policy() {
    let text = fs::read_to_string(Path::new(ROOT).join("CHANGELOG.md")).unwrap();
    let releases: Vec<_> = text.split("\n## ").skip(1).collect();
    assert!(!releases.is_empty());
    for release in releases {
        for says in ["\n**State:** ", "\n**Built-in policy:** "] {
            assert!(release.contains(says), "{says}: {}", release.lines().next().unwrap());
        }
    }
}

mod tarball {
    use super::*;

    /// Packs this binary; gives the tarball's path and what it unpacks to.
    fn pack(binary: &Path, out: &Path) -> (PathBuf, PathBuf) {
        let told = said(Command::new("scripts/dist").env("BINARY", binary).env("OUT", out).current_dir(ROOT));
        let tarball = PathBuf::from(told.lines().next().unwrap());
        said(Command::new("tar").arg("-xzf").arg(&tarball).current_dir(out));
        let name = tarball.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap();
        (tarball.clone(), out.join(name))
    }

    fn links(markdown: &str) -> Vec<String> {
        let inline = markdown.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let images = markdown.split("src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let all = inline.chain(images).map(|(link, _)| link.split('#').next().unwrap().to_owned());
        all.filter(|link| !link.is_empty() && !link.contains("://")).collect()
    }

    #[test]
    fn it_holds_what_one_needs_and_its_checksum_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let (tarball, root) = pack(env!("CARGO_BIN_EXE_cardinality-guard").as_ref(), dir.path());
        let host = said(Command::new("rustc").arg("-vV"));
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let name = format!("cardinality-guard-{}-{host}.tar.gz", env!("CARGO_PKG_VERSION"));
        assert_eq!(tarball.file_name().unwrap().to_str().unwrap(), name);
        said(Command::new("sha256sum").args(["--check", &format!("{name}.sha256")]).current_dir(dir.path()));

        let binary = root.join("cardinality-guard");
        assert!(said(Command::new(&binary).arg("--version")).contains(env!("CARGO_PKG_VERSION")));
        let example = ["check", "examples/guard.yaml", "examples/policy.yaml"];
        said(Command::new(&binary).args(example).current_dir(&root));
        said(Command::new(&binary).args(["check", "policies/celery.yaml"]).current_dir(&root));
        for file in ["LICENSE", "policies/schema.json", "mixin/alerts.yaml", "deploy/systemd/cardinality-guard.service"]
        {
            assert_eq!(fs::read(root.join(file)).unwrap(), fs::read(Path::new(ROOT).join(file)).unwrap(), "{file}");
        }
        let others = fs::read_to_string(root.join("THIRD-PARTY.txt")).unwrap();
        for linked in ["\n==== rustls ", "\n==== tokio ", "Permission is hereby granted"] {
            assert!(others.contains(linked), "{linked}");
        }
    }

    #[test]
    fn its_documents_link_to_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (_, root) = pack("/bin/true".as_ref(), dir.path());
        let listed = said(Command::new("find").arg(&root).args(["-name", "*.md"]));
        let mut seen = 0;
        for document in listed.lines().map(Path::new) {
            for link in links(&fs::read_to_string(document).unwrap()) {
                assert!(document.parent().unwrap().join(&link).exists(), "{}: {link}", document.display());
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} links");
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = dirs.each_ref().map(|dir| fs::read(pack("/bin/true".as_ref(), dir.path()).0).unwrap());
        assert!(one == other, "{} and {} bytes", one.len(), other.len());
    }
}
