//! What to write into a policy file, and why: the one voice in which the command `suggest`, the API
//! and the page propose. Finding out what explodes is theirs.

mod ids;
mod numbers;
mod text;

pub use self::ids::{MANY, Normalizer, are_ids};
pub use self::numbers::{count, counted};
pub use self::text::policy_file;

use crate::engine::model::Kind;

/// What is to be done with one label.
#[derive(Clone, Debug)]
pub struct Step {
    pub label: String,
    pub edit: Edit,
    pub why: Why,
    pub families: Vec<Touched>,
    /// Most values in one metric.
    pub values: u64,
    pub look: &'static str,
    pub samples: Vec<String>,
}

/// A family that a step touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Drop,
    Normalize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Evidence(Evidence),
    /// A limit has folded it away.
    Folded,
    /// The metrics are over budget, and no other label does more.
    Budget,
}

/// Why a label is taken for one that grows without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its values are ids of single jobs, users or requests.
    Ids,
    /// So many values are left when the ids inside them become placeholders.
    IdsInside { left: Option<u64> },
}
