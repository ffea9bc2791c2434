//! A mistake or doubt in an operator's file, and how it is shown.

use std::fmt::{self, Write as _};

/// One mistake or doubt in a policy or settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub file: String,
    /// From 1; 0 when the finding is about the file as a whole.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    /// The way out: the right word for a typo, what to write instead.
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; nothing is wrong with the file.
    Note,
    Warning,
    Error,
}

/// How much of a line is shown around the caret.
const LINE_WIDTH: usize = 120;

impl Finding {
    /// `file:line:column: error: message`, the line it stands in with a caret below the place, and
    /// the help. `text` is the file's text.
    pub fn render(&self, text: &str, color: bool) -> String {
        let paint = Paint { color };
        let hue = match self.severity {
            Severity::Note => Hue::Cyan,
            Severity::Warning => Hue::Yellow,
            Severity::Error => Hue::Red,
        };
        let mut out = String::new();
        let place = paint.of(Hue::Bold, &self.place());
        let severity = paint.of(hue, self.severity.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{place} {severity}: {}", visible(&self.message));
        let line = self.line.checked_sub(1).and_then(|above| text.lines().nth(above));
        if let Some(line) = line {
            let (shown, caret) = window(line, self.column);
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let bar = paint.of(Hue::Blue, "|");
            let _ = writeln!(out, " {} {bar} {shown}", paint.of(Hue::Blue, &number));
            let _ = writeln!(out, " {margin} {bar} {}", paint.of(hue, &caret));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "   {} {}", paint.of(Hue::Cyan, "help:"), visible(help));
        }
        out
    }

    fn place(&self) -> String {
        match self.line {
            0 => format!("{}:", visible(&self.file)),
            line => format!("{}:{line}:{}:", visible(&self.file), self.column),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place(), self.message)
    }
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// The part of `line` around `column` (from 1), and the caret line for it: as long as the word.
fn window(line: &str, column: usize) -> (String, String) {
    let chars: Vec<char> = line.chars().collect();
    let at = column.saturating_sub(1).min(chars.len());
    let start = at.saturating_sub(LINE_WIDTH / 2);
    let end = (start + LINE_WIDTH).min(chars.len());
    let word = chars[at..end].iter().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')).count();
    let (head, tail) = (if start > 0 { "…" } else { "" }, if end < chars.len() { "…" } else { "" });
    let middle: String = chars[start..end].iter().collect();
    let indent = " ".repeat(head.chars().count() + at - start);
    (format!("{head}{}{tail}", visible(&middle)), format!("{indent}{}", "^".repeat(word.max(1))))
}

/// Control characters would move the cursor or forge lines.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { c }).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[derive(Clone, Copy)]
enum Hue {
    Bold,
    Red,
    Yellow,
    Blue,
    Cyan,
}

struct Paint {
    color: bool,
}

impl Paint {
    fn of(&self, hue: Hue, text: &str) -> String {
        let code = match hue {
            Hue::Bold => "1",
            Hue::Red => "1;31",
            Hue::Yellow => "1;33",
            Hue::Blue => "34",
            Hue::Cyan => "36",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: usize, column: usize, help: Option<&str>) -> Finding {
        Finding {
            severity: Severity::Error,
            file: "p.yaml".into(),
            line,
            column,
            message: "unknown key `labls`".into(),
            help: help.map(str::to_owned),
        }
    }

    #[test]
    fn shows_place_line_caret_and_help() {
        let shown = finding(2, 3, Some("did you mean `labels`?")).render("a: 1\n  labls: x\n", false);
        let want =
            "p.yaml:2:3: error: unknown key `labls`\n 2 |   labls: x\n   |   ^^^^^\n   help: did you mean `labels`?\n";
        assert_eq!(shown, want);
    }

    #[test]
    fn a_finding_about_the_file_has_no_line() {
        assert_eq!(finding(0, 0, None).render("a: 1", false), "p.yaml: error: unknown key `labls`\n");
        assert_eq!(finding(9, 1, None).render("a: 1", false), "p.yaml:9:1: error: unknown key `labls`\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret_and_control_characters_are_harmless() {
        let line = format!("{}\t\x1b[2Jbad{}", "x".repeat(500), "y".repeat(500));
        let shown = finding(1, 506, None).render(&line, false);
        assert!(shown.lines().all(|l| l.chars().count() < 140), "{shown}");
        assert!(!shown.contains('\x1b') && shown.contains('…'), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').expect("a caret");
        assert_eq!(lines[1].chars().skip(caret).take(3).collect::<String>(), "bad");
    }

    #[test]
    fn color_is_paint_only() {
        let painted = finding(1, 1, Some("h")).render("labls: 1", true);
        assert!(painted.contains("\x1b[1;31merror\x1b[0m"), "{painted:?}");
        let bare = painted.replace("\x1b[0m", "");
        assert_eq!(bare.matches('\x1b').count(), painted.matches("\x1b[0m").count());
    }
}
