//! What the endpoints of a target share when any of several guards may scrape any of them: how many
//! series all have together, and which labels were found to explode.
//!
//! Each scrape gets a view of its own, made before it begins: what the other endpoints have, as the
//! store has it, and what every guard has learned. Others are scraped at the same time and see the
//! same room, so before anything is shown the endpoint's part is put in its place in the store, which
//! refuses what would be too much for all of them; the scrape is then done again, with less room.
//! A store that cannot be asked leaves the guard with what it knows itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::cardinality::Share;
use crate::engine::guard::{Commons, Learned, Release};
use crate::state::EndpointKey;
use crate::state::commons::TargetCommons;

use super::Replicas;
use super::lore::{Counted, Keys};
use super::scripts;
use super::values::{self, Met};

/// A target as one scrape sees it.
#[derive(Debug)]
pub struct View {
    commons: Arc<TargetCommons>,
    replicas: Arc<Replicas>,
    target: String,
    endpoint: String,
    counted: Counted,
    newcomers: Newcomers,
    limited: Mutex<HashMap<String, Limited>>,
    met: Arc<Met>,
}

/// Who gets room that nobody has yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomers {
    /// Whoever comes first.
    Race,
    /// Nobody this time: too often others were faster.
    Wait,
}

/// Whether what a scrape has counted is counted in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Yes,
    /// Others were faster, and there is no room for all that is new.
    Overrun,
}

/// Series of a metric, or of all.
#[derive(Debug)]
struct Limited {
    share: Arc<Share>,
    limit: u64,
    /// What all other endpoints have.
    others: u64,
    /// What all had when this scrape looked.
    seen: u64,
    room: Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// What others have not taken by the end.
    Left,
    /// Taken in the store already.
    Taken,
    /// Nobody is asked: the limit is only watched.
    Any,
}

/// No metric is called so.
const ALL: &str = "";
/// Of the room that is left a scrape whose output has to leave early may fill a part.
const EARLY: u64 = 4;

impl View {
    /// `None`: the store cannot be asked.
    pub(in crate::state) async fn of(
        replicas: &Arc<Replicas>,
        target: &str,
        commons: Arc<TargetCommons>,
        endpoint: &EndpointKey,
        newcomers: Newcomers,
    ) -> Option<View> {
        let endpoint = endpoint.to_string();
        let counted = replicas.exchange(target, &commons, &endpoint).await.ok()?;
        let (replicas, target) = (replicas.clone(), target.to_owned());
        let (limited, met) = (Mutex::default(), replicas.met(&target));
        Some(View { commons, replicas, target, endpoint, counted, newcomers, limited, met })
    }

    /// Counts what the endpoint has now, before it is shown.
    pub async fn settle(&self) -> Settled {
        let (mut own, mut limits) = (HashMap::new(), HashMap::new());
        for (metric, limited) in &*self.limited() {
            own.insert(metric.clone(), limited.own());
            if self.newcomers == Newcomers::Race && limited.room == Room::Left {
                limits.insert(metric.clone(), (limited.limit, limited.seen));
            }
        }
        self.count(&own, &limits).await
    }

    /// Output has to leave before all is known: takes a part of the room that is left, and from now on
    /// there is no more.
    pub async fn settle_early(&self) -> Settled {
        let (mut own, mut limits) = (HashMap::new(), HashMap::new());
        for (metric, limited) in &mut *self.limited() {
            let mut has = limited.own();
            if self.newcomers == Newcomers::Race && limited.room == Room::Left {
                has += limited.limit.saturating_sub(limited.others + has).div_ceil(EARLY);
                limited.take(has);
                limits.insert(metric.clone(), (limited.limit, limited.seen));
            }
            own.insert(metric.clone(), has);
        }
        self.count(&own, &limits).await
    }

    /// Tells what was learned, and which values were met.
    pub async fn publish(&self) {
        let _ = self.replicas.tell(&self.target, &self.commons).await;
        values::share(&self.replicas, &self.target, &self.commons, &self.met);
    }

    async fn count(&self, own: &HashMap<String, u64>, limits: &HashMap<String, (u64, u64)>) -> Settled {
        if own.is_empty() {
            return Settled::Yes;
        }
        let keys = Keys::of(&self.target);
        let mut counting = scripts::COUNT.key(keys.name("seen"));
        counting.key(keys.name("parts")).key(keys.name("totals")).arg(&self.endpoint);
        counting.arg(serde_json::to_string(own).unwrap_or_default());
        counting.arg(serde_json::to_string(limits).unwrap_or_default());
        counting.arg(self.replicas.ttl.as_millis() as u64);
        match self.replicas.link.ask::<i64>(&counting).await {
            Ok(1) => Settled::Overrun,
            // What is not counted now is counted by the next scrape; nothing new is committed without
            // the store.
            Ok(_) | Err(_) => Settled::Yes,
        }
    }

    fn limited(&self) -> MutexGuard<'_, HashMap<String, Limited>> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commons for View {
    fn share(&self, metric: Option<&str>, limit: u64) -> Arc<Share> {
        let metric = metric.unwrap_or(ALL);
        let mut limited = self.limited();
        if let Some(known) = limited.get(metric) {
            return known.share.clone();
        }
        let count = |of: &HashMap<String, i64>| of.get(metric).copied().unwrap_or_default();
        let (had, all) = (count(&self.counted.own), count(&self.counted.all));
        let had_here = u64::try_from(had).unwrap_or_default();
        let others = match self.newcomers {
            Newcomers::Race => u64::try_from(all - had).unwrap_or_default(),
            Newcomers::Wait => limit.saturating_sub(had_here),
        };
        let share = Arc::new(Share::of_others(others, had_here));
        let seen = u64::try_from(all).unwrap_or_default();
        let room = if limit == u64::MAX { Room::Any } else { Room::Left };
        limited.insert(metric.to_owned(), Limited { share: share.clone(), limit, others, seen, room });
        share
    }

    fn learned(&self) -> Arc<[Learned]> {
        self.commons.learned()
    }

    fn lessons(&self) -> Arc<[Learned]> {
        self.commons.lessons()
    }

    fn releases(&self) -> Arc<[Release]> {
        self.commons.releases()
    }

    fn meet(&self, metric: &str, label: &str, value: &str) {
        self.met.add(metric, label, value);
    }
}

impl Limited {
    fn own(&self) -> u64 {
        self.share.total().saturating_sub(self.others)
    }

    /// This much is taken: from now on there is no more room.
    fn take(&mut self, own: u64) {
        let others = self.limit.saturating_sub(own).max(self.others);
        self.share.others_grow(others - self.others);
        (self.others, self.room) = (others, Room::Taken);
    }
}
