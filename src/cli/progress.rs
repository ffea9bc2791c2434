//! How far a long command has come: one line on stderr, drawn over and wiped away, for people only.

use std::io::{self, IsTerminal, Stderr, Write};

use super::units::bytes;
use crate::telemetry::Printable;

/// What is smaller is done before anybody could read how far it is.
const LARGE: usize = 8_000_000;

/// Back to the start of the line, and everything after it is gone.
const WIPE: &str = "\r\x1b[K";

/// Work on so many bytes. Nothing is drawn where nobody looks.
pub(super) struct Progress<W: Write = Stderr> {
    out: Option<W>,
    what: String,
    all: usize,
    /// From so many bytes on there is something new to say.
    next: usize,
}

impl Progress {
    /// `what` is done to `all` bytes of `name`.
    pub(super) fn over(what: &str, name: &str, all: usize) -> Progress {
        let people = if all >= LARGE { people() } else { None };
        Progress::on(people, format!("{what} {} ({})", Printable(name), bytes(all as u64)), all)
    }

    /// Somebody else is at work, and does not say how far.
    pub(super) fn waiting(what: &str, name: &str) -> Progress {
        let mut progress = Progress::on(people(), format!("{what} {}", Printable(name)), 0);
        progress.draw("…");
        progress
    }
}

impl<W: Write> Progress<W> {
    fn on(out: Option<W>, what: String, all: usize) -> Progress<W> {
        Progress { out, what, all, next: 0 }
    }

    /// So many bytes are done.
    pub(super) fn at(&mut self, done: usize) {
        if done >= self.next && self.all > 0 {
            let percent = done.min(self.all) * 100 / self.all;
            self.next = ((percent + 1) * self.all).div_ceil(100);
            self.draw(&format!(" {percent} %"));
        }
    }

    fn draw(&mut self, how_far: &str) {
        if let Some(out) = &mut self.out {
            // Who cannot be told need not be.
            let _ = write!(out, "{WIPE}{}{how_far}", self.what).and_then(|()| out.flush());
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let Some(out) = &mut self.out {
            let _ = write!(out, "{WIPE}").and_then(|()| out.flush());
        }
    }
}

/// Stderr, where it is a screen that lines can be wiped from.
fn people() -> Option<Stderr> {
    let stderr = io::stderr();
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    (stderr.is_terminal() && !dumb).then_some(stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percent_is_drawn_once_and_wiped_in_the_end() {
        let mut drawn = Vec::new();
        let mut progress = Progress::on(Some(&mut drawn), "reading a".into(), 1000);
        for done in [0, 1, 9, 10, 19, 500, 1000, 1000] {
            progress.at(done);
        }
        drop(progress);
        let drawn = String::from_utf8(drawn).unwrap();
        let lines: Vec<_> = drawn.split(WIPE).skip(1).collect();
        assert_eq!(lines, ["reading a 0 %", "reading a 1 %", "reading a 50 %", "reading a 100 %", ""]);
    }
}
