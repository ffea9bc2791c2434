//! What this binary was built from.

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, or `unknown`; see `build.rs` of the package.
pub const REVISION: &str = env!("CARDINALITY_GUARD_REVISION");

/// For people: `0.1.0 (revision 05fd8831f0c2)`.
pub const BOTH: &str = concat!(env!("CARGO_PKG_VERSION"), " (revision ", env!("CARDINALITY_GUARD_REVISION"), ")");
