//! One state of one endpoint that several guards have: what this one knows of it, and how it stays
//! in step with the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::guard::{Acquaintance, EndpointState, Extent};
use crate::engine::model::Format;
use crate::state::store::{StateName, Then, Trouble, VERSION};

use super::Replicas;
use super::claim::{Claim, Commit};
use super::edition::{Edition, From, Reading};
use super::witness::Proof;

#[derive(Debug)]
pub struct Entry {
    replicas: Arc<Replicas>,
    name: StateName,
    format: Format,
    /// The edition that the memory at hand is, when it is one.
    here: Option<Edition>,
    /// The edition on top of which a scrape was committed in memory, until the store has been told.
    moved: Option<Edition>,
    /// What the store was found to have, on top of which a commit may come.
    found: Edition,
    server: String,
    then: Then,
    acquaintance: Acquaintance,
    committed_at: Duration,
    /// Who had to go for want of memory, until others have been told.
    shed: Option<Shed>,
    /// Where the store has it, once it was asked.
    key: Option<String>,
}

/// Members that were absent for so long.
#[derive(Clone, Copy, Debug)]
struct Shed {
    absent_seconds: u32,
    members_limit: usize,
}

/// What became of a committed scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It may be shown.
    Kept,
    /// Nobody knows how far the counters have come: they must not be shown.
    Withheld,
}

/// Older commits are not gone on from (rule 7.4).
const STALE: Duration = Duration::from_secs(3600);
/// Milliseconds by which the clocks of a store and the one that took its place may differ.
const SKEW: i64 = 1000;

/// What is at hand after a reading.
enum Fit {
    /// The memory is the store's.
    InStep(Option<Box<EndpointState>>),
    /// What the store has is no state, or must not be gone on from.
    Bad(Box<Reading>, Trouble),
    /// The memory at hand does not go with what was read: everything has to be.
    Misfit(Option<Box<EndpointState>>),
}

impl Entry {
    pub fn new(replicas: Arc<Replicas>, name: StateName, format: Format) -> Entry {
        Entry {
            replicas,
            name,
            format,
            here: None,
            moved: None,
            found: Edition::default(),
            server: String::new(),
            then: Then::Replace,
            acquaintance: Acquaintance::Stranger,
            committed_at: Duration::ZERO,
            shed: None,
            key: None,
        }
    }

    /// Brings the memory up to what the guards share, before a scrape. Without a claim it stays as it
    /// is, and from then on goes its own way until it is read anew.
    pub async fn load(
        &mut self,
        claim: Option<&Claim>,
        state: Option<Box<EndpointState>>,
        now: Duration,
    ) -> Option<Box<EndpointState>> {
        self.moved = None;
        if state.is_none() {
            // Whatever was read of it is gone.
            self.acquaintance = Acquaintance::Stranger;
        }
        let Some(claim) = claim else {
            self.here = None;
            return state;
        };
        let known = self.here.take().filter(|_| state.is_some()).unwrap_or_default();
        let began = Instant::now();
        let reading = match claim.read(self.format, &known).await {
            Ok(reading) => reading,
            Err(trouble) => {
                self.replicas.not_written(&trouble, self.name.as_str());
                return state;
            }
        };
        self.key.get_or_insert_with(|| claim.key(self.format));
        let proof = match reading.is_other_server() {
            true => self.replicas.prove(&reading.server).await,
            false => Proof::Given,
        };
        match proof {
            Proof::Given => {}
            Proof::Awaited => {
                self.replicas.not_written(&Trouble::Awaited, self.name.as_str());
                return state;
            }
            Proof::Missing => return self.refuse(reading, &Trouble::Behind),
        }
        // Rather too late than too early: what is older than the last commit must look so.
        let now = now + began.elapsed();
        match self.fit(reading, &known, state, now) {
            Fit::InStep(state) => state,
            Fit::Bad(reading, trouble) => self.refuse(*reading, &trouble),
            Fit::Misfit(old) => self.load_whole(claim, old, now).await,
        }
    }

    /// When the last commit was, on the clock of this process.
    pub fn committed_at(&self) -> Duration {
        self.committed_at
    }

    pub fn acquaintance(&self) -> Acquaintance {
        self.acquaintance
    }

    /// Whether what comes of a scrape can be committed.
    pub fn is_in_step(&self) -> bool {
        self.here.is_some()
    }

    /// Members that had been absent for so long are not in the memory any more, nor are they to come back
    /// with the next reading.
    pub fn sheds(&mut self, absent_seconds: u32, members_limit: usize) {
        self.shed = Some(Shed { absent_seconds, members_limit });
    }

    /// What was seen is read into the memory, or a scrape was committed there: whatever becomes of the
    /// one who waits for the store, the memory is no edition any more before the store has said so.
    pub fn moves(&mut self) {
        if let Some(here) = self.here.take() {
            self.moved = Some(here);
        }
    }

    /// Writes what the scrape just committed has changed.
    pub async fn keep(&mut self, claim: Option<Claim>, state: &mut EndpointState) -> Keeping {
        let (Some(mut claim), Some(here)) = (claim, self.moved.take()) else {
            return Keeping::Withheld;
        };
        let mut piece = Vec::new();
        let extent = match self.then {
            Then::Append => state.changes(&mut piece),
            Then::Replace => {
                state.snapshot(&mut piece);
                Extent::Whole
            }
        };
        let life = here.life;
        let (format, read, server) = (self.format, &self.found, &*self.server);
        match claim.commit(Commit { format, read, life: &life, extent, piece: &piece, server }).await {
            Ok(then) => {
                self.then = then;
                self.found = Edition { life, version: self.found.version + 1 };
                self.here = Some(self.found.clone());
                if let Some(key) = &self.key {
                    self.replicas.witness.shown(key, &self.found);
                }
                self.acquaintance = Acquaintance::Known;
                self.shed = None;
                Keeping::Kept
            }
            Err(trouble) => {
                self.replicas.not_written(&trouble, self.name.as_str());
                Keeping::Withheld
            }
        }
    }

    /// `old`: the memory at hand.
    async fn load_whole(
        &mut self,
        claim: &Claim,
        old: Option<Box<EndpointState>>,
        now: Duration,
    ) -> Option<Box<EndpointState>> {
        let nothing = Edition::default();
        let Ok(reading) = claim.read(self.format, &nothing).await else { return old };
        match self.fit(reading, &nothing, old, now) {
            Fit::InStep(state) => state,
            Fit::Bad(reading, trouble) => self.refuse(*reading, &trouble),
            Fit::Misfit(_) => None,
        }
    }

    /// Takes up what was read.
    fn fit(&mut self, reading: Reading, known: &Edition, state: Option<Box<EndpointState>>, now: Duration) -> Fit {
        self.found = reading.edition.clone();
        self.server.clone_from(&reading.server);
        if reading.edition.is_none() {
            // Nobody has begun, or the store has lost it all: what was shown here may not have been
            // the last that was shown.
            self.begin_anew(reading.now);
            return Fit::InStep(None);
        }
        if let Err(trouble) = judge(&reading, known) {
            return Fit::Bad(Box::new(reading), trouble);
        }
        let ago = Duration::from_millis(reading.since_commit.max(0) as u64);
        let pieces = reading.pieces.iter().map(Vec::as_slice);
        let mut state = match (reading.from, state) {
            (From::Known, Some(state)) if reading.pieces.is_empty() => state,
            // Members that were moved here are where nobody else has them.
            (From::Known, Some(state)) if !state.is_in_place() => return Fit::Misfit(Some(state)),
            (From::Known, Some(mut state)) => match state.catch_up(pieces) {
                Ok(()) => state,
                Err(_) => return Fit::Misfit(None),
            },
            (From::Known, None) => return Fit::Misfit(None),
            (From::Whole, old) => match EndpointState::restore(pieces) {
                Ok(mut state) => {
                    self.then = Then::Append;
                    if let Some(old) = old {
                        state.inherit(old);
                    }
                    if let Some(shed) = self.shed {
                        state.forget_absent(shed.absent_seconds, shed.members_limit);
                    }
                    state
                }
                Err(_) => return Fit::Bad(Box::new(reading), Trouble::Unreadable),
            },
        };
        state.last_scraped(ago, now);
        self.committed_at = now.saturating_sub(ago);
        self.here = Some(reading.edition);
        self.acquaintance = Acquaintance::Known;
        Fit::InStep(Some(state))
    }

    /// What was read is not gone on from.
    fn refuse(&mut self, reading: Reading, trouble: &Trouble) -> Option<Box<EndpointState>> {
        self.replicas.not_resumed(trouble, self.name.as_str());
        (self.found, self.server) = (reading.edition, reading.server);
        self.begin_anew(reading.now);
        None
    }

    /// The next commit begins another life, later than all that were.
    fn begin_anew(&mut self, now: u64) {
        let life = format!("{now:013x}-{:016x}", self.replicas.guard);
        self.here = Some(Edition { life, version: self.found.version });
        self.acquaintance = Acquaintance::Stranger;
        self.then = Then::Replace;
    }
}

impl Drop for Entry {
    /// What nobody asks for here is not asked about either.
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.replicas.witness.forget(key);
        }
    }
}

/// Whether what was read may be gone on from.
fn judge(reading: &Reading, known: &Edition) -> Result<(), Trouble> {
    if reading.form != VERSION {
        return Err(Trouble::Version);
    }
    if !reading.is_complete() {
        return Err(Trouble::Unreadable);
    }
    if reading.edition < *known {
        return Err(Trouble::Behind);
    }
    if reading.since_commit > STALE.as_millis() as i64 {
        return Err(Trouble::Stale);
    }
    if reading.since_commit < -SKEW {
        return Err(Trouble::Future);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Seed;
    use crate::settings::{Scheme, StorageUrl, StoreTls};
    use crate::state::EndpointKey;
    use crate::state::replicas::Address;

    #[tokio::test]
    async fn rule_0_11_a_memory_that_is_lost_knows_no_folds_any_more() {
        // Nobody is asked.
        let address = Address { url: StorageUrl::parse("redis://127.0.0.1:1").unwrap(), tls: StoreTls::default() };
        let replicas = Replicas::new(address, Duration::ZERO, Arc::default());
        let (scheme, path_and_query) = (Scheme::Http, "/".to_owned());
        let endpoint = EndpointKey { scheme, host: "a".into(), port: 1, path_and_query };
        let name = StateName::new(&endpoint, Format::Text);
        let mut entry = Entry::new(replicas, name, Format::Text);
        let state = EndpointState::new(Format::Text, Seed::new(1));
        entry.acquaintance = Acquaintance::Known;
        assert!(entry.load(None, Some(state), Duration::ZERO).await.is_some());
        assert_eq!(entry.acquaintance(), Acquaintance::Known, "it is at hand");
        assert!(entry.load(None, None, Duration::ZERO).await.is_none());
        assert_eq!(entry.acquaintance(), Acquaintance::Stranger);
    }
}
