//! Findings with the lines they are about.

use super::terminal::Color;
use crate::engine::policy::{Finding, Source};

/// One finding after the other, each with its line and a caret when its text is among `sources`.
pub(super) fn render(findings: &[Finding], sources: &[Source], color: Color) -> String {
    let text = |finding: &Finding| {
        let source = sources.iter().find(|source| source.name == finding.file);
        source.map_or("", |source| source.text.as_str()).to_owned()
    };
    findings.iter().map(|finding| finding.render(&text(finding), color == Color::Always)).collect()
}
