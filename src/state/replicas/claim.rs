//! The right to scrape an endpoint, of all the guards that may.
//!
//! It lasts for [`LEASE`] and is renewed as long as the scrape goes on, so that a guard that was
//! killed stands in nobody's way for longer. A guard that was only stopped, and goes on later, finds
//! that it may not commit any more.

use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};
use redis::Value;
use tokio::task::AbortHandle;

use crate::engine::guard::Extent;
use crate::engine::model::Format;
use crate::state::EndpointKey;
use crate::state::store::{Then, Trouble, VERSION};

use super::Replicas;
use super::edition::{Edition, Reading};
use super::link::Lane;
use super::scripts;

/// How long a claim outlives its guard.
const LEASE: Duration = Duration::from_secs(1);
const RENEWAL: Duration = Duration::from_millis(250);
/// Between two looks at a claim that is somebody else's.
const LOOK: Duration = Duration::from_millis(10);

/// Gives itself back when dropped.
#[derive(Debug)]
pub struct Claim {
    replicas: Arc<Replicas>,
    keys: Keys,
    token: String,
    renewal: Option<AbortHandle>,
    ended: Ended,
}

/// Whether the store has ended a claim itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    No,
    Yes,
}

/// How the wait for a claim ended.
#[derive(Debug)]
pub enum Claiming {
    Claimed(Claim),
    /// The store cannot be asked.
    Away,
}

/// What a claim commits.
pub struct Commit<'a> {
    pub format: Format,
    /// What was read.
    pub read: &'a Edition,
    /// What it is from now on.
    pub life: &'a str,
    pub extent: Extent,
    pub piece: &'a [u8],
    pub server: &'a str,
}

/// Where the store keeps an endpoint.
#[derive(Clone, Debug)]
struct Keys {
    hash: String,
}

impl Claim {
    pub(super) async fn take(replicas: Arc<Replicas>, endpoint: &EndpointKey, token: String) -> Claiming {
        // Whoever stops waiting drops it: a claim that came too late goes as well.
        let mut claim = Claim { replicas, keys: Keys::of(endpoint), token, renewal: None, ended: Ended::No };
        loop {
            match claim.ask(&scripts::TAKE).await {
                Ok(0) => break,
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(trouble) => {
                    claim.replicas.not_written(&trouble, &endpoint.to_string());
                    return Claiming::Away;
                }
            }
        }
        claim.renewal = Some(claim.renew());
        Claiming::Claimed(claim)
    }

    async fn ask(&self, script: &redis::Script) -> Result<i64, Trouble> {
        let mut asking = script.key(self.keys.lock());
        asking.arg(&self.token).arg(LEASE.as_millis() as u64);
        self.replicas.link.ask(&asking).await
    }

    fn renew(&self) -> AbortHandle {
        let (replicas, keys, token) = (self.replicas.clone(), self.keys.clone(), self.token.clone());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let mut asking = scripts::RENEW.key(keys.lock());
                asking.arg(&token).arg(LEASE.as_millis() as u64);
                if let Ok(0) = replicas.link.ask::<i64>(&asking).await {
                    return;
                }
            }
        });
        renewing.abort_handle()
    }

    /// What others have committed since `known`.
    pub(super) async fn read(&self, format: Format, known: &Edition) -> Result<Reading, Trouble> {
        let mut asking = scripts::READ.key(self.keys.state(format));
        asking.key(self.keys.lock()).arg(&known.life).arg(known.version).arg(&self.token);
        let lane = if known.is_none() { Lane::States } else { Lane::Calls };
        Reading::of(self.replicas.link.ask_by::<Value>(lane, &asking).await?)
    }

    /// Under which key the store has the state in this format.
    pub(super) fn key(&self, format: Format) -> String {
        self.keys.state(format)
    }

    /// All or nothing; with it the claim ends.
    pub(super) async fn commit(&mut self, commit: Commit<'_>) -> Result<Then, Trouble> {
        let extent = match commit.extent {
            Extent::Whole => "whole",
            Extent::Changes => "change",
        };
        let mut asking = scripts::COMMIT.key(self.keys.state(commit.format));
        asking.key(self.keys.lock()).arg(&self.token);
        asking.arg(&commit.read.life).arg(commit.read.version).arg(commit.life);
        asking.arg(extent).arg(commit.piece).arg(self.replicas.ttl.as_millis() as u64).arg(commit.server).arg(VERSION);
        let (what, outgrown): (String, i64) = self.replicas.link.ask_by(Lane::of(commit.piece.len()), &asking).await?;
        if what != "kept" {
            return Err(Trouble::Touched);
        }
        self.ended = Ended::Yes;
        Ok(if outgrown == 0 { Then::Append } else { Then::Replace })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
        if self.ended == Ended::Yes {
            return;
        }
        let (replicas, keys, token) = (self.replicas.clone(), self.keys.clone(), std::mem::take(&mut self.token));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let mut asking = scripts::RELEASE.key(keys.lock());
                asking.arg(&token);
                // If it cannot be given back it ends by itself.
                let _ = replicas.link.ask::<i64>(&asking).await;
            });
        }
    }
}

impl Keys {
    fn of(endpoint: &EndpointKey) -> Keys {
        let hash = Md5::digest(endpoint.to_string()).iter().map(|b| format!("{b:02x}")).collect();
        Keys { hash }
    }

    fn lock(&self) -> String {
        format!("cardinality-guard:{{{}}}:lock", self.hash)
    }

    fn state(&self, format: Format) -> String {
        format!("cardinality-guard:{{{}}}:{format}", self.hash)
    }
}
