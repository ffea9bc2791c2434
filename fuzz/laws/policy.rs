//! Any text is a policy file or is told, line by line, why it is none.

use cardinality_guard::engine::policy::{Builtin, Mode, Policies, Severity, Source};

pub fn hold(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() as u64 + 1;
    let compile = || {
        let source = Source { name: "policy.yaml".into(), text: text.clone() };
        Policies::compile(&[source], Builtin::Excluded, None)
    };
    let findings = match compile() {
        Ok((policies, warnings)) => {
            assert!(warnings.iter().all(|finding| finding.severity != Severity::Error), "{warnings:?}");
            // What compiles can be put into force.
            for mode in [Mode::Enforce, Mode::Observe] {
                drop(policies.plan(Some("app"), mode));
            }
            warnings
        }
        Err(findings) => {
            assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}\n{text}");
            findings
        }
    };
    for finding in &findings {
        assert!((finding.line as u64) <= lines, "line {} of {lines}: {finding}\n{text}", finding.line);
    }
    let again = match compile() {
        Ok((_, findings)) | Err(findings) => findings,
    };
    let told = |findings: &[_]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&findings), told(&again), "the same text, the same findings");
}
