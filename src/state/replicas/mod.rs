//! Several guards, one truth: the memory of endpoints in a store that all of them ask.
//!
//! A scrape **claims** its endpoint before it asks the exporter, so that no two guards fetch and
//! commit across each other (rule 0.4). It **reads** what others have committed since it last looked,
//! which is mostly a few changes, and takes them up in the memory it has. It **commits** what it
//! changed, all or nothing, only on top of the very edition it read and only while the claim is its
//! own; nothing that depends on it leaves before the store has said yes (rule 7.2).
//!
//! **A store that cannot be asked costs the folded counters, never their truth.** No guard can know
//! whether it was the last to commit, so none may show a sum (rule 7.3): they are left out of the
//! answer until the store is back, and everything else leaves as ever. A store that has lost what it
//! was told starts folded counters at 0, which is a clean reset (rule 7.1); that it has not is for the
//! guards to say, who know what they have shown ([`witness`]).

mod asides;
mod claim;
mod edition;
mod entry;
mod link;
mod lore;
mod open;
mod scripts;
mod target;
mod values;
mod witness;
mod words;

pub use asides::Shelf;
pub(super) use asides::{Asides, Cleared, Replayed};
pub use claim::{Claim, Claiming};
pub(super) use entry::{Entry, Keeping};
pub use open::Address;
pub use target::{Newcomers, Settled, View};

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;

use crate::telemetry::Telemetry;

use super::EndpointKey;
use super::store::Trouble;
use link::Link;
use values::Met;
use witness::Witness;

/// The store that this guard shares with others.
#[derive(Debug)]
pub struct Replicas {
    link: Link,
    telemetry: Arc<Telemetry>,
    /// How long the store keeps what nobody asks for.
    ttl: Duration,
    /// Tells guards apart.
    guard: u64,
    claims: AtomicU64,
    witness: Witness,
    shelf: Shelf,
    /// Of each target.
    met: DashMap<String, Arc<Met>>,
}

impl Replicas {
    /// Nothing is asked of the store before the first scrape.
    pub fn new(address: Address, ttl: Duration, telemetry: Arc<Telemetry>) -> Arc<Replicas> {
        let link = Link::new(address, telemetry.clone());
        // As random as the seeds of the standard library's maps.
        let guard = RandomState::new().build_hasher().finish();
        let (claims, witness, shelf, met) = (AtomicU64::new(0), Witness::default(), Shelf::default(), DashMap::new());
        Arc::new(Replicas { link, telemetry, ttl, guard, claims, witness, shelf, met })
    }

    /// Waits until no other guard scrapes this endpoint.
    pub async fn claim(self: &Arc<Self>, endpoint: &EndpointKey) -> Claiming {
        let number = self.claims.fetch_add(1, Ordering::Relaxed);
        Claim::take(self.clone(), endpoint, format!("{:016x}-{number}", self.guard)).await
    }

    /// Finds out whether the store can be asked, before anybody waits for it, and from then on bears
    /// witness of what it has kept.
    pub async fn begin(self: &Arc<Self>) {
        self.link.look().await;
        witness::begin(self);
    }

    /// Where bodies lie that could not be told.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The guard ends: nobody has to wait for what it knows.
    pub async fn leave(&self) {
        witness::leave(self).await;
    }

    /// The values that have not been told yet.
    fn met(&self, target: &str) -> Arc<Met> {
        self.met.entry(target.to_owned()).or_default().clone()
    }

    fn not_written(&self, trouble: &Trouble, what: &str) {
        self.telemetry.state_not_shared(trouble.reason(), what, &trouble.to_string());
    }

    fn not_resumed(&self, trouble: &Trouble, what: &str) {
        self.telemetry.state_not_resumed(trouble.reason(), what, &trouble.to_string());
    }
}
