//! Which labels may go by themselves: a judgement that policies make and counting obeys.

/// Whether a label may be folded away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    Free,
    /// Only when no free label explains the family's size.
    Last,
    Never,
}

/// Labels that dashboards and alerts of workers ask by: they are [`Rank::Last`].
pub const TRIED_LAST: [&str; 9] =
    ["queue", "queue_name", "status", "state", "name", "task", "method", "code", "namespace"];
