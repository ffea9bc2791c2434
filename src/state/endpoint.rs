//! One endpoint: its memory behind a lock, lent to one scrape at a time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::engine::guard::{
    Absences, BodyEnd, EndpointState, Guard, Jumps, Leaves, Look, Report, Scrape, ScrapeError, Wanted, Withheld,
};
use crate::engine::model::{Format, Seed};

use crate::telemetry::LiveEndpoint;

use super::EndpointKey;
use super::buffers::Buffers;
use super::connection::{Connection, ConnectionUse, Origin};
use super::gauges::{Gauges, Held, Witness};
use super::keeper::{Keeper, Vault};
use super::looks::Looks;
use super::replicas::{Asides, Claim, Claiming, Cleared, Entry, Keeping, Replayed, Replicas};
use super::store::StateName;

/// Bytes that an endpoint takes beside what its states count: its entry, names, gauges, files and connection. With many
/// small endpoints this was a fifth of what the process grew by.
const AROUND: usize = 12 << 10;

/// What is remembered about one endpoint. The lock is fair: who asks first is served first.
#[derive(Debug, Default)]
pub struct Endpoint {
    slot: Arc<Mutex<Slot>>,
    asked_millis: AtomicU64,
    gauges: Arc<Gauges>,
}

/// The right to scrape an endpoint: holds its lock from fetch to commit.
///
/// While a scrape is under way the state is with its [`Guard`]; it comes back on every way out. A
/// scrape that is dropped half way is aborted, and a panic discards the state: nobody knows what
/// it holds, and starting afresh is a clean reset.
pub struct Lease {
    slot: OwnedMutexGuard<Slot>,
    at_work: Option<Guard>,
    /// What was committed and is not kept yet.
    committed: Option<Format>,
    /// One in many bodies is looked at more closely.
    look: Option<(Look, Duration)>,
    /// The right to scrape it of all guards, where several share their state.
    claim: Option<Claim>,
    /// When its turn had come.
    asked: Instant,
    gauges: Arc<Gauges>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Where several guards share their state, and under which name.
    shared: Option<(Arc<Replicas>, EndpointKey)>,
    text: Memory,
    openmetrics: Memory,
    connection: Option<Connection>,
    buffers: Buffers,
    looks: Looks,
}

/// What is remembered in one format.
#[derive(Debug, Default)]
struct Memory {
    state: Option<Box<EndpointState>>,
    kept: Kept,
    /// What other guards have not been told.
    asides: Asides,
}

/// What outlives the process.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Alone(Keeper),
    Shared(Entry),
}

/// Whether a committed scrape may be shown whole.
#[derive(Debug)]
pub enum Showing {
    Everything,
    /// The store that the guards share was not told: these lines must stay out.
    Without(Withheld),
}

impl Endpoint {
    /// An endpoint that is forgotten with the process; its bytes count among those `held`.
    pub(super) fn new(held: &Held, buffers: &Buffers) -> Endpoint {
        let slot = Slot { buffers: buffers.clone(), ..Slot::default() };
        Endpoint::holding(slot, held)
    }

    fn holding(slot: Slot, held: &Held) -> Endpoint {
        let gauges = Arc::new(Gauges::new(held.clone()));
        Endpoint { slot: Arc::new(Mutex::new(slot)), gauges, ..Endpoint::default() }
    }

    /// An endpoint whose memory outlives the process.
    pub(super) fn kept(vault: &Arc<Vault>, key: &EndpointKey, held: &Held, buffers: &Buffers) -> Endpoint {
        let memory = |format| {
            let keeper = Keeper::new(vault.clone(), StateName::new(key, format));
            Memory { kept: Kept::Alone(keeper), ..Memory::default() }
        };
        let (text, openmetrics) = (memory(Format::Text), memory(Format::OpenMetrics));
        Endpoint::holding(Slot { text, openmetrics, buffers: buffers.clone(), ..Slot::default() }, held)
    }

    /// An endpoint that any of several guards may scrape.
    pub(super) fn shared(replicas: &Arc<Replicas>, key: &EndpointKey, held: &Held, buffers: &Buffers) -> Endpoint {
        let shelf = replicas.shelf();
        let memory = |format| {
            let entry = Entry::new(replicas.clone(), StateName::new(key, format), format);
            Memory { kept: Kept::Shared(entry), asides: Asides::on(shelf), state: None }
        };
        let (text, openmetrics) = (memory(Format::Text), memory(Format::OpenMetrics));
        let shared = Some((replicas.clone(), key.clone()));
        Endpoint::holding(Slot { shared, text, openmetrics, buffers: buffers.clone(), ..Slot::default() }, held)
    }

    /// Waits for its turn.
    pub async fn lease(&self) -> Lease {
        Lease::new(self.slot.clone().lock_owned().await, &self.gauges)
    }

    /// `None` when another scrape is under way or waits.
    pub fn try_lease(&self) -> Option<Lease> {
        let slot = self.slot.clone().try_lock_owned().ok()?;
        Some(Lease::new(slot, &self.gauges))
    }

    /// Which entry of `targets:` its gauges are counted under.
    pub fn belongs_to(&self, target: &str) {
        self.gauges.belongs_to(target);
    }

    /// Whom to tell how a scrape ended.
    pub fn witness(&self) -> Witness {
        Witness(self.gauges.clone())
    }

    /// As of its last good scrape.
    pub fn live(&self) -> LiveEndpoint {
        self.gauges.read()
    }

    /// Whether a scrape holds it or waits for it.
    pub(super) fn is_leased(&self) -> bool {
        Arc::strong_count(&self.slot) > 1
    }

    /// When it was last asked for.
    pub fn asked(&self) -> Duration {
        Duration::from_millis(self.asked_millis.load(Ordering::Relaxed))
    }

    pub(super) fn ask(&self, now: Duration) {
        self.asked_millis.fetch_max(now.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Lease {
    fn new(slot: OwnedMutexGuard<Slot>, gauges: &Arc<Gauges>) -> Lease {
        let (at_work, committed, look, claim) = (None, None, None, None);
        Lease { slot, at_work, committed, look, claim, asked: Instant::now(), gauges: gauges.clone() }
    }

    /// Whether other guards may scrape it, too.
    pub fn is_shared(&self) -> bool {
        self.slot.shared.is_some()
    }

    /// Waits for the scrapes of other guards, where several share their state, before the exporter
    /// is asked. Where nobody can be asked for the turn the scrape goes on without.
    pub async fn claim(&mut self) {
        if let Some((replicas, key)) = &self.slot.shared
            && let Claiming::Claimed(claim) = Box::pin(replicas.claim(key)).await
        {
            self.claim = Some(claim);
        }
        self.asked = Instant::now();
    }

    /// Reads what the store kept, the first time; what other guards have committed, each time.
    /// Before [`Lease::begin`]; whoever stops waiting may come again.
    pub async fn load(&mut self, format: Format, now: Duration) {
        let memory = self.slot.memory(format);
        match &mut memory.kept {
            Kept::Nothing => {}
            Kept::Alone(keeper) => {
                if memory.state.is_none() {
                    memory.state = keeper.load().await;
                }
            }
            Kept::Shared(entry) => {
                memory.state = Box::pin(entry.load(self.claim.as_ref(), memory.state.take(), now)).await;
            }
        }
    }

    /// Whether it is known already that a commit will not be told to other guards.
    pub fn is_cut_off(&mut self, format: Format) -> bool {
        matches!(&self.slot.memory(format).kept, Kept::Shared(entry) if !entry.is_in_step())
    }

    /// Hands what was committed to the store, before its last byte leaves. Says what may be shown.
    /// Whoever stops waiting goes on with [`Lease::withhold`].
    pub async fn keep(&mut self) -> Showing {
        let Some(format) = self.committed else { return Showing::Everything };
        let memory = self.slot.memory(format);
        let Some(state) = &mut memory.state else { return Showing::Everything };
        let keeping = match &mut memory.kept {
            Kept::Nothing => Keeping::Kept,
            Kept::Alone(keeper) => {
                keeper.keep(state).await;
                Keeping::Kept
            }
            Kept::Shared(entry) => Box::pin(entry.keep(self.claim.take(), state)).await,
        };
        match keeping {
            Keeping::Kept => {
                if memory.asides.clear() == Cleared::Some {
                    self.gauges.takes(self.slot.memory_bytes());
                }
                Showing::Everything
            }
            Keeping::Withheld => self.withhold(),
        }
    }

    /// Nobody knows whether the store was told what was committed.
    pub fn withhold(&mut self) -> Showing {
        let Some(format) = self.committed else { return Showing::Everything };
        let memory = self.slot.memory(format);
        let (Some(state), Kept::Shared(entry)) = (&memory.state, &memory.kept) else { return Showing::Everything };
        memory.asides.keep();
        let withheld = state.withheld(entry.acquaintance());
        self.gauges.takes(self.slot.memory_bytes());
        Showing::Without(withheld)
    }

    /// The process ends: what is kept is whole and final.
    pub(super) async fn close(&mut self) {
        self.abort();
        for format in [Format::Text, Format::OpenMetrics] {
            let memory = self.slot.memory(format);
            if let Kept::Alone(keeper) = &mut memory.kept {
                keeper.close(memory.state.as_deref_mut()).await;
            }
        }
    }

    /// Hands the state to a guard, which [`Lease::push`], [`Lease::drain`] and [`Lease::finish`]
    /// then drive.
    pub fn begin(&mut self, format: Format, scrape: Scrape) {
        self.abort();
        let memory = self.slot.memory(format);
        let mut state = memory.state.take();
        if let Kept::Shared(entry) = &mut memory.kept {
            // A little earlier than it was, if anything.
            memory.asides.begin(&scrape, scrape.now.saturating_sub(self.asked.elapsed()));
            if entry.is_in_step()
                && let Some(read) = state.take()
            {
                let (read, replayed) = memory.asides.replay(read, entry.committed_at(), &scrape);
                state = Some(read);
                if replayed == Replayed::Some {
                    entry.moves();
                }
            }
        }
        let mut state = state.unwrap_or_else(|| EndpointState::new(format, Seed::new(random())));
        state.lend(self.slot.buffers.lend());
        self.look = self.slot.looks.begin(format, scrape.now, random).map(|look| (look, scrape.now));
        self.at_work = Some(Guard::begin(state, scrape));
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ScrapeError> {
        if let Some((look, _)) = &mut self.look {
            look.push(bytes);
        }
        let Some(guard) = &mut self.at_work else { return Ok(()) };
        self.slot.memory(guard.format()).asides.note(bytes);
        guard.push(bytes)
    }

    /// Where the next bytes may be put without a copy, and [`Lease::pushed`] told so. `None` before
    /// [`Lease::begin`].
    pub fn tail(&mut self) -> Option<&mut Vec<u8>> {
        self.at_work.as_mut().map(Guard::tail)
    }

    /// Right after [`Lease::begin`]: the body can be pushed once more, see [`Guard::body_is_elsewhere`].
    /// Where several guards share a state nothing is begun twice: it reads what others have seen.
    pub fn body_is_elsewhere(&mut self) {
        if !self.is_shared() {
            self.at_work.iter_mut().for_each(Guard::body_is_elsewhere);
        }
    }

    /// Whether bytes of the body may have been let go.
    pub fn is_body_elsewhere(&self) -> bool {
        self.at_work.as_ref().is_some_and(Guard::is_body_elsewhere)
    }

    /// From now on no more output than this is held back.
    pub fn hold_at_most(&mut self, bytes: u64) {
        self.at_work.iter_mut().for_each(|guard| guard.hold_at_most(bytes));
    }

    pub fn pushed(&mut self, bytes: usize) -> Result<(), ScrapeError> {
        let Some(guard) = &mut self.at_work else { return Ok(()) };
        let (format, tail) = (guard.format(), guard.tail());
        let new = &tail[tail.len().saturating_sub(bytes)..];
        if let Some((look, _)) = &mut self.look {
            look.push(new);
        }
        self.slot.memory(format).asides.note(new);
        guard.pushed(bytes)
    }

    pub fn drain(&mut self, out: &mut Vec<u8>) {
        if let Some(guard) = &mut self.at_work {
            guard.drain(out);
        }
    }

    /// Ends the scrape well: commits, all or nothing. `None` when none was begun.
    pub fn finish(
        &mut self,
        end: BodyEnd,
        wanted: Wanted,
        out: &mut Vec<u8>,
    ) -> Option<Result<(Report, Leaves), ScrapeError>> {
        let (state, result) = self.at_work.take()?.finish_as(end, wanted, out);
        if let Ok((report, _)) = &result {
            self.gauges.committed(report);
            self.committed = Some(state.format());
            if let Kept::Shared(entry) = &mut self.slot.memory(state.format()).kept {
                entry.moves();
            }
            self.look_closely();
        }
        self.slot.put(state);
        self.gauges.takes(self.slot.memory_bytes());
        Some(result)
    }

    fn look_closely(&mut self) {
        if let Some((look, now)) = self.look.take()
            && let Some(diagnosis) = self.slot.looks.end(look, now)
        {
            self.gauges.looked(diagnosis);
        }
    }

    /// Which format this endpoint was seen to speak.
    pub fn known_format(&self) -> Option<Format> {
        match (&self.slot.text.state, &self.slot.openmetrics.state) {
            (_, Some(_)) => Some(Format::OpenMetrics),
            (Some(_), None) => Some(Format::Text),
            (None, None) => None,
        }
    }

    /// What would jump if the guard were taken away, `limit` at most.
    pub fn jumps(&self, limit: usize) -> Jumps {
        let mut jumps = Jumps::default();
        for state in self.slot.states() {
            let more = state.jumps(limit - jumps.first.len());
            jumps.first.extend(more.first);
            jumps.all += more.all;
        }
        jumps
    }

    /// Adds the members that were not in the last scrape.
    pub(super) fn absences(&self, all: &mut Absences) {
        self.slot.states().for_each(|state| state.absences(all));
    }

    /// Memory is short everywhere: forgets members that have been absent for so long; says how many.
    pub(super) fn forget_absent(&mut self, seconds: u32, members_limit: usize) -> u64 {
        let slot = &mut *self.slot;
        let forget = |memory: &mut Memory| {
            let gone = memory.state.as_mut().map_or(0, |state| state.forget_absent(seconds, members_limit));
            if let Kept::Shared(entry) = &mut memory.kept
                && gone > 0
            {
                entry.sheds(seconds, members_limit);
            }
            gone
        };
        let gone = forget(&mut slot.text) + forget(&mut slot.openmetrics);
        self.gauges.lost(gone);
        self.gauges.takes(self.slot.memory_bytes());
        gone
    }

    /// The connection of the scrape before, if it may still be used.
    pub fn take_connection(&mut self, origin: &Origin) -> Option<Connection> {
        self.slot.connection.take().and_then(|mut kept| (kept.judge(origin) == ConnectionUse::Fit).then_some(kept))
    }

    pub fn keep_connection(&mut self, connection: Connection) {
        self.slot.connection = Some(connection);
    }

    pub(super) fn close_stale_connection(&mut self) {
        self.slot.connection.take_if(|kept| kept.rest() == ConnectionUse::Stale);
    }

    fn abort(&mut self) {
        self.look = None;
        if let Some(guard) = self.at_work.take() {
            self.slot.put(guard.abort());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.abort();
        }
    }
}

impl Slot {
    fn memory(&mut self, format: Format) -> &mut Memory {
        match format {
            Format::Text => &mut self.text,
            Format::OpenMetrics => &mut self.openmetrics,
        }
    }

    fn states(&self) -> impl Iterator<Item = &EndpointState> {
        [&self.text, &self.openmetrics].into_iter().filter_map(|memory| memory.state.as_deref())
    }

    fn memory_bytes(&self) -> usize {
        let asides = self.text.asides.bytes() + self.openmetrics.asides.bytes();
        AROUND + self.states().map(EndpointState::memory).sum::<usize>() + self.looks.memory() + asides
    }

    fn put(&mut self, mut state: Box<EndpointState>) {
        self.buffers.take_back(state.take_back());
        let format = state.format();
        self.memory(format).state = Some(state);
    }
}

/// The standard library seeds its hash maps from the system's randomness; so do we.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::engine::guard::{Annotate, Limits, Start};
    use crate::engine::policy::Plan;

    fn scrape() -> Scrape {
        Scrape {
            plan: Arc::new(Plan::default()),
            limits: Limits::default(),
            now: Duration::ZERO,
            wall_seconds: 0.0,
            client: 0,
            annotate: Annotate::No,
            start: Start::Baseline,
            commons: None,
        }
    }

    #[test]
    fn the_state_comes_back_on_every_way_out() {
        let endpoint = Endpoint::default();

        let mut lease = endpoint.try_lease().unwrap();
        lease.begin(Format::Text, scrape());
        lease.push(b"a 1\n").unwrap();
        drop(lease);
        assert_eq!(endpoint.try_lease().unwrap().known_format(), Some(Format::Text));

        let mut lease = endpoint.try_lease().unwrap();
        lease.begin(Format::OpenMetrics, scrape());
        lease.push(b"# EOF\n").unwrap();
        lease.finish(BodyEnd::Framed, Wanted::Written, &mut Vec::new()).unwrap().unwrap();
        drop(lease);
        assert_eq!(endpoint.try_lease().unwrap().known_format(), Some(Format::OpenMetrics));
    }

    #[test]
    fn a_panic_discards_the_state_and_frees_the_lock() {
        let endpoint = Endpoint::default();
        let mut lease = endpoint.try_lease().unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            lease.begin(Format::Text, scrape());
            panic!("as if the engine had a bug");
        }));
        assert!(panicked.is_err());
        assert_eq!(endpoint.try_lease().unwrap().known_format(), None);
    }

    #[test]
    fn one_scrape_at_a_time() {
        let endpoint = Endpoint::default();
        let first = endpoint.try_lease();
        assert!(first.is_some() && endpoint.try_lease().is_none());
        drop(first);
        assert!(endpoint.try_lease().is_some());
    }
}
