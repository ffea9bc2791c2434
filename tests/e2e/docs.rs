//! Every YAML in the documentation is accepted by the program it is meant for.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a YAML block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    Policy,
    Settings,
    Prometheus,
    Rules,
}

impl Meant {
    fn of(block: &str) -> Meant {
        let has = |start: &str| block.lines().any(|line| line.trim_start_matches(['-', ' ']).starts_with(start));
        match () {
            () if has("policies:") => Meant::Policy,
            () if has("job_name:") => Meant::Prometheus,
            () if has("alert:") => Meant::Rules,
            () if block.lines().any(|line| line == "targets:") => Meant::Settings,
            () => panic!("what is this block for?\n{block}"),
        }
    }

    /// The block as a whole file: the documents show the part that matters.
    fn whole(self, block: &str) -> String {
        match self {
            Meant::Prometheus if !block.contains("scrape_configs:") => format!("scrape_configs:\n{block}"),
            Meant::Rules if !block.contains("groups:") => {
                let rules: String = block.lines().map(|line| format!("      {line}\n")).collect();
                format!("groups:\n  - name: shown\n    rules:\n{rules}")
            }
            _ => block.to_owned(),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Meant::Policy => "policy.yaml",
            Meant::Settings => "guard.yaml",
            Meant::Prometheus => "prometheus.yml",
            Meant::Rules => "alerts.yml",
        }
    }
}

/// Runs the program that reads such a file and panics with what it says against it.
fn assert_accepted(meant: Meant, path: &Path) {
    let mut command = match meant {
        Meant::Policy | Meant::Settings => Command::new(env!("CARGO_BIN_EXE_cardinality-guard")),
        Meant::Prometheus | Meant::Rules => Command::new("promtool"),
    };
    match meant {
        Meant::Policy | Meant::Settings => command.arg("check"),
        Meant::Prometheus => command.args(["check", "config"]),
        Meant::Rules => command.args(["check", "rules"]),
    };
    let output = command.arg(path).output().unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&said));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_yaml_block_of_the_documents_is_accepted() {
    let mut seen = Vec::new();
    for document in ["README.md", "docs/quickstart.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for block in text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let meant = Meant::of(block);
            let path = dir.path().join(meant.file());
            fs::write(&path, meant.whole(block)).unwrap();
            assert_accepted(meant, &path);
            seen.push(meant);
        }
    }
    for meant in [Meant::Policy, Meant::Settings, Meant::Prometheus, Meant::Rules] {
        assert!(seen.contains(&meant), "no block is a {meant:?}");
    }
}

#[test]
fn every_example_is_accepted() {
    for meant in [Meant::Policy, Meant::Settings, Meant::Prometheus, Meant::Rules] {
        assert_accepted(meant, &root().join("examples").join(meant.file()));
    }
}
