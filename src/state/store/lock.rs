//! One process owns a directory. The lock goes with the process, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a second process waits for the first one to end, as in a rolling restart.
pub const WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process owns it")]
    Busy,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The directory is ours as long as the file is open.
pub fn lock(directory: &Path) -> Result<File, LockError> {
    std::fs::create_dir_all(directory)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Busy),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
