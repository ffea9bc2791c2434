//! Files, environment and flags -> settings and policies, or everything that is wrong with them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::layer::{self, Flag, Layer};
use super::{Settings, read, web_file};
use crate::engine::policy::{Builtin, Finding, Policies, Severity, Source};

/// Bytes of a settings or policy file.
const LONGEST: u64 = 16 << 20;

/// Where the configuration comes from; asked once at start and again at each reload.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// `None`: built-in values, environment and flags only.
    pub config_file: Option<PathBuf>,
    /// `None`: the process's own.
    pub environment: Option<HashMap<String, String>>,
    pub flags: Vec<Flag>,
}

/// A configuration that can be put into force.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub policies: Policies,
    /// Warnings only.
    pub findings: Vec<Finding>,
    /// The files that were read, for showing the lines the findings are about.
    pub sources: Vec<Source>,
    pub digest: Digest,
}

/// Everything that is wrong, at once.
#[derive(Debug)]
pub struct LoadError {
    pub findings: Vec<Finding>,
    pub sources: Vec<Source>,
    pub digest: Digest,
}

/// Stands for the content of every file that was read: the same digest, the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Loader {
    /// Reads everything anew.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let (mut findings, mut sources, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        let mut settings = Settings::default();
        for layer in self.layers(&mut findings, &mut sources) {
            let applied = read::apply(&mut settings, &layer);
            findings.extend(applied.findings);
            beside.extend(applied.files);
        }
        if let Some(source) = web_file_of(&settings, &mut findings) {
            let (file, read) = web_file::read(&source);
            settings.web.file = file;
            findings.extend(read.findings);
            beside.extend(read.files);
            sources.push(source);
        }
        if let Some(mistake) = settings.storage.tls.mistake(settings.storage.url.as_ref()) {
            findings.push(self.finding(Severity::Error, mistake.into()));
        }
        if settings.targets.is_empty() && !has_errors(&findings) {
            findings.push(self.finding(Severity::Warning, "no `targets`: every scrape is refused with 403".into()));
        }
        let policy_files = self.policy_files(&settings, &mut findings);
        // With targets in doubt, a policy that names one of them is not to blame.
        let names: Vec<String> = settings.targets.iter().map(|target| target.name.clone()).collect();
        let names = if has_errors(&findings) { None } else { Some(names.as_slice()) };
        let builtin = if settings.builtin_policy { Builtin::Included } else { Builtin::Excluded };
        let compiled = Policies::compile(&policy_files, builtin, names);
        sources.extend(policy_files);
        let digest = Digest::of(&sources, &beside);
        match compiled {
            Ok((policies, warnings)) if !has_errors(&findings) => {
                findings.extend(warnings);
                Ok(Loaded { settings, policies, findings, sources, digest })
            }
            Ok((_, more)) | Err(more) => {
                findings.extend(more);
                Err(LoadError { findings, sources, digest })
            }
        }
    }

    /// The layers in the order in which they overrule each other: file, environment, flags.
    fn layers(&self, findings: &mut Vec<Finding>, sources: &mut Vec<Source>) -> Vec<Layer> {
        let mut layers = Vec::new();
        if let Some(path) = &self.config_file {
            match read_file(path) {
                Ok(source) => {
                    layers.extend(Layer::file(&source).map_err(|finding| findings.push(finding)));
                    sources.push(source);
                }
                Err(finding) => findings.push(finding),
            }
        }
        match layer::environment(self.environment.clone()) {
            Ok(variables) => layers.extend(variables),
            Err(more) => findings.extend(more),
        }
        layers.extend(self.flags.iter().map(Layer::flag));
        layers
    }

    /// Every file that a glob names, each once, in bytewise path order.
    fn policy_files(&self, settings: &Settings, findings: &mut Vec<Finding>) -> Vec<Source> {
        let base = self.config_file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let base = PathBuf::from(glob::Pattern::escape(&base.to_string_lossy()));
        let mut paths = BTreeSet::new();
        for pattern in &settings.policy_files {
            let matched = glob::glob(&base.join(pattern).to_string_lossy()).into_iter().flatten();
            let before = paths.len();
            for path in matched {
                match path {
                    Ok(path) => drop(paths.insert(path.as_os_str().as_bytes().to_vec())),
                    Err(error) => findings.push(self.finding(Severity::Error, error.to_string())),
                }
            }
            if paths.len() == before {
                findings.extend(self.nothing_matched(pattern));
            }
        }
        let read = paths.iter().map(|bytes| read_file(Path::new(std::ffi::OsStr::from_bytes(bytes))));
        read.filter_map(|file| file.map_err(|finding| findings.push(finding)).ok()).collect()
    }

    /// A pattern may match nothing for now; a plain path that is not there is a mistake.
    fn nothing_matched(&self, pattern: &str) -> Option<Finding> {
        let severity = if pattern.contains(['*', '?', '[']) { Severity::Warning } else { Severity::Error };
        Some(self.finding(severity, format!("policy_files: `{pattern}` names no file")))
    }

    fn finding(&self, severity: Severity, message: String) -> Finding {
        let file = self.config_file.as_ref().map_or("settings".into(), |path| path.display().to_string());
        Finding { severity, file, line: 0, column: 0, message, help: None }
    }
}

impl Digest {
    fn of(sources: &[Source], beside: &[PathBuf]) -> Digest {
        let mut hasher = DefaultHasher::new();
        for Source { name, text } in sources {
            (name, text).hash(&mut hasher);
        }
        for path in beside {
            (path, std::fs::read(path).ok()).hash(&mut hasher);
        }
        Digest(hasher.finish())
    }
}

impl fmt::Display for LoadError {
    /// The errors, a line each, without the lines they are about: those may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error);
        for (i, finding) in errors.enumerate() {
            let separator = if i > 0 { "\n" } else { "" };
            write!(f, "{separator}{finding}")?;
            if let Some(help) = &finding.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

fn web_file_of(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Source> {
    let file = read_file(settings.web.config_file.as_deref()?);
    file.map_err(|finding| findings.push(finding)).ok()
}

fn read_file(path: &Path) -> Result<Source, Finding> {
    let name = path.display().to_string();
    match read_text(path) {
        Ok(text) => Ok(Source { name, text }),
        Err(error) => {
            let message = format!("cannot be read: {error}");
            Err(Finding { severity: Severity::Error, file: name, line: 0, column: 0, message, help: None })
        }
    }
}

/// Whatever a path leads to, a device without end included: no more than that.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)? as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    Ok(text)
}

fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
