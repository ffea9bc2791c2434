//! YAML: settings, policies, and Prometheus' own files, each for the program it is meant for.

use std::path::Path;
use std::process::Command;

use crate::markdown::{Block, root};
use crate::scratch::Scratch;

/// What a YAML block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    Policy,
    Settings,
    /// TLS and users of the guard's own port.
    Web,
    Prometheus,
    Rules,
}

impl Meant {
    pub(crate) const ALL: [Meant; 5] = [Meant::Policy, Meant::Settings, Meant::Web, Meant::Prometheus, Meant::Rules];

    fn of(block: &Block) -> Meant {
        let lines = || block.text.lines();
        let has = |start: &str| lines().any(|line| line.trim_start_matches(['-', ' ']).starts_with(start));
        match () {
            () if lines().any(|line| line == "policies:") => Meant::Policy,
            () if has("tls_server_config:") => Meant::Web,
            () if has("job_name:") => Meant::Prometheus,
            () if has("alert:") => Meant::Rules,
            () if lines().any(|line| ["targets:", "web:", "storage:"].contains(&line)) => Meant::Settings,
            () => panic!("{}: what is this block for?\n{}", block.place, block.text),
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
            Meant::Settings if !block.contains("\ntargets:") && !block.starts_with("targets:") => {
                format!("{block}targets:\n  - {{name: celery, url: 'http://celery-exporter:9808/metrics'}}\n")
            }
            // A hash that the document leaves out.
            Meant::Web => block.replace("$2y$10$...", &bcrypt::hash("password", 4).unwrap()),
            _ => block.to_owned(),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Meant::Policy => "policy.yaml",
            Meant::Settings => "guard.yaml",
            Meant::Web => "web.yaml",
            Meant::Prometheus => "prometheus.yml",
            Meant::Rules => "alerts.yml",
        }
    }
}

/// Puts the block where the commands after it find it, and asks the program it is for.
pub(crate) fn take(block: &Block, scratch: &Scratch) -> Meant {
    let meant = Meant::of(block);
    let path = scratch.path(meant.file());
    std::fs::write(&path, meant.whole(&block.text)).unwrap();
    // What settings name is told together with them.
    let asked = if meant == Meant::Web { scratch.path("guard.yaml") } else { path };
    assert_accepted(meant, &asked, &block.place);
    meant
}

/// Runs the program that reads such a file and panics with what it says against it.
fn assert_accepted(meant: Meant, path: &Path, place: &str) {
    let mut command = match meant {
        Meant::Policy | Meant::Settings | Meant::Web => Command::new(env!("CARGO_BIN_EXE_cardinality-guard")),
        Meant::Prometheus | Meant::Rules => Command::new("promtool"),
    };
    match meant {
        Meant::Policy | Meant::Settings | Meant::Web => command.arg("check"),
        Meant::Prometheus => command.args(["check", "config"]),
        Meant::Rules => command.args(["check", "rules"]),
    };
    let output = command.arg(path).output().unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{place}: {said}");
    assert!(!said.contains("warning: "), "{place}: {said}");
}

#[test]
fn every_example_is_accepted() {
    for meant in [Meant::Policy, Meant::Settings, Meant::Prometheus, Meant::Rules] {
        let file = root().join("examples").join(meant.file());
        assert_accepted(meant, &file, meant.file());
    }
}
