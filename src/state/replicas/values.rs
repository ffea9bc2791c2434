//! How many values the labels of a target have, over all its endpoints and all guards: the store
//! estimates it (HyperLogLog). Each guard tells the values that are new to it, when the answer has left,
//! and asks for the counts from time to time.
//!
//! In two generations, as each guard counts for itself: what is still there is new to a guard once in
//! each of its own, so that this one and the last together hold all that is there.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::model::Seed;
use crate::state::Clock;
use crate::state::commons::{Due, TargetCommons, ValueCounts};
use crate::state::store::Trouble;

use super::Replicas;
use super::lore::Keys;
use super::scripts;

/// The values of a target that are new to this guard and have not been told, as hashes that all guards make alike.
#[derive(Debug, Default)]
pub struct Met(Mutex<Values>);

/// A name is copied when it comes for the first time.
type Names<T> = hashbrown::HashMap<String, T, RandomState>;

#[derive(Debug, Default)]
struct Values {
    /// By metric and label.
    by_name: Names<Names<HashSet<u64>>>,
    count: usize,
}

/// All guards hash alike. Whoever makes values collide spoils an estimate and nothing else.
const ALIKE: Seed = Seed::new(0);
/// Told at a time, and bytes of a name that is told.
const MOST_VALUES: usize = 50_000;
const LONGEST: usize = 200;
/// Told at once.
const PIECE: usize = 1000;
/// Labels of a target, 12 kB for each generation of one that has many values.
const MOST_LABELS: usize = 100;
const GENERATION: f64 = 3600.0;
/// From the last value that came until nobody asks for its generation.
const TTL: Duration = Duration::from_secs(2 * 3600);
/// Between two times of telling and asking about a target.
const PAUSE: Duration = Duration::from_secs(10);

impl Met {
    pub fn add(&self, metric: &str, label: &str, value: &str) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.count >= MOST_VALUES || metric.len() > LONGEST || label.len() > LONGEST {
            return;
        }
        let hash = ALIKE.hash(value.as_bytes()).0;
        if values.by_name.entry_ref(metric).or_default().entry_ref(label).or_default().insert(hash) {
            values.count += 1;
        }
    }

    fn take(&self) -> Values {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells what is new and asks for what all have told, while nobody waits for it.
pub fn share(replicas: &Arc<Replicas>, target: &str, commons: &Arc<TargetCommons>, met: &Met) {
    if commons.values_due(PAUSE) == Due::Later {
        return;
    }
    let values = met.take();
    let (replicas, keys, commons) = (replicas.clone(), Keys::of(target), commons.clone());
    tokio::spawn(async move {
        let generation = (Clock::default().wall_seconds() / GENERATION) as u64;
        // What cannot be told is missing in an estimate; nothing depends on it.
        if tell(&replicas, &keys, generation, values).await.is_err() {
            return;
        }
        if let Ok(counts) = ask(&replicas, &keys, generation).await {
            commons.values_are(counts);
        }
    });
}

async fn tell(replicas: &Replicas, keys: &Keys, generation: u64, values: Values) -> Result<(), Trouble> {
    let of_metric = |(metric, labels): (String, Names<_>)| {
        labels.into_iter().map(move |(label, hashes)| (written(&metric, &label), hashes))
    };
    for (label, hashes) in values.by_name.into_iter().flat_map(of_metric) {
        let hashes: Vec<u64> = HashSet::into_iter(hashes).collect();
        for piece in hashes.chunks(PIECE) {
            let mut meeting = scripts::MEET.key(keys.name("labels"));
            meeting.key(keys.name(&format!("{}{label}", of(generation))));
            meeting.arg(&label).arg(MOST_LABELS).arg(TTL.as_millis() as u64);
            for hash in piece {
                meeting.arg(&hash.to_be_bytes());
            }
            replicas.link.ask::<i64>(&meeting).await?;
        }
    }
    Ok(())
}

async fn ask(replicas: &Replicas, keys: &Keys, generation: u64) -> Result<ValueCounts, Trouble> {
    let mut asking = scripts::VALUES.key(keys.name("labels"));
    asking.arg(keys.name(&of(generation))).arg(keys.name(&of(generation.saturating_sub(1))));
    let rows: Vec<(String, u64)> = replicas.link.ask(&asking).await?;
    Ok(rows.into_iter().filter_map(|(label, count)| Some((serde_json::from_str(&label).ok()?, count))).collect())
}

/// Names may hold any character.
fn written(metric: &str, label: &str) -> String {
    serde_json::to_string(&(metric, label)).unwrap_or_default()
}

/// What comes before the label.
fn of(generation: u64) -> String {
    format!("values:{generation}:")
}
