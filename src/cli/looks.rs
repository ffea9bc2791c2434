//! What the values of a label look like, in a word.

use crate::engine::cardinality::{Label, Look};
use crate::engine::policy::Shape;

/// The shape of nearly all values, or `mixed`.
pub(super) fn word(label: &Label<Shape>) -> &'static str {
    match label.look() {
        Some(Look::Alike(shape)) => shape.as_str(),
        Some(Look::Mixed) => "mixed",
        None => "",
    }
}
