//! Takes possession of the directory that holds what outlives the process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info};

use crate::state::Shared;
use crate::state::replicas::{Address, Replicas};
use crate::state::store::{FileStore, LockError, WAIT};

/// Whether the guard may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// With a store, or in memory only because that is wanted or there is no way to have one.
    Settled,
    /// Another process owns the directory, which has been said.
    Busy,
}

/// Between two looks at a lock.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn open(shared: &Shared) -> Storage {
    let config = shared.config();
    let storage = &config.settings.storage;
    if let Some(url) = storage.url.clone() {
        let address = Address { url, tls: storage.tls.clone() };
        shared.endpoints().share_in(Replicas::new(address, storage.endpoint_ttl, shared.telemetry().clone()));
        return Storage::Settled;
    }
    let Some(path) = &storage.path else { return Storage::Settled };
    match open_within(path, WAIT) {
        Ok(store) => shared.endpoints().keep_in(Arc::new(store)),
        Err(LockError::Busy) => {
            error!(path = %path.display(), "storage.path is owned by another process: give each its own");
            return Storage::Busy;
        }
        Err(LockError::Io(error)) => {
            let (path, detail) = (path.display().to_string(), error.to_string());
            shared.telemetry().state_not_written("io", &path, &detail);
        }
    }
    Storage::Settled
}

/// The process before this one may still be draining.
fn open_within(path: &Path, wait: Duration) -> Result<FileStore, LockError> {
    let until = Instant::now() + wait;
    let mut said = false;
    loop {
        match FileStore::open(path) {
            Err(LockError::Busy) if Instant::now() < until => {
                if !said {
                    info!(path = %path.display(), "waiting for another process to let go of storage.path");
                    said = true;
                }
                std::thread::sleep(LOOK);
            }
            opened => return opened,
        }
    }
}
