//! Lines of the text format, in the spellings of three client libraries.

use std::fmt::{Display, Write};

/// A body that grows line by line. Writing to memory cannot fail, so nothing here does.
#[derive(Default)]
pub struct Body(pub String);

/// How a library writes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Python and Ruby: `1.0`.
    Float,
    /// JavaScript: `1`.
    Shortest,
}

/// Which of HELP and TYPE comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    HelpFirst,
    TypeFirst,
}

/// What a histogram member has seen: this many jobs, each of which took so long.
#[derive(Clone, Copy)]
pub struct Observed {
    pub count: u64,
    pub seconds: f64,
}

/// How a histogram is spelled.
pub struct Layout {
    /// `le` without the infinite one, as the library prints it, with its value.
    pub bounds: &'static [(&'static str, f64)],
    pub numbers: Numbers,
}

impl Body {
    pub fn head(&mut self, order: Head, family: &str, kind: &str, help: &str) {
        let lines = [format!("# HELP {family} {help}"), format!("# TYPE {family} {kind}")];
        match order {
            Head::HelpFirst => self.line(format_args!("{}\n{}", lines[0], lines[1])),
            Head::TypeFirst => self.line(format_args!("{}\n{}", lines[1], lines[0])),
        }
    }

    pub fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.0, "{line}");
    }

    /// The lines of a histogram member; `labels` without braces and without `le`.
    pub fn histogram(&mut self, layout: &Layout, family: &str, labels: &str, seen: Observed) {
        let write = |count: u64| layout.numbers.write(count as f64);
        for (le, bound) in layout.bounds {
            let below = write(seen.up_to(*bound));
            self.line(format_args!("{family}_bucket{{{labels},le=\"{le}\"}} {below}"));
        }
        let count = write(seen.count);
        self.line(format_args!("{family}_bucket{{{labels},le=\"+Inf\"}} {count}"));
        self.line(format_args!("{family}_sum{{{labels}}} {}", seen.count as f64 * seen.seconds));
        self.line(format_args!("{family}_count{{{labels}}} {count}"));
    }
}

impl Observed {
    fn up_to(self, bound: f64) -> u64 {
        if self.seconds <= bound { self.count } else { 0 }
    }
}

impl Numbers {
    pub fn write(self, value: f64) -> String {
        match self {
            Numbers::Float => format!("{value:?}"),
            Numbers::Shortest => format!("{value}"),
        }
    }
}
