//! Names that are to be forgotten, and have not been yet.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::StateName;

/// Whoever comes first does it: the one told to, or the next one to load under that name. Removing
/// happens under one lock, so that a file that was made anew is never removed for its predecessor.
#[derive(Debug, Default)]
pub struct Doomed {
    names: Mutex<HashSet<StateName>>,
    removing: Mutex<()>,
}

impl Doomed {
    /// Never waits for a disk.
    pub fn add(&self, name: StateName) {
        locked(&self.names).insert(name);
    }

    /// Removes what is kept under the name, if it is doomed.
    pub fn clear(&self, name: &StateName, remove: impl FnOnce()) {
        let _one_at_a_time = locked(&self.removing);
        let is_doomed = locked(&self.names).remove(name);
        if is_doomed {
            remove();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
