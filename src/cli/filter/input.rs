//! Where expositions come from: files, gzip files, stdin.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::cli::failure::Usage;

/// An exposition that can be read. Opened before anything is written, so that a file that is not
/// there is a usage error and not a failed scrape halfway.
pub(super) enum Input {
    Stdin,
    File { name: String, file: File },
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
