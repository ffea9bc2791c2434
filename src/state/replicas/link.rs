//! The connection to the store, and whether it can be asked.
//!
//! Whoever has waited for [`PATIENCE`] asks whether anybody is there. If not the store counts as away,
//! so that nobody else waits, until it answers one who asks from time to time. If so the answer is on
//! its way: a large state takes its time, and has a connection to itself, so that others do not wait.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation, ServerErrorKind};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::state::store::Trouble;
use crate::telemetry::Telemetry;

use super::open::{Address, Open, why};

/// How long an answer may take before somebody asks whether the store is there at all.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long that may take, and for how long it is good.
const SIGN: Duration = Duration::from_millis(500);
/// How long a store that is there may take.
const LONGEST: Duration = Duration::from_secs(9);
/// When a connection that gives no answer counts as dead, although the store is there.
const DEAD: Duration = Duration::from_secs(5);
/// Pieces from here on go the way of states.
const LARGE: usize = 64 << 10;
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
    calls: Mutex<Option<Open>>,
    states: Mutex<Option<Open>>,
    signs: Mutex<Signs>,
}

/// By which connection to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Questions and answers that are short, mostly.
    Calls,
    /// What may be megabytes.
    States,
}

impl Lane {
    /// For a call that has so much to say.
    pub fn of(bytes: usize) -> Lane {
        if bytes < LARGE { Lane::Calls } else { Lane::States }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Given,
    None,
}

/// Whether anybody is there.
#[derive(Default)]
struct Signs {
    open: Option<Open>,
    last: Option<Instant>,
}

impl Link {
    pub fn new(address: Address, telemetry: Arc<Telemetry>) -> Link {
        let (is_away, back) = (AtomicBool::new(false), Notify::new());
        let (calls, states, signs) = (Mutex::default(), Mutex::default(), Mutex::default());
        Link(Arc::new(Line { address, telemetry, is_away, back, calls, states, signs }))
    }

    /// Waits until it has been away and answers again.
    pub async fn back(&self) {
        self.0.back.notified().await;
    }

    /// Asks, and waits as long as the store is there.
    pub async fn ask<T: FromRedisValue>(&self, what: &ScriptInvocation<'_>) -> Result<T, Trouble> {
        self.ask_by(Lane::Calls, what).await
    }

    pub async fn ask_by<T: FromRedisValue>(&self, lane: Lane, what: &ScriptInvocation<'_>) -> Result<T, Trouble> {
        if self.0.is_away.load(Ordering::Acquire) {
            return Err(Trouble::Away);
        }
        let began = Instant::now();
        let mut asking = pin!(self.0.ask(lane, what));
        loop {
            match timeout(PATIENCE, &mut asking).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => return Err(self.refused(error).await),
                Err(_) if began.elapsed() > LONGEST => return Err(Trouble::Slow),
                // Another one has found out.
                Err(_) if self.0.is_away.load(Ordering::Acquire) => return Err(Trouble::Slow),
                Err(_) => {}
            }
            // The answer may come while the sign is waited for.
            let sign = tokio::select! {
                answer = &mut asking => match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) => return Err(self.refused(error).await),
                },
                sign = self.0.gives_a_sign() => sign,
            };
            if let Sign::None = sign {
                self.lost("no answer in time").await;
                return Err(Trouble::Slow);
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
                line.hang_up().await;
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
    async fn ask<T: FromRedisValue>(&self, lane: Lane, what: &ScriptInvocation<'_>) -> RedisResult<T> {
        match what.invoke_async(&mut self.connection(lane).await?).await {
            // The store has come back since somebody last asked. Whatever is asked twice is done
            // once: a second commit finds that its edition is gone.
            Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                *self.lane(lane).lock().await = None;
                what.invoke_async(&mut self.connection(lane).await?).await
            }
            answer => answer,
        }
    }

    fn lane(&self, lane: Lane) -> &Mutex<Option<Open>> {
        match lane {
            Lane::Calls => &self.calls,
            Lane::States => &self.states,
        }
    }

    async fn connection(&self, lane: Lane) -> RedisResult<Open> {
        let mut open = self.lane(lane).lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        Ok(open.insert(self.address.connect(LOOKING, DEAD).await?).clone())
    }

    async fn hang_up(&self) {
        *self.calls.lock().await = None;
        *self.states.lock().await = None;
    }

    /// Whether anybody is there; who asks while another one does is told the same.
    async fn gives_a_sign(&self) -> Sign {
        let mut signs = self.signs.lock().await;
        if signs.last.is_some_and(|last| last.elapsed() < SIGN) {
            return Sign::Given;
        }
        let asking = async {
            let mut open = match signs.open.take() {
                Some(open) => open,
                None => self.address.connect(SIGN, SIGN).await?,
            };
            redis::cmd("PING").query_async::<()>(&mut open).await.map(|()| open)
        };
        match timeout(SIGN, asking).await {
            Ok(Ok(open)) => {
                *signs = Signs { open: Some(open), last: Some(Instant::now()) };
                Sign::Given
            }
            Ok(Err(_)) | Err(_) => Sign::None,
        }
    }

    /// Whether it answers.
    async fn greet(&self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.connection(Lane::Calls).await?).await
    }
}

impl std::fmt::Debug for Line {
    /// An address holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("is_away", &self.is_away).finish_non_exhaustive()
    }
}
