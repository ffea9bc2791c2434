//! The connection to the store, and whether it can be asked.
//!
//! Nothing waits longer than [`PATIENCE`] for the store. Once it has kept somebody waiting it counts
//! as away, so that nobody else waits, until it answers one who asks from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation, ServerErrorKind};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::state::store::Trouble;
use crate::telemetry::Telemetry;

use super::open::{Address, Open, why};

/// How long a scrape waits for one answer.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// Between two looks at a store that is away.
const LOOK: Duration = Duration::from_millis(250);
/// How long one who looks waits.
const LOOKING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Link(Arc<Line>);

struct Line {
    address: Address,
    telemetry: Arc<Telemetry>,
    is_away: AtomicBool,
    back: Notify,
    open: Mutex<Option<Open>>,
}

impl Link {
    pub fn new(address: Address, telemetry: Arc<Telemetry>) -> Link {
        let (is_away, back, open) = (AtomicBool::new(false), Notify::new(), Mutex::default());
        Link(Arc::new(Line { address, telemetry, is_away, back, open }))
    }

    /// Waits until it has been away and answers again.
    pub async fn back(&self) {
        self.0.back.notified().await;
    }

    /// Asks, and waits no longer than [`PATIENCE`].
    pub async fn ask<T: FromRedisValue>(&self, what: &ScriptInvocation<'_>) -> Result<T, Trouble> {
        if self.0.is_away.load(Ordering::Acquire) {
            return Err(Trouble::Away);
        }
        let asking = async {
            match what.invoke_async(&mut self.0.connection().await?).await {
                // The store has come back since somebody last asked. Whatever is asked twice is done
                // once: a second commit finds that its edition is gone.
                Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                    *self.0.open.lock().await = None;
                    what.invoke_async(&mut self.0.connection().await?).await
                }
                answer => answer,
            }
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.refused(error).await),
            Err(_) => {
                self.lost("no answer in time").await;
                Err(Trouble::Slow)
            }
        }
    }

    /// Connects, so that the first scrape does not have to.
    pub async fn look(&self) {
        match timeout(LOOKING, self.0.greet()).await {
            Ok(Ok(())) => self.0.telemetry.state_store_answers(),
            Ok(Err(error)) => self.lost(&why(&error)).await,
            Err(_) => self.lost("no answer in time").await,
        }
    }

    /// The store has answered, and not well.
    async fn refused(&self, error: RedisError) -> Trouble {
        let words = error.to_string();
        let is_full = words.contains("OOM") || words.contains("MISCONF");
        let is_here = error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError);
        if is_full {
            return Trouble::Full(std::io::Error::other(words));
        }
        // It does not like what it was asked, and can be asked something else.
        if !is_here {
            self.lost(&why(&error)).await;
        }
        Trouble::Io(std::io::Error::other(words))
    }

    /// From here on nobody waits for it, until it answers again.
    async fn lost(&self, why: &str) {
        if self.0.is_away.swap(true, Ordering::AcqRel) {
            return;
        }
        self.0.telemetry.state_store_lost(why);
        let line = self.0.clone();
        tokio::spawn(async move {
            loop {
                // Half an answer may be on its way through the old one.
                *line.open.lock().await = None;
                tokio::time::sleep(LOOK).await;
                if let Ok(Ok(())) = timeout(LOOKING, line.greet()).await {
                    break;
                }
            }
            line.is_away.store(false, Ordering::Release);
            line.telemetry.state_store_answers();
            line.back.notify_waiters();
        });
    }
}

impl Line {
    async fn connection(&self) -> RedisResult<Open> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        Ok(open.insert(self.address.connect(LOOKING).await?).clone())
    }

    /// Whether it answers.
    async fn greet(&self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.connection().await?).await
    }
}

impl std::fmt::Debug for Line {
    /// An address holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("is_away", &self.is_away).finish_non_exhaustive()
    }
}
