//! Exposition bodies as the commands read them: from files, gzip files and stdin, held whole.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use anyhow::anyhow;
use flate2::read::MultiGzDecoder;

use super::failure::Usage;
use super::progress::Progress;
use super::scrapes::Scrapes;
use crate::engine::exposition::{Keyword, Step, SyntaxError, SyntaxLimits, Tokens};
use crate::engine::guard::{Start, Survey};
use crate::engine::model::{Format, LabelSet};
use crate::engine::policy::Plan;

/// An exposition that can be read. Opened before anything is written, so that a file that is not
/// there is a usage error and not a failed scrape halfway.
pub(super) enum Input {
    Stdin,
    File { name: String, file: File },
}

/// A body to be looked through.
pub(super) struct Body {
    pub name: String,
    pub format: Format,
    bytes: Vec<u8>,
}

/// Opens every IN; none means stdin.
pub(super) fn open(names: &[String]) -> Result<Vec<Input>, Usage> {
    if names.is_empty() {
        return Ok(vec![Input::Stdin]);
    }
    if names.iter().filter(|name| *name == "-").count() > 1 {
        return Err(Usage("`-` (stdin) can be read only once".into()));
    }
    names.iter().map(|name| Input::open(name)).collect()
}

/// OpenMetrics when the last line is exactly `# EOF`.
pub(super) fn format_of(body: &[u8]) -> Format {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    match body.strip_suffix(b"# EOF") {
        Some([] | [.., b'\n']) => Format::OpenMetrics,
        _ => Format::Text,
    }
}

impl Input {
    fn open(name: &str) -> Result<Input, Usage> {
        if name == "-" {
            return Ok(Input::Stdin);
        }
        let unreadable = |error: io::Error| Usage(format!("cannot read {name}: {error}"));
        let file = File::open(name).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(Usage(format!("cannot read {name}: it is a directory")));
        }
        Ok(Input::File { name: name.to_owned(), file })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Input::Stdin => "stdin".into(),
            Input::File { name, .. } => name.clone(),
        }
    }

    /// Reads it whole.
    pub(super) fn read(self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match self {
            Input::Stdin => io::stdin().lock().read_to_end(&mut body)?,
            Input::File { name, file } if name.ends_with(".gz") => MultiGzDecoder::new(file).read_to_end(&mut body)?,
            Input::File { mut file, .. } => file.read_to_end(&mut body)?,
        };
        Ok(body)
    }
}

impl Body {
    pub(super) fn read(name: &str) -> Result<Body, Usage> {
        let input = Input::open(name)?;
        let name = input.name();
        let bytes = input.read().map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
        Ok(Body::new(name, bytes))
    }

    pub(super) fn new(name: String, bytes: Vec<u8>) -> Body {
        Body { name, format: format_of(&bytes), bytes }
    }

    /// What leaves of it under these policies, folded counters as plain sums.
    pub(super) fn guarded(&self, plan: Plan) -> anyhow::Result<Body> {
        let mut progress = Progress::over("guarding", &self.name, self.bytes.len());
        let mut scrapes = Scrapes::new(plan, Start::Sum);
        let outcome = scrapes.scrape_telling(&self.bytes, Duration::ZERO, Some(self.format), |done| progress.at(done));
        let (bytes, _) = outcome.map_err(|reason| anyhow!("{}: {reason}", self.name))?;
        Ok(Body { name: self.name.clone(), format: self.format, bytes })
    }

    /// Tells `survey` the types.
    pub(super) fn declare(&self, survey: &mut Survey) -> Result<(), Usage> {
        self.walk(|step, tokens| {
            if let Step::Meta(meta) = step
                && let (Keyword::Type, Some(kind)) = (meta.keyword, meta.kind)
            {
                survey.declare(tokens.name(), kind);
            }
        })
    }

    /// Every series in order.
    pub(super) fn series(&self, mut each: impl FnMut(&str, &LabelSet)) -> Result<(), Usage> {
        self.walk(|step, tokens| {
            if let Step::Sample(_) = step {
                each(tokens.name(), tokens.labels());
            }
        })
    }

    fn walk(&self, mut each: impl FnMut(&Step, &Tokens)) -> Result<(), Usage> {
        let mut tokens = Tokens::new(self.format, SyntaxLimits { sample_size: 0, labels: 0 });
        let malformed = |error: SyntaxError| Usage(format!("{}: {error}", self.name));
        let mut rest = self.bytes.as_slice();
        let mut progress = Progress::over("looking through", &self.name, rest.len());
        loop {
            let step = tokens.next(rest, true).map_err(malformed)?;
            each(&step, &tokens);
            let end = match step {
                Step::Skip { end } | Step::Eof { end } => end,
                Step::Meta(meta) => meta.end,
                Step::Sample(sample) => sample.tail.end,
                Step::NeedMore | Step::End => return Ok(()),
            };
            rest = &rest[end..];
            progress.at(self.bytes.len() - rest.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_the_format() {
        for (body, want) in [
            ("a 1\n# EOF\n", Format::OpenMetrics),
            ("a 1\n# EOF", Format::OpenMetrics),
            ("# EOF", Format::OpenMetrics),
            ("a 1\n# EOF\n\n", Format::Text),
            ("a 1\n# EOF \n", Format::Text),
            ("a 1\n# EOF\nb 1\n", Format::Text),
            ("# HELP a # EOF", Format::Text),
            ("a 1\n", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(format_of(body.as_bytes()), want, "{body:?}");
        }
    }
}
