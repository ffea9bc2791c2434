//! What the endpoints of a target share when any of several guards may scrape any of them: how many
//! series all have together, and which labels were found to explode.
//!
//! Each scrape gets a view of its own, made before it begins: what the other endpoints have, as the
//! store has it, and what every guard has learned. When the scrape was committed, its endpoint's part
//! is put in its place. A store that cannot be asked leaves the guard with what it knows itself.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use md5::{Digest, Md5};

use crate::engine::cardinality::Share;
use crate::engine::guard::{Commons, Learned, Release};
use crate::state::commons::{Age, TargetCommons, Word};
use crate::state::store::Trouble;
use crate::state::{Clock, EndpointKey};

use super::Replicas;
use super::scripts;
use super::values::{self, Met};
use super::words::{WordRow, Written};

/// A target as one scrape sees it.
#[derive(Debug)]
pub struct View {
    commons: Arc<TargetCommons>,
    replicas: Arc<Replicas>,
    target: String,
    endpoint: String,
    /// Series of all other endpoints, by metric; those of all metrics under [`ALL`].
    others: HashMap<String, u64>,
    /// Those of this one, as they were.
    had: HashMap<String, i64>,
    shares: DashMap<String, Arc<Share>>,
    met: Met,
}

/// No metric is called so.
const ALL: &str = "";

type Heard = (u64, Vec<String>, String, HashMap<String, i64>);

impl View {
    /// `None`: the store cannot be asked.
    pub(in crate::state) async fn of(
        replicas: &Arc<Replicas>,
        target: &str,
        commons: Arc<TargetCommons>,
        endpoint: &EndpointKey,
    ) -> Option<View> {
        let endpoint = endpoint.to_string();
        let (own, all) = replicas.exchange(target, &commons, &endpoint).await.ok()?;
        let of_others = |(metric, all): (String, i64)| {
            let own = own.get(&metric).copied().unwrap_or_default();
            (metric, u64::try_from(all - own).unwrap_or_default())
        };
        let others = all.into_iter().map(of_others).collect();
        let (replicas, target) = (replicas.clone(), target.to_owned());
        Some(View {
            commons,
            replicas,
            target,
            endpoint,
            others,
            had: own,
            shares: DashMap::new(),
            met: Met::default(),
        })
    }

    /// The scrape was committed: tells what the endpoint has now, and what was learned.
    pub async fn publish(&self) {
        let own = |entry: dashmap::mapref::multiple::RefMulti<'_, String, Arc<Share>>| {
            (entry.key().clone(), entry.value().total().saturating_sub(self.of_others(entry.key())))
        };
        let own: HashMap<String, u64> = self.shares.iter().map(own).collect();
        if !own.is_empty() {
            self.count(&own).await;
        }
        let _ = self.replicas.tell(&self.target, &self.commons).await;
        values::share(&self.replicas, &self.target, &self.commons, self.met.take());
    }

    async fn count(&self, own: &HashMap<String, u64>) {
        let keys = Keys::of(&self.target);
        let mut counting = scripts::COUNT.key(keys.name("seen"));
        counting.key(keys.name("parts")).key(keys.name("totals")).arg(&self.endpoint);
        counting.arg(serde_json::to_string(own).unwrap_or_default()).arg(self.replicas.ttl.as_millis() as u64);
        // The next scrape says it again.
        let _ = self.replicas.link.ask::<i64>(&counting).await;
    }

    fn of_others(&self, metric: &str) -> u64 {
        self.others.get(metric).copied().unwrap_or_default()
    }
}

impl Commons for View {
    fn share(&self, metric: Option<&str>) -> Arc<Share> {
        let metric = metric.unwrap_or(ALL);
        if let Some(known) = self.shares.get(metric) {
            return known.clone();
        }
        let had = self.had.get(metric).copied().and_then(|had| u64::try_from(had).ok());
        let share = Arc::new(Share::of_others(self.of_others(metric), had.unwrap_or_default()));
        self.shares.entry(metric.to_owned()).or_insert(share).clone()
    }

    fn learned(&self) -> Arc<[Learned]> {
        self.commons.learned()
    }

    fn releases(&self) -> Arc<[Release]> {
        self.commons.releases()
    }

    fn meet(&self, metric: &str, label: &str, value: &str) {
        self.met.add(metric, label, value);
    }
}

impl Replicas {
    /// Tells and hears what is new about a target; gives the series of one endpoint, and of all.
    async fn exchange(
        &self,
        target: &str,
        commons: &TargetCommons,
        endpoint: &str,
    ) -> Result<(HashMap<String, i64>, HashMap<String, i64>), Trouble> {
        self.tell(target, commons).await?;
        let keys = Keys::of(target);
        let heard = commons.heard();
        let mut listening = scripts::LISTEN.key(keys.name("lore"));
        listening.key(keys.name("parts")).key(keys.name("totals")).arg(heard).arg(endpoint);
        let (words, news, own, all): Heard = self.link.ask(&listening).await?;
        let age = if heard == 0 { Age::Old } else { Age::News };
        for written in news.iter().filter_map(|word| serde_json::from_str::<Written>(word).ok()) {
            if written.by != self.guard {
                commons.hear(written.word.into(), age, Clock::default().wall_seconds());
            }
        }
        commons.has_heard(words);
        Ok((serde_json::from_str(&own).unwrap_or_default(), all))
    }

    /// Tells the others what this guard has learned about a target.
    async fn tell(&self, target: &str, commons: &TargetCommons) -> Result<(), Trouble> {
        let words = commons.take_words();
        if words.is_empty() {
            return Ok(());
        }
        let written = |word: &Word| Written { by: self.guard, word: WordRow::from(word) };
        let mut telling = scripts::TELL.key(Keys::of(target).name("lore"));
        for word in &words {
            telling.arg(serde_json::to_string(&written(word)).unwrap_or_default());
        }
        let told = self.link.ask::<i64>(&telling).await;
        if told.is_err() {
            commons.put_back(words);
        }
        told.map(drop)
    }
}

/// Where the store keeps what is known of a target.
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn of(target: &str) -> Keys {
        Keys(Md5::digest(target).iter().map(|b| format!("{b:02x}")).collect())
    }

    pub(super) fn name(&self, what: &str) -> String {
        format!("cardinality-guard:{{target-{}}}:{what}", self.0)
    }
}
