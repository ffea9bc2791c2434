//! Who may scrape now, who waits, who is sent away.
//!
//! The endpoint comes first, the place among `max_concurrent` second: many scrapes of one slow
//! endpoint then wait for each other and take no place from the others.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::state::{Endpoint, Lease};

use super::deadline::Deadline;
use super::failure::{Failure, Stage};

/// Bounds the scrapes under way and those that wait.
pub struct Admission {
    gate: ArcSwap<Gate>,
}

/// The right to scrape: an endpoint and a place.
pub struct Admitted {
    pub lease: Lease,
    pub place: Place,
}

/// Whether a scrape changes what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateUse {
    Full,
    /// Bytes pass.
    None,
}

/// One of `max_concurrent`; free again when dropped.
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

struct Gate {
    limit: usize,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A store that is well answers sooner than this.
const SOON: Duration = Duration::from_millis(250);

/// Counts one that waits for as long as it does.
struct Waiting(Arc<AtomicUsize>);

impl Default for Admission {
    fn default() -> Self {
        Admission { gate: ArcSwap::from_pointee(Gate::new(0)) }
    }
}

impl Admission {
    /// Waits for its turn within the deadline. `limit` is `max_concurrent` (0 = off); as many
    /// again may wait.
    pub async fn enter(
        &self,
        endpoint: &Endpoint,
        limit: usize,
        deadline: &Deadline,
        of_state: StateUse,
    ) -> Result<Admitted, Failure> {
        let gate = self.gate(limit);
        let mut lease = match endpoint.try_lease() {
            Some(lease) => lease,
            None => gate.wait(endpoint.lease(), Stage::Endpoint, deadline).await?,
        };
        if of_state == StateUse::Full && lease.is_shared() {
            gate.turn(lease.claim(), deadline).await?;
        }
        Ok(Admitted { lease, place: gate.place(deadline).await? })
    }

    /// The gate for this limit. After a reload scrapes under way keep their places at the old one.
    fn gate(&self, limit: usize) -> Arc<Gate> {
        let gate = self.gate.load_full();
        if gate.limit == limit {
            return gate;
        }
        let fresh = Arc::new(Gate::new(limit));
        let before = self.gate.compare_and_swap(&gate, fresh.clone());
        if before.limit == limit { arc_swap::Guard::into_inner(before) } else { fresh }
    }
}

impl Gate {
    fn new(limit: usize) -> Gate {
        let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        Gate { limit, places, waiting: Arc::default() }
    }

    async fn place(&self, deadline: &Deadline) -> Result<Place, Failure> {
        if self.limit == 0 {
            return Ok(Place { _permit: None });
        }
        let permit = match self.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => self.wait(self.places.clone().acquire_owned(), Stage::Place, deadline).await?,
        };
        permit.map(|permit| Place { _permit: Some(permit) }).map_err(|_| Failure::Internal)
    }

    /// The turn among several guards is asked for elsewhere: who has the answer soon has not waited.
    async fn turn<T>(&self, turn: impl Future<Output = T>, deadline: &Deadline) -> Result<T, Failure> {
        tokio::pin!(turn);
        let soon = deadline.exporter().min(Instant::now() + SOON);
        match timeout_at(soon, &mut turn).await {
            Ok(turn) => Ok(turn),
            Err(_) => self.wait(turn, Stage::Endpoint, deadline).await,
        }
    }

    async fn wait<T>(&self, turn: impl Future<Output = T>, stage: Stage, deadline: &Deadline) -> Result<T, Failure> {
        let _waiting = self.count()?;
        timeout_at(deadline.exporter(), turn).await.map_err(|_| deadline.passed(stage))
    }

    fn count(&self) -> Result<Waiting, Failure> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(self.waiting.clone());
        match self.limit != 0 && before >= self.limit {
            true => Err(Failure::Overload),
            false => Ok(waiting),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use hyper::header::HeaderMap;
    use tokio::time::sleep;

    use super::*;
    use crate::settings::ScrapeSettings;

    /// What many turns that are asked for at once come to.
    async fn turns<F: Future<Output = ()> + Send + 'static>(turn: impl Fn() -> F) -> Vec<Result<(), Failure>> {
        let settings = ScrapeSettings { timeout: 4 * SOON, ..ScrapeSettings::default() };
        let (gate, deadline) = (Arc::new(Gate::new(4)), Deadline::read(&HeaderMap::new(), &settings, Instant::now()));
        let asked: Vec<_> = (0..10)
            .map(|_| {
                let (gate, turn) = (gate.clone(), turn());
                tokio::spawn(async move { gate.turn(turn, &deadline).await })
            })
            .collect();
        let mut ended = Vec::new();
        for asked in asked {
            ended.push(asked.await.unwrap());
        }
        ended
    }

    #[tokio::test]
    async fn who_only_asks_for_a_turn_does_not_wait() {
        let answered_later = || sleep(Duration::from_millis(5));
        assert!(turns(answered_later).await.iter().all(Result::is_ok));
        let waited = turns(pending::<()>).await;
        let overload = waited.iter().filter(|ended| matches!(ended, Err(Failure::Overload))).count();
        let out_of_time = waited.iter().filter(|ended| matches!(ended, Err(Failure::OutOfTime(..)))).count();
        assert_eq!((overload, out_of_time), (6, 4), "as many wait as may scrape");
    }
}
