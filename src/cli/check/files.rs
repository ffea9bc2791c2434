//! Which file is what, and everything that is to be said about each.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::places::{place, warning};
use crate::cli::failure::Usage;
use crate::cli::units::counted;
use crate::engine::policy::yaml::{self, Node, Value};
use crate::engine::policy::{Builtin, Doubt, Finding, Policies, Severity, Source};
use crate::settings::{Loaded, Loader};

/// Top-level keys of a settings file.
const SETTINGS: [&str; 7] = ["mode", "web", "storage", "scrape", "targets", "policy_files", "builtin_policy"];
/// The top-level key of a policy file.
const POLICIES: &str = "policies";

/// The files to check, sorted by what they are.
pub(super) struct Files {
    settings: Vec<PathBuf>,
    policies: Vec<Source>,
}

/// What came of checking them.
#[derive(Default)]
pub(super) struct Checked {
    pub findings: Vec<Finding>,
    /// The texts that findings are about.
    pub sources: Vec<Source>,
    /// What the files do, in words.
    pub words: String,
    /// Policies that belong together, with the files they come from.
    pub sets: Vec<(Policies, Vec<Source>)>,
}

enum Sort {
    Settings,
    Policies,
}

impl Files {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Files, Usage> {
        let mut files = Files { settings: Vec::new(), policies: Vec::new() };
        for path in paths {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
            match sort(&name, &text) {
                Sort::Settings => files.settings.push(path.clone()),
                Sort::Policies => files.policies.push(Source { name, text }),
            }
        }
        Ok(files)
    }

    /// Each settings file with the policy files it names, then the other policy files together.
    pub(super) fn check(self) -> Checked {
        let mut checked = Checked::default();
        let mut targets = None;
        for path in &self.settings {
            let loader = Loader { config_file: Some(path.clone()), environment: Some(HashMap::new()), flags: vec![] };
            match loader.load() {
                Ok(loaded) => {
                    let names: Vec<String> = loaded.settings.targets.iter().map(|target| target.name.clone()).collect();
                    targets = (self.settings.len() == 1).then_some(names);
                    checked.settings(path, loaded);
                }
                Err(error) => {
                    checked.findings.extend(error.findings);
                    checked.sources.extend(error.sources);
                }
            }
        }
        let rest: Vec<Source> = self.policies.into_iter().filter(|source| !checked.holds(source)).collect();
        checked.policies(rest, targets.as_deref());
        checked
    }
}

impl Checked {
    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    fn settings(&mut self, path: &Path, loaded: Loaded) {
        let Loaded { settings, policies, findings, sources, .. } = loaded;
        let files = &sources[1..];
        let listen: Vec<String> = settings.web.listen_address.iter().map(ToString::to_string).collect();
        self.words.push_str(&format!(
            "{}: settings: listens on {}, {}, {}, the built-in policy {}\n",
            path.display(),
            listen.join(", "),
            counted(settings.targets.len() as u64, "target"),
            counted(files.len() as u64, "policy file"),
            if settings.builtin_policy { "after them" } else { "off" },
        ));
        self.tell(&policies, files);
        self.findings.extend(findings);
        self.sets.push((policies, files.to_vec()));
        self.sources.extend(sources);
    }

    fn policies(&mut self, sources: Vec<Source>, targets: Option<&[String]>) {
        if sources.is_empty() {
            return;
        }
        match Policies::compile(&sources, Builtin::Excluded, targets) {
            Ok((policies, warnings)) => {
                let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
                self.words.push_str(&format!("{}: policies\n", names.join(", ")));
                self.tell(&policies, &sources);
                self.findings.extend(warnings);
                self.sets.push((policies, sources.clone()));
            }
            Err(findings) => self.findings.extend(findings),
        }
        self.sources.extend(sources);
    }

    /// What policies do, and what is doubtful about it.
    fn tell(&mut self, policies: &Policies, sources: &[Source]) {
        for line in policies.describe() {
            self.words.push_str(&format!("  {line}\n"));
        }
        let doubts = policies.doubts().into_iter();
        let findings =
            doubts.filter_map(|Doubt { policy, message }| Some(warning(place(sources, &policy, None)?, message, None)));
        self.findings.extend(findings);
    }

    /// Whether a settings file has named this file already, whatever it calls it.
    fn holds(&self, source: &Source) -> bool {
        let path = fs::canonicalize(&source.name).ok();
        path.is_some() && self.sources.iter().any(|held| fs::canonicalize(&held.name).ok() == path)
    }
}

/// A file is what most of its keys, well or badly spelt, belong to. A file without keys is an empty
/// settings file, which is a good one.
fn sort(name: &str, text: &str) -> Sort {
    let Ok(Node { value: Value::Map(entries), .. }) = yaml::parse(name, text) else {
        return if text.contains(POLICIES) { Sort::Policies } else { Sort::Settings };
    };
    let mut all = SETTINGS.to_vec();
    all.push(POLICIES);
    let meant = entries.iter().filter_map(|entry| yaml::closest(&entry.key, all.iter().copied()));
    let (policies, settings): (Vec<&str>, Vec<&str>) = meant.partition(|key| *key == POLICIES);
    if policies.len() > settings.len() { Sort::Policies } else { Sort::Settings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_settings_from_policies() {
        for (text, policies) in [
            ("policies: []", true),
            ("polcies: []", true),
            ("mode: enforce\ntargets: []", false),
            ("tragets: []", false),
            ("policy_files: [a]", false),
            ("", false),
            ("policies: [", true),
            ("targets: [", false),
        ] {
            assert_eq!(matches!(sort("f", text), Sort::Policies), policies, "{text}");
        }
    }
}
