//! An anchored regex and what its text is replaced by.

use regex::Regex;

use super::pattern;
use super::template::Template;

/// `regex` and `replacement`, of a step or of a relabel rule.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    regex: Regex,
    template: Template,
    text: Box<str>,
    replacement: Box<str>,
}

impl Rewrite {
    /// The second value names the groups that the replacement wants and the regex has not.
    pub fn new(regex: &str, replacement: &str) -> Result<(Rewrite, Vec<String>), String> {
        let compiled = pattern::anchored(regex)?;
        let (template, missing) = Template::new(replacement, &compiled);
        Ok((Rewrite { regex: compiled, template, text: regex.into(), replacement: replacement.into() }, missing))
    }

    /// Writes the replacement for `value` into `out`; `None` when the regex does not fit.
    pub fn apply(&self, value: &str, out: &mut String) -> Option<()> {
        if let Some(text) = self.template.constant() {
            if !self.regex.is_match(value) {
                return None;
            }
            out.clear();
            out.push_str(text);
            return Some(());
        }
        self.template.expand(&self.regex.captures(value)?, out)
    }

    /// As [`Rewrite::apply`], with a second template over the same match.
    pub fn apply_with(&self, value: &str, other: &Template, other_out: &mut String, out: &mut String) -> Option<()> {
        let captures = self.regex.captures(value)?;
        other.expand(&captures, other_out)?;
        self.template.expand(&captures, out)
    }

    /// A further template for the same regex.
    pub fn template(&self, text: &str) -> (Template, Vec<String>) {
        Template::new(text, &self.regex)
    }

    pub fn regex_text(&self) -> &str {
        &self.text
    }

    pub fn replacement_text(&self) -> &str {
        &self.replacement
    }
}
