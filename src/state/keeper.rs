//! Keeps one state of one endpoint in the store: reads it before its first scrape, writes what each
//! scrape changed before its last byte leaves, and never lets the store hold a scrape up.
//!
//! A write runs on a thread that may wait and is waited for at most [`PATIENCE`]. Whatever is not
//! known to be written by then is taken back (rule 7.3: the store must not be behind what was
//! exposed), the scrape goes on in memory, and the next one writes everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::guard::{EndpointState, Extent};
use crate::telemetry::Telemetry;

use super::store::{Kept, StateName, StateStore, Then, Trouble};

/// The store of this process.
#[derive(Debug)]
pub struct Vault {
    store: Arc<dyn StateStore>,
    /// A disk that hangs must not take every thread there is.
    places: Arc<Semaphore>,
    telemetry: Arc<Telemetry>,
}

/// One state's way to the store.
#[derive(Debug)]
pub(super) struct Keeper {
    vault: Arc<Vault>,
    name: StateName,
    memory: Memory,
    then: Then,
    loading: Option<JoinHandle<Result<Option<Restored>, Trouble>>>,
    writing: Option<Write>,
}

/// Whether the store was asked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Unread,
    Read,
}

#[derive(Debug)]
struct Restored {
    state: Box<EndpointState>,
    then: Then,
}

/// A write under way.
#[derive(Debug)]
struct Write {
    job: JoinHandle<Result<Then, Trouble>>,
    extent: Extent,
    wanted: Arc<AtomicBool>,
}

/// Together a scrape is held up by no more than 250 ms.
const PATIENCE: Duration = Duration::from_millis(200);
const TAKING_BACK: Duration = Duration::from_millis(50);
/// Threads that may wait for the disk at once.
const PLACES: usize = 64;

impl Vault {
    pub(super) fn new(store: Arc<dyn StateStore>, telemetry: Arc<Telemetry>) -> Vault {
        Vault { store, places: Arc::new(Semaphore::new(PLACES)), telemetry }
    }

    /// Nobody asks for this any more. Never waits.
    pub(super) fn forget(&self, name: StateName) {
        self.store.doom(name.clone());
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.clear(&name));
    }

    /// Removes what nobody has asked for during `ttl`, from before this process as well.
    pub(super) fn clean(&self, ttl: Duration) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.clean(ttl));
    }

    async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&dyn StateStore) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let place = self.places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
        let store = self.store.clone();
        let work = move || {
            let _place = place;
            work(&*store)
        };
        tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
    }
}

impl Keeper {
    pub(super) fn new(vault: Arc<Vault>, name: StateName) -> Keeper {
        Keeper { vault, name, memory: Memory::Unread, then: Then::Replace, loading: None, writing: None }
    }

    /// What is kept, the first time; whoever stops waiting may ask again.
    pub(super) async fn load(&mut self) -> Option<Box<EndpointState>> {
        if self.memory == Memory::Read {
            return None;
        }
        let (vault, name) = (self.vault.clone(), self.name.clone());
        let loading =
            self.loading.get_or_insert_with(|| tokio::spawn(vault.blocking(move |store| restore(store, &name))));
        let loaded = loading.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()));
        (self.loading, self.memory) = (None, Memory::Read);
        match loaded {
            Ok(Some(restored)) => {
                self.then = restored.then;
                Some(restored.state)
            }
            Ok(None) => None,
            Err(trouble) => {
                self.vault.telemetry.state_not_resumed(trouble.reason(), self.name.as_str(), &trouble.to_string());
                None
            }
        }
    }

    /// Writes what the scrape just committed has changed.
    pub(super) async fn keep(&mut self, state: &mut EndpointState) {
        if self.writing.is_some() && self.wait().await == Waited::Slow {
            return;
        }
        let mut piece = Vec::new();
        let extent = match self.then {
            Then::Append => state.changes(&mut piece),
            Then::Replace => {
                state.snapshot(&mut piece);
                Extent::Whole
            }
        };
        let wanted = Arc::new(AtomicBool::new(true));
        let (name, still_wanted) = (self.name.clone(), wanted.clone());
        let job = tokio::spawn(self.vault.clone().blocking(move |store| match extent {
            Extent::Changes => store.append(&name, &piece),
            Extent::Whole => store.replace(&name, &piece, &still_wanted),
        }));
        self.writing = Some(Write { job, extent, wanted });
        self.wait().await;
    }

    /// The last word: what is kept is whole and final.
    pub(super) async fn close(&mut self, state: Option<&mut EndpointState>) {
        if let Some(state) = state
            && (self.then == Then::Replace || self.writing.is_some())
        {
            self.keep(state).await;
        }
        if self.then == Then::Replace {
            return;
        }
        let name = self.name.clone();
        if let Err(trouble) = self.vault.clone().blocking(move |store| store.close(&name)).await {
            self.failed(&trouble);
        }
    }

    /// Waits for the write under way, and takes it back when that takes too long.
    async fn wait(&mut self) -> Waited {
        let Some(write) = &mut self.writing else { return Waited::Done };
        // Until its end is known it does not count.
        self.then = Then::Replace;
        let Ok(ended) = timeout(PATIENCE, &mut write.job).await else {
            self.take_back().await;
            return Waited::Slow;
        };
        let extent = write.extent;
        let was_wanted = write.wanted.load(Ordering::SeqCst);
        self.writing = None;
        match ended.unwrap_or_else(|error| Err(std::io::Error::other(error).into())) {
            Ok(then) if was_wanted => {
                self.then = then;
                if extent == Extent::Whole {
                    self.sync();
                }
            }
            // It has been counted as slow.
            Ok(_) | Err(_) if !was_wanted => {}
            Ok(_) => {}
            Err(trouble) => self.failed(&trouble),
        }
        Waited::Done
    }

    async fn take_back(&mut self) {
        if let Some(write) = &self.writing {
            write.wanted.store(false, Ordering::SeqCst);
        }
        self.failed(&Trouble::Slow);
        let (store, name) = (self.vault.store.clone(), self.name.clone());
        let _ = timeout(TAKING_BACK, tokio::task::spawn_blocking(move || store.discard(&name))).await;
    }

    /// Nobody waits for this: a file of another boot is not resumed without the mark anyway.
    fn sync(&self) {
        let (vault, name) = (self.vault.clone(), self.name.clone());
        tokio::spawn(vault.blocking(move |store| store.sync(&name)));
    }

    fn failed(&self, trouble: &Trouble) {
        self.vault.telemetry.state_not_written(trouble.reason(), self.name.as_str(), &trouble.to_string());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Done,
    Slow,
}

impl Drop for Keeper {
    /// The endpoint is forgotten: what is still being written must not stay.
    fn drop(&mut self) {
        if let Some(write) = &self.writing {
            write.wanted.store(false, Ordering::SeqCst);
        }
    }
}

fn restore(store: &dyn StateStore, name: &StateName) -> Result<Option<Restored>, Trouble> {
    let Some(Kept { pieces, then }) = store.load(name)? else { return Ok(None) };
    match EndpointState::restore(pieces.iter().map(Vec::as_slice)) {
        Ok(state) => Ok(Some(Restored { state, then })),
        Err(_) => {
            store.set_aside(name);
            Err(Trouble::Unreadable)
        }
    }
}
