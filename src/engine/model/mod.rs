//! The words every room speaks: format, kind, label set, seeded hash. Imports nothing.

mod format;
mod kind;
mod labels;
mod seed;

pub use format::Format;
pub use kind::Kind;
pub use labels::{DuplicateLabel, LabelSet};
pub use seed::{Seed, SeriesHash};
