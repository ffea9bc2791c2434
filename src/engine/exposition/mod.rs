//! The syntax, read and written, exactly as lenient and as strict as Prometheus 3 is.
//!
//! [`Tokens`] reads one line at a time from a byte slice that may end anywhere; it never splits on
//! a newline inside quotes. Nothing is allocated per sample once its buffers have grown.

mod error;
mod step;
mod tokens;

mod openmetrics;
mod text;

mod exemplar;
mod labels;
mod meta;
mod plain;
mod quoted;
mod skeleton;

mod cursor;
mod framing;

mod write;

#[cfg(test)]
mod testing;

pub mod number;

pub use error::{SyntaxError, SyntaxErrorKind};
pub use plain::{Plain, plain};
pub use skeleton::{Skeleton, Span, plain_value, series_end};
pub use step::{Keyword, Meta, Sample, Step, Tail};
pub use tokens::{SyntaxLimits, Tokens};
pub use write::{write_escaped, write_label_value, write_name_and_labels, write_number};
