//! How many there are: distinct series and values, exact while few and estimated beyond, forgotten
//! when they stay away, and the label that is responsible.
//!
//! A [`Census`] counts one family. It keeps hashes and a few sample values, never label sets.

mod census;
mod distinct;
mod label;
mod lately;
mod places;
mod responsible;
mod share;
mod sketch;
mod suspects;

pub use census::{Bounds, Census};
pub use distinct::{Count, Distinct, Estimated, Novelty};
pub use label::{Label, Look};
pub use lately::{Arrival, Lately};
pub use places::{Admission, Answer, Place, Places};
pub use responsible::Responsible;
pub use share::{Part, Share, Taken};
pub use suspects::Suspects;
