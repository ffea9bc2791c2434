//! Keys that take one of a few words.

use super::super::yaml::{Checker, Node};
use super::super::{Aggregate, Shape};
use crate::engine::model::Kind;

/// A closed set of words and what each means: what is accepted, suggested and in the schema.
pub(in super::super) trait Word: Copy + 'static {
    /// As in "unknown action".
    const WHAT: &'static str;
    const WORDS: &'static [(&'static str, Self)];

    fn read(check: &mut Checker, node: &Node) -> Option<Self> {
        check.word(node, Self::WHAT, Self::WORDS)
    }
}

impl Word for Aggregate {
    const WHAT: &'static str = "aggregate";
    const WORDS: &'static [(&'static str, Aggregate)] = &[
        ("sum", Aggregate::Sum),
        ("max", Aggregate::Max),
        ("min", Aggregate::Min),
        ("avg", Aggregate::Avg),
        ("count", Aggregate::Count),
        ("drop", Aggregate::Drop),
    ];
}

impl Word for Kind {
    const WHAT: &'static str = "type";
    const WORDS: &'static [(&'static str, Kind)] = &[
        ("counter", Kind::Counter),
        ("gauge", Kind::Gauge),
        ("histogram", Kind::Histogram),
        ("gaugehistogram", Kind::GaugeHistogram),
        ("summary", Kind::Summary),
        ("info", Kind::Info),
        ("stateset", Kind::StateSet),
        ("unknown", Kind::Unknown),
        ("untyped", Kind::Unknown),
    ];
}

impl Word for Shape {
    const WHAT: &'static str = "shape";
    const WORDS: &'static [(&'static str, Shape)] = &[
        ("uuid", Shape::Uuid),
        ("ulid", Shape::Ulid),
        ("hex", Shape::Hex),
        ("int", Shape::Int),
        ("timestamp", Shape::Timestamp),
        ("email", Shape::Email),
        ("ip", Shape::Ip),
        ("url", Shape::Url),
        ("path", Shape::Path),
        ("text", Shape::Text),
    ];
}
