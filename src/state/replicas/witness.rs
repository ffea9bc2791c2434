//! Whether the store still has what it was told.
//!
//! A store that was started again may have lost its last seconds, and one that took another's place
//! may never have had them. Going on from what it has would then show less than was shown (rule 7.3).
//! Only those who have shown something know: every guard that is there holds what it has shown
//! against a store it does not know, removes what is behind, and vouches for the rest. Until all
//! have, folded counters are withheld; where one does not, because it died together with the store,
//! they start at 0.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use tokio::task::JoinSet;

use super::Replicas;
use super::edition::Edition;
use super::scripts;
use crate::state::store::Trouble;

/// What this guard knows of the store's past.
#[derive(Debug, Default)]
pub struct Witness {
    /// The last edition of each state that this guard has shown, by its key.
    shown: DashMap<String, Edition>,
    servers: Mutex<Servers>,
    has_left: AtomicBool,
}

#[derive(Debug, Default)]
struct Servers {
    vouched: HashSet<String>,
    /// Asked about, and since when.
    doubted: Vec<(String, Instant)>,
    /// Servers, and what of all that was shown has not been held against them.
    left: Option<(Vec<String>, Vec<Shown>)>,
}

/// The key of a state, and the edition of which something was shown.
type Shown = (String, Edition);

/// Whether a server has everything that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Given,
    /// Not all have been heard.
    Awaited,
    /// Somebody does not answer who may have known better.
    Missing,
}

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Who had given none for so long before the last one of all, when the server began, is not waited
/// for.
const ALIVE: Duration = Duration::from_secs(5);
/// Who has not been heard of yet gets so long to say that he is there.
const HEARING: Duration = Duration::from_millis(1500);
/// When nobody is waited for any more.
const VERDICT: Duration = Duration::from_secs(10);
/// Calls under way together.
const AT_ONCE: usize = 128;
/// Servers remembered.
const MOST_SERVERS: usize = 100;

const SEEN: &str = "cardinality-guard:{guards}:seen";
const ASKED: &str = "cardinality-guard:{guards}:asked";
const UNTIL: &str = "cardinality-guard:{guards}:until";

impl Witness {
    /// This edition has been shown.
    pub fn shown(&self, key: &str, edition: &Edition) {
        match self.shown.get_mut(key) {
            Some(mut known) => known.clone_from(edition),
            None => drop(self.shown.insert(key.to_owned(), edition.clone())),
        }
    }

    pub fn forget(&self, key: &str) {
        self.shown.remove(key);
    }

    /// What is still to be held against these servers.
    fn left_for(&self, servers: &[String]) -> Vec<Shown> {
        match self.servers().left.take() {
            Some((before, left)) if before == servers => left,
            _ => self.shown.iter().map(|known| (known.key().clone(), known.value().clone())).collect(),
        }
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when this server has been in doubt.
    fn doubt(&self, server: &str) -> Instant {
        let mut servers = self.servers();
        if let Some((_, since)) = servers.doubted.iter().find(|(known, _)| known == server) {
            return *since;
        }
        let now = Instant::now();
        if servers.doubted.len() >= MOST_SERVERS {
            servers.doubted.remove(0);
        }
        servers.doubted.push((server.to_owned(), now));
        now
    }
}

impl Replicas {
    /// Whether every guard has vouched for the server.
    pub(super) async fn prove(&self, server: &str) -> Proof {
        let doubted_for = self.witness.doubt(server).elapsed();
        let mut asking = scripts::PROVE.key(SEEN);
        asking.key(ASKED).key(UNTIL).key(vouched(server)).arg(server).arg(ALIVE.as_millis() as u64);
        match self.link.ask::<i64>(&asking).await {
            Ok(1) if doubted_for >= HEARING => Proof::Given,
            Ok(0) if doubted_for >= VERDICT => Proof::Missing,
            _ => Proof::Awaited,
        }
    }

    /// Says that this guard is there, and what it knows of servers that it does not know.
    async fn bear_witness(self: &Arc<Self>) -> Result<(), Trouble> {
        let mut asking = scripts::BEAT.key(SEEN);
        asking.key(ASKED).key(UNTIL).arg(self.guard);
        let servers: Vec<String> = self.link.ask(&asking).await?;
        let is_new = |server: &String| !self.witness.servers().vouched.contains(server);
        let unknown: Vec<String> = servers.into_iter().filter(is_new).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.attest(&unknown).await?;
        for server in unknown {
            let mut vouching = scripts::VOUCH.key(vouched(&server));
            vouching.arg(self.guard);
            let _: i64 = self.link.ask(&vouching).await?;
            let mut servers = self.witness.servers();
            if servers.vouched.len() >= MOST_SERVERS {
                servers.vouched.clear();
            }
            servers.vouched.insert(server);
        }
        Ok(())
    }

    /// Holds what was shown against these servers, many calls at a time. Whoever is cut short goes on
    /// from there.
    async fn attest(self: &Arc<Self>, servers: &[String]) -> Result<(), Trouble> {
        let mut left = self.witness.left_for(servers);
        while !left.is_empty() {
            let some = left.split_off(left.len().saturating_sub(AT_ONCE));
            let mut calls = JoinSet::new();
            for (key, edition) in some.clone() {
                let replicas = self.clone();
                calls.spawn(async move { replicas.attest_one(&key, &edition).await });
            }
            let mut answered = Ok(());
            while let Some(answer) = calls.join_next().await {
                answered = answered.and(answer.unwrap_or(Err(Trouble::Away)));
            }
            if answered.is_err() {
                left.extend(some);
                self.witness.servers().left = Some((servers.to_vec(), left));
                return answered;
            }
        }
        Ok(())
    }

    async fn attest_one(&self, key: &str, edition: &Edition) -> Result<(), Trouble> {
        let mut attesting = scripts::ATTEST.key(key);
        attesting.arg(&edition.life).arg(edition.version);
        self.link.ask::<i64>(&attesting).await.map(drop)
    }
}

/// From now on, for as long as anybody needs the store.
pub fn begin(replicas: &Arc<Replicas>) {
    let replicas = Arc::downgrade(replicas);
    tokio::spawn(async move { while beat(&replicas).await.is_some() {} });
}

async fn beat(replicas: &Weak<Replicas>) -> Option<()> {
    let replicas = replicas.upgrade().filter(|replicas| !replicas.witness.has_left.load(Ordering::Acquire))?;
    // What could not be said now is said with the next one.
    let _ = replicas.bear_witness().await;
    let _ = tokio::time::timeout(BEAT, replicas.link.back()).await;
    Some(())
}

/// This guard need not be waited for.
pub async fn leave(replicas: &Replicas) {
    replicas.witness.has_left.store(true, Ordering::Release);
    let mut leaving = scripts::LEAVE.key(SEEN);
    leaving.arg(replicas.guard);
    let _ = replicas.link.ask::<i64>(&leaving).await;
}

/// The guards that have vouched for a server.
fn vouched(server: &str) -> String {
    format!("cardinality-guard:{{guards}}:vouched:{server}")
}
