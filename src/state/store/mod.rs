//! Where the memory of endpoints outlives the process: in files of one guard. What several guards share
//! is in `replicas`, and in trouble for the same reasons.

mod doomed;
mod files;
mod frame;
mod judge;
mod lock;

pub use files::FileStore;
pub use frame::VERSION;
pub use lock::{LockError, WAIT};

use std::fmt;
use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::engine::model::Format;

use super::EndpointKey;

/// Whose state: an endpoint in one format.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateName(String);

impl StateName {
    pub fn new(endpoint: &EndpointKey, format: Format) -> StateName {
        StateName(format!("{format} {endpoint}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is kept under a name, ready to be gone on with.
#[derive(Debug)]
pub struct Kept {
    /// In the order in which they were written; the first holds everything.
    pub pieces: Vec<Vec<u8>>,
    pub then: Then,
}

/// What may be written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A change.
    Append,
    /// Everything: the changes have outgrown it, or nothing here may be added to.
    Replace,
}

/// Why a write failed, or what was kept is not resumed (rule 7.4).
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("it took too long")]
    Slow,
    #[error("{0}")]
    Full(io::Error),
    #[error("{0}")]
    Io(io::Error),
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is of another version")]
    Version,
    #[error("its last scrape was over an hour ago")]
    Stale,
    #[error("its last scrape is in the future")]
    Future,
    #[error("the machine has been restarted without a clean shutdown before")]
    Boot,
    #[error("somebody else has written to it")]
    Touched,
    #[error("the store that the guards share cannot be asked")]
    Away,
    #[error("the store that the guards share has lost what it was told")]
    Behind,
    #[error("not all guards have said whether the store still has what it was told")]
    Awaited,
}

/// Blocking, all of it: callers are on threads that may wait. One name is never used by two callers
/// at once, except to forget it.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// What is kept under a name. What is not resumed is set aside before this returns.
    fn load(&self, name: &StateName) -> Result<Option<Kept>, Trouble>;

    /// Adds a change to what is kept, unless it is no longer `wanted`. Once this has returned,
    /// `kill -9` loses nothing of it.
    fn append(&self, name: &StateName, piece: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble>;

    /// Keeps this instead of what was there; nothing, when it is no longer `wanted`.
    fn replace(&self, name: &StateName, piece: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble>;

    /// Makes sure that what is kept survives a power cut, too.
    fn sync(&self, name: &StateName) -> Result<(), Trouble>;

    /// What is kept is whole and final: it may be resumed on another boot.
    fn close(&self, name: &StateName) -> Result<(), Trouble>;

    /// What is kept must never be resumed: it is behind what was exposed.
    fn discard(&self, name: &StateName);

    /// What is kept is no state after all.
    fn set_aside(&self, name: &StateName);

    /// From now on nothing is kept under this name, whoever asks; [`StateStore::clear`] then does
    /// the work. Never waits.
    fn doom(&self, name: StateName);

    fn clear(&self, name: &StateName);

    /// Removes what nobody has asked for during `ttl`.
    fn clean(&self, ttl: Duration);
}

impl Trouble {
    /// The `reason` of `cardinality_guard_state_write_errors_total`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Trouble::Slow => "slow",
            Trouble::Full(_) => "full",
            Trouble::Io(_) => "io",
            Trouble::Unreadable => "unreadable",
            Trouble::Version => "version",
            Trouble::Stale => "stale",
            Trouble::Future => "future",
            Trouble::Boot => "boot",
            Trouble::Touched => "touched",
            Trouble::Away => "away",
            Trouble::Behind => "behind",
            Trouble::Awaited => "awaited",
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full(error),
            _ => Trouble::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Exposition, Foreseen, Telemetry};

    #[test]
    fn every_reason_has_its_row_from_the_start() {
        let telemetry = Telemetry::default();
        telemetry.config_loaded(Foreseen::default());
        let shown = telemetry.expose(Exposition::Text, &[]);
        let error = || io::Error::other("x");
        let all = [
            Trouble::Slow,
            Trouble::Full(error()),
            Trouble::Io(error()),
            Trouble::Unreadable,
            Trouble::Version,
            Trouble::Stale,
            Trouble::Future,
            Trouble::Boot,
            Trouble::Touched,
            Trouble::Away,
            Trouble::Behind,
            Trouble::Awaited,
        ];
        // Whoever adds one is told here.
        let is_listed = |trouble: &Trouble| match trouble {
            Trouble::Slow | Trouble::Full(_) | Trouble::Io(_) | Trouble::Unreadable | Trouble::Version => (),
            Trouble::Stale | Trouble::Future | Trouble::Boot | Trouble::Touched => (),
            Trouble::Away | Trouble::Behind | Trouble::Awaited => (),
        };
        all.iter().for_each(is_listed);
        for trouble in all {
            let row = format!("cardinality_guard_state_write_errors_total{{reason=\"{}\"}} 0\n", trouble.reason());
            assert!(shown.contains(&row), "{row} in\n{shown}");
        }
        assert_eq!(Trouble::from(io::Error::from(io::ErrorKind::StorageFull)).reason(), "full");
        assert_eq!(Trouble::from(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)).reason(), "io");
    }
}
