//! What the reader sees: a table redrawn in place on a terminal, a line a second elsewhere.

mod table;

use std::io::{self, IsTerminal, Stdout, Write};

use super::Addresses;
use super::guard;
use super::tally::Tally;
use crate::cli::terminal::Color;
use table::Style;

/// Turn the cursor off and on; switch line wrapping off and on, so that a narrow window cuts lines
/// instead of moving the table.
const BEGIN_DRAWING: &str = "\x1b[?25l\x1b[?7l";
const END_DRAWING: &str = "\x1b[?25h\x1b[?7h";

/// Where the demo is shown.
pub struct Screen {
    out: Stdout,
    style: Style,
    kind: Kind,
}

enum Kind {
    /// So many lines stand above the cursor and will be drawn over.
    Terminal {
        lines: usize,
    },
    Plain,
}

impl Screen {
    /// Says what runs and what to try.
    pub fn new(addresses: &Addresses) -> io::Result<Screen> {
        let mut out = io::stdout();
        let style = Style::of(Color::of(&out));
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let kind = if out.is_terminal() && !dumb { Kind::Terminal { lines: 0 } } else { Kind::Plain };
        writeln!(out, "{}", table::introduction(addresses, guard::POLICY, style))?;
        Ok(Screen { out, style, kind })
    }

    pub fn draw(&mut self, tally: &Tally) -> io::Result<()> {
        match &mut self.kind {
            Kind::Plain => writeln!(self.out, "{}", table::line(tally, resident_bytes()))?,
            Kind::Terminal { lines } => {
                let picture = table::picture(tally, resident_bytes(), self.style);
                let up = if *lines > 0 { format!("\x1b[{lines}F") } else { String::new() };
                // Clearing each line as it is written, and what is below, does not flicker.
                let drawn = picture.replace('\n', "\x1b[K\n");
                *lines = picture.matches('\n').count();
                write!(self.out, "{BEGIN_DRAWING}{up}{drawn}\x1b[J{END_DRAWING}")?;
            }
        }
        self.out.flush()
    }

    /// The last word, after Ctrl-C too.
    pub fn summary(&mut self, tally: &Tally) -> io::Result<()> {
        writeln!(self.out, "\n{}", table::summary(tally, self.style))?;
        if let Kind::Plain = self.kind {
            // On a terminal the last table says it, just above.
            write!(self.out, "{}", table::truth(tally, self.style))?;
        }
        self.out.flush()
    }
}

/// Resident memory of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
