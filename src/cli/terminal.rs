//! What stdout and stderr are: a terminal with colour, or a file.

use std::io::IsTerminal;

/// Whether a stream takes colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Always,
    Never,
}

impl Color {
    pub(super) fn of(stream: &impl IsTerminal) -> Color {
        Color::decide(stream.is_terminal(), std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()))
    }

    /// <https://no-color.org>: any non-empty value turns colour off.
    fn decide(terminal: bool, no_color: bool) -> Color {
        if terminal && !no_color { Color::Always } else { Color::Never }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_for_terminals_that_want_it() {
        assert_eq!(Color::decide(true, false), Color::Always);
        assert_eq!(Color::decide(true, true), Color::Never);
        assert_eq!(Color::decide(false, false), Color::Never);
    }
}
