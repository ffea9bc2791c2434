//! The table of endpoints. A reference into it never lives across an await: whoever wants an
//! endpoint gets an `Arc` of it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use tokio::task::JoinSet;

use crate::engine::model::Format;

use crate::settings::Scheme;
use crate::telemetry::{LiveEndpoint, Telemetry};

use super::Endpoint;
use super::buffers::Buffers;
use super::gauges::Held;
use super::keeper::Vault;
use super::relief::Relief;
use super::replicas::Replicas;
use super::store::{StateName, StateStore};

/// What is really fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointKey {
    pub scheme: Scheme,
    /// Lower case, IPv6 in brackets.
    pub host: String,
    pub port: u16,
    pub path_and_query: String,
}

#[derive(Debug, Default)]
pub struct Endpoints {
    table: DashMap<EndpointKey, Arc<Endpoint>>,
    telemetry: Arc<Telemetry>,
    vault: OnceLock<Arc<Vault>>,
    replicas: OnceLock<Arc<Replicas>>,
    held: Held,
    buffers: Buffers,
    pub(super) relief: Relief,
}

/// Endpoints closed at once at the end.
const CLOSING: usize = 32;

impl Endpoints {
    pub fn new(telemetry: Arc<Telemetry>) -> Endpoints {
        Endpoints { telemetry, ..Endpoints::default() }
    }

    /// What bodies are held in.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// From now on what is remembered is kept here as well. Before the first scrape, and once.
    pub fn keep_in(&self, store: Arc<dyn StateStore>) {
        let _ = self.vault.set(Arc::new(Vault::new(store, self.telemetry.clone())));
    }

    /// From now on any of several guards may scrape any endpoint. Before the first scrape, and once.
    pub fn share_in(&self, replicas: Arc<Replicas>) {
        let _ = self.replicas.set(replicas);
    }

    /// What other guards share with this one.
    pub(super) fn replicas(&self) -> Option<&Arc<Replicas>> {
        self.replicas.get()
    }

    /// Finds out whether what is shared can be asked, before anybody waits for it.
    pub async fn begin_sharing(&self) {
        if let Some(replicas) = self.replicas.get() {
            replicas.begin().await;
        }
    }

    /// The endpoint of this key, made if need be. Beyond `max` (0 = off) the one that was not
    /// asked for the longest goes.
    pub fn ask(&self, key: &EndpointKey, now: Duration, max: usize) -> Arc<Endpoint> {
        if let Some(known) = self.table.get(key) {
            known.ask(now);
            return known.clone();
        }
        let make = || match (self.replicas.get(), self.vault.get()) {
            (Some(replicas), _) => Arc::new(Endpoint::shared(replicas, key, &self.held, &self.buffers)),
            (None, Some(vault)) => Arc::new(Endpoint::kept(vault, key, &self.held, &self.buffers)),
            (None, None) => Arc::new(Endpoint::new(&self.held, &self.buffers)),
        };
        let endpoint = self.table.entry(key.clone()).or_insert_with(make).clone();
        endpoint.ask(now);
        while max != 0 && self.table.len() > max {
            if let Evicted::Nothing = self.evict_one() {
                break;
            }
        }
        endpoint
    }

    /// Forgets what was not asked for during `ttl` (0 = off); says how many.
    pub fn forget_unasked(&self, now: Duration, ttl: Duration) -> usize {
        if ttl.is_zero() {
            return 0;
        }
        let mut gone = Vec::new();
        self.table.retain(|key, endpoint| {
            let stays = in_use(endpoint) || now.saturating_sub(endpoint.asked()) < ttl;
            if !stays {
                self.telemetry.endpoint_forgotten(&endpoint.live().target);
                gone.push(key.clone());
            }
            stays
        });
        gone.iter().for_each(|key| self.forget_kept(key));
        if let Some(vault) = self.vault.get() {
            vault.clean(ttl);
        }
        gone.len()
    }

    /// The process ends and no scrape is under way: what is kept is whole and final.
    pub async fn close(&self) {
        if let Some(replicas) = self.replicas.get() {
            replicas.leave().await;
        }
        if self.vault.get().is_none() {
            return;
        }
        let all: Vec<_> = self.table.iter().map(|entry| entry.value().clone()).collect();
        let mut closing = JoinSet::new();
        for endpoint in all {
            if closing.len() >= CLOSING {
                closing.join_next().await;
            }
            closing.spawn(async move { endpoint.lease().await.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    fn forget_kept(&self, key: &EndpointKey) {
        if let Some(vault) = self.vault.get() {
            for format in [Format::Text, Format::OpenMetrics] {
                vault.forget(StateName::new(key, format));
            }
        }
    }

    /// Every endpoint in memory, for gauges.
    pub fn live(&self) -> Vec<LiveEndpoint> {
        self.table.iter().map(|entry| entry.value().live()).collect()
    }

    /// The endpoints in memory, in the order of their names; those of one target, where one is
    /// named.
    pub fn all_of(&self, target: Option<&str>) -> Vec<(EndpointKey, Arc<Endpoint>)> {
        let is_meant = |endpoint: &Endpoint| target.is_none_or(|target| endpoint.live().target == target);
        let meant = self.table.iter().filter(|entry| is_meant(entry.value()));
        let mut all: Vec<_> = meant.map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        all.sort_by_cached_key(|(key, _)| key.to_string());
        all
    }

    /// Closes connections that have rested too long, where no scrape is under way.
    pub fn close_idle_connections(&self) {
        let all: Vec<_> = self.table.iter().map(|entry| entry.value().clone()).collect();
        all.iter().filter_map(|endpoint| endpoint.try_lease()).for_each(|mut lease| lease.close_stale_connection());
    }

    /// Whether it is in memory.
    pub fn knows(&self, key: &EndpointKey) -> bool {
        self.table.contains_key(key)
    }

    /// Bytes that all of them remember, roughly.
    pub fn memory(&self) -> u64 {
        self.held.bytes()
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn evict_one(&self) -> Evicted {
        let mut longest: Option<(Duration, EndpointKey)> = None;
        for entry in self.table.iter().filter(|entry| !in_use(entry.value())) {
            if longest.as_ref().is_none_or(|(asked, _)| entry.asked() < *asked) {
                longest = Some((entry.asked(), entry.key().clone()));
            }
        }
        let Some((_, key)) = longest else { return Evicted::Nothing };
        match self.table.remove_if(&key, |_, endpoint| !in_use(endpoint)) {
            Some((_, endpoint)) => {
                self.telemetry.endpoint_forgotten(&endpoint.live().target);
                self.forget_kept(&key);
                Evicted::One
            }
            None => Evicted::Nothing,
        }
    }
}

enum Evicted {
    One,
    Nothing,
}

/// Somebody outside the table holds it or scrapes it: forgetting it now would let two scrapes run at once. The
/// answer holds as long as the caller holds the table's lock.
fn in_use(endpoint: &Arc<Endpoint>) -> bool {
    Arc::strong_count(endpoint) > 1 || endpoint.is_leased()
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EndpointKey { scheme, host, port, path_and_query } = self;
        let scheme = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{host}:{port}{path_and_query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> EndpointKey {
        EndpointKey { scheme: Scheme::Http, host: "x".into(), port, path_and_query: "/metrics".into() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn gives_the_same_endpoint_for_the_same_key() {
        let endpoints = Endpoints::default();
        let (a, b) = (endpoints.ask(&key(1), at(0), 0), endpoints.ask(&key(1), at(1), 0));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &endpoints.ask(&key(2), at(2), 0)));
    }

    #[test]
    fn beyond_the_maximum_the_longest_unasked_goes_unless_it_is_in_use() {
        let endpoints = Endpoints::default();
        let held = endpoints.ask(&key(1), at(0), 2);
        endpoints.ask(&key(2), at(1), 2);
        endpoints.ask(&key(3), at(2), 2);
        assert_eq!(endpoints.len(), 2);
        assert!(Arc::ptr_eq(&held, &endpoints.ask(&key(1), at(3), 2)));
        assert!(!endpoints.table.contains_key(&key(2)));
    }

    #[test]
    fn forgets_after_the_ttl_what_nobody_holds() {
        let endpoints = Endpoints::default();
        let held = endpoints.ask(&key(1), at(0), 0);
        endpoints.ask(&key(2), at(0), 0);
        endpoints.ask(&key(3), at(9), 0);
        assert_eq!(endpoints.forget_unasked(at(10), at(5)), 1);
        assert_eq!(endpoints.len(), 2);
        drop(held);
        assert_eq!(endpoints.forget_unasked(at(10), at(0)), 0);
        assert_eq!(endpoints.forget_unasked(at(10), at(5)), 1);
    }
}
