//! Who has a place: the one question a step cannot answer by itself. The caller keeps the books,
//! so that admission outlives decisions, reloads and the process.

/// Remembers which values have a place.
pub trait Ledger {
    /// Whether a value has a place, or gets one: places are given in the order of asking.
    fn room(&mut self, ask: Ask<'_>) -> Room;
}

/// A value that wants a place.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub policy: &'a str,
    pub step: StepKey,
    pub span: Span,
    pub label: &'a str,
    pub value: &'a str,
    /// How many places there are.
    pub limit: u64,
    pub manner: Manner,
}

/// Stands for a step: the same as long as the step acts the same, in every process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepKey(pub u64);

/// What shares the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// All families that the policy covers.
    Endpoint,
    /// The family at hand. Once a value is refused, all are: the label is folded away.
    Family,
}

/// Whether what a policy says happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    Enforced,
    Observed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Granted,
    Refused(Novelty),
}

/// Whether something was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    New,
    Known,
}

/// A ledger with room for everybody, for whoever only asks what would be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boundless;

impl Ledger for Boundless {
    fn room(&mut self, _: Ask<'_>) -> Room {
        Room::Granted
    }
}
