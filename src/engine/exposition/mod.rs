//! The syntax, read and written, exactly as lenient and as strict as Prometheus 3 is.
//!
//! [`Tokens`] reads one line at a time from a byte slice that may end anywhere; it never splits on
//! a newline inside quotes. Nothing is allocated per sample once its buffers have grown.

mod tokens;
mod write;

pub mod number;

pub use tokens::{Keyword, Meta, Sample, Step, SyntaxError, SyntaxErrorKind, SyntaxLimits, Tail, Tokens};
pub use write::{write_label_value, write_name_and_labels, write_number};
