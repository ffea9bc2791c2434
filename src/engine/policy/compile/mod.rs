//! Raw policies -> compiled ones. Every mistake of every file is found in one go; what has one is
//! left out, and the caller refuses the whole when there was an error.

mod policy;
mod rule;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::compiled::Policy;
use super::raw::RawFile;
use super::yaml::{self, Checker, Mark};
use super::{Finding, Source};

/// What policies must not contradict: each other, and the settings.
struct Context<'a> {
    /// Names given so far, and where.
    names: BTreeMap<String, (String, Mark)>,
    targets: Option<&'a [String]>,
}

/// Compiles `files` in order. The policies are complete only if no finding is an error.
pub(super) fn compile<'a>(
    files: impl IntoIterator<Item = &'a Source>,
    targets: Option<&[String]>,
) -> (Vec<Policy>, Vec<Finding>) {
    let mut context = Context { names: BTreeMap::new(), targets };
    let (mut policies, mut findings) = (Vec::new(), Vec::new());
    for source in files {
        let mut check = Checker::new(&source.name);
        match yaml::parse(&source.name, &source.text) {
            Ok(root) => {
                let raw = RawFile::read(&mut check, &root);
                let raws = raw.map(|raw| raw.policies).unwrap_or_default();
                policies.extend(raws.iter().map(|raw| policy::compile(&mut check, raw, &mut context, &source.name)));
            }
            Err(finding) => findings.push(finding),
        }
        findings.extend(check.into_findings());
    }
    (policies, findings)
}
