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

use super::buffers::Buffers;
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
    buffers: Buffers,
    /// Bytes that the last piece had, and some: the next one grows to no more.
    usual: usize,
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

    /// Begins at once where there is a place: nobody has to be woken for it but who does the work.
    fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&dyn StateStore) -> Result<T, Trouble> + Send + 'static,
    ) -> JoinHandle<Result<T, Trouble>> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return tokio::spawn(self.clone().blocking(work));
        };
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&*store)
        })
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
    /// Pieces are written in `buffers`, which are there anyway.
    pub(super) fn new(vault: Arc<Vault>, name: StateName, buffers: Buffers) -> Keeper {
        let (memory, then) = (Memory::Unread, Then::Replace);
        Keeper { vault, name, memory, then, loading: None, writing: None, buffers, usual: 0 }
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
        let mut piece = self.buffers.take_for(match self.then {
            Then::Append => self.usual,
            Then::Replace => self.usual.max(state.memory()),
        });
        let extent = match self.then {
            Then::Append => state.changes(&mut piece),
            Then::Replace => {
                state.snapshot(&mut piece);
                Extent::Whole
            }
        };
        self.usual = piece.len() + piece.len() / 8;
        let wanted = Arc::new(AtomicBool::new(true));
        let (name, still_wanted) = (self.name.clone(), wanted.clone());
        let buffers = self.buffers.clone();
        let job = self.vault.begin(move |store| {
            let written = match extent {
                Extent::Changes => store.append(&name, &piece, &still_wanted),
                Extent::Whole => store.replace(&name, &piece, &still_wanted),
            };
            buffers.give(piece);
            written
        });
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

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::engine::guard::{Annotate, BodyEnd, Guard, Limits, Scrape, Start};
    use crate::engine::model::{Format, Seed};
    use crate::engine::policy::Plan;
    use crate::settings::Scheme;
    use crate::state::EndpointKey;
    use crate::telemetry::{Exposition, Foreseen};

    /// A store that hangs while it is told to, and notes what became of it.
    #[derive(Debug, Default)]
    struct Disk {
        hangs: Mutex<bool>,
        goes_on: Condvar,
        done: Mutex<Vec<&'static str>>,
    }

    impl Disk {
        fn hang(&self, hangs: bool) {
            *self.hangs.lock().unwrap() = hangs;
            self.goes_on.notify_all();
        }

        fn write(&self, what: &'static str, wanted: &AtomicBool) -> Result<Then, Trouble> {
            let hangs = self.hangs.lock().unwrap();
            drop(self.goes_on.wait_while(hangs, |hangs| *hangs).unwrap());
            let what = if wanted.load(Ordering::SeqCst) { what } else { "too late" };
            self.done.lock().unwrap().push(what);
            Ok(Then::Append)
        }

        fn done(&self) -> Vec<&'static str> {
            std::mem::take(&mut self.done.lock().unwrap())
        }
    }

    impl StateStore for Disk {
        fn load(&self, _: &StateName) -> Result<Option<Kept>, Trouble> {
            Ok(None)
        }

        fn append(&self, _: &StateName, _: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble> {
            self.write("append", wanted)
        }

        fn replace(&self, _: &StateName, _: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble> {
            self.write("replace", wanted)
        }

        fn sync(&self, _: &StateName) -> Result<(), Trouble> {
            Ok(())
        }

        fn close(&self, _: &StateName) -> Result<(), Trouble> {
            self.done.lock().unwrap().push("close");
            Ok(())
        }

        fn discard(&self, _: &StateName) {
            self.done.lock().unwrap().push("discard");
        }

        fn set_aside(&self, _: &StateName) {}
        fn doom(&self, _: StateName) {}
        fn clear(&self, _: &StateName) {}
        fn clean(&self, _: Duration) {}
    }

    fn keeper() -> (Arc<Disk>, Arc<Telemetry>, Keeper) {
        let (disk, telemetry) = (Arc::<Disk>::default(), Arc::<Telemetry>::default());
        telemetry.config_loaded(Foreseen::default());
        let vault = Arc::new(Vault::new(disk.clone(), telemetry.clone()));
        let key = EndpointKey { scheme: Scheme::Http, host: "x".into(), port: 1, path_and_query: "/".into() };
        (disk, telemetry, Keeper::new(vault, StateName::new(&key, Format::Text), Buffers::default()))
    }

    fn scraped(state: Box<EndpointState>) -> Box<EndpointState> {
        let scrape = Scrape {
            plan: Arc::new(Plan::default()),
            limits: Limits::default(),
            now: Duration::ZERO,
            wall_seconds: 0.0,
            client: 0,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        };
        let mut guard = Guard::begin(state, scrape);
        guard.push(b"a_total 1\n").unwrap();
        let (state, result) = guard.finish(BodyEnd::Framed, &mut Vec::new());
        result.unwrap();
        state
    }

    #[tokio::test]
    async fn rule_7_2_a_slow_disk_holds_no_scrape_up_and_is_caught_up_with() {
        let (disk, telemetry, mut keeper) = keeper();
        let mut state = scraped(EndpointState::new(Format::Text, Seed::new(1)));
        assert!(keeper.load().await.is_none());
        keeper.keep(&mut state).await;
        state = scraped(state);
        keeper.keep(&mut state).await;
        assert_eq!(disk.done(), ["replace", "append"]);

        disk.hang(true);
        for _ in 0..2 {
            state = scraped(state);
            keeper.keep(&mut state).await;
            assert_eq!(disk.done(), ["discard"], "rule 7.3: what is behind must not be resumed");
        }
        let row = "cardinality_guard_state_write_errors_total{reason=\"slow\"} 2\n";
        let shown = telemetry.expose(Exposition::Text, &[]);
        assert!(shown.contains(row), "{shown}");

        disk.hang(false);
        state = scraped(state);
        keeper.keep(&mut state).await;
        assert_eq!(disk.done(), ["too late", "replace"], "everything, for a change would miss two scrapes");
        state = scraped(state);
        keeper.keep(&mut state).await;
        keeper.close(Some(&mut state)).await;
        assert_eq!(disk.done(), ["append", "close"]);
    }

    #[tokio::test]
    async fn a_scrape_that_is_given_up_while_it_writes_is_written_all_the_same() {
        let (disk, _, mut keeper) = keeper();
        let mut state = scraped(EndpointState::new(Format::Text, Seed::new(1)));
        keeper.keep(&mut state).await;
        disk.hang(true);
        state = scraped(state);
        tokio::select! {
            biased;
            () = keeper.keep(&mut state) => panic!("it cannot be done yet"),
            () = tokio::task::yield_now() => {}
        }
        disk.hang(false);
        state = scraped(state);
        keeper.keep(&mut state).await;
        assert_eq!(disk.done(), ["replace", "append", "append"]);
    }
}
