//! The words every room speaks: format, kind, label set, seeded hash and an index by it. Imports nothing.

mod format;
mod index;
mod kind;
mod labels;
mod near;
mod rank;
pub mod room;
mod seed;
mod spelled;

pub use format::Format;
pub use index::{GONE, Index};
pub use kind::Kind;
pub use labels::{DuplicateLabel, LabelSet};
pub use rank::{Rank, TRIED_LAST};
pub use seed::{MapSeed, Seed, SeriesHash};
pub use spelled::{Spelled, Stamp};
