//! A scrape under way: body in, guarded body out, commit, and the lock let go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use tokio::time::timeout_at;

use crate::engine::guard::{BodyEnd, Leaves, Scrape, ScrapeError, Wanted};
use crate::engine::model::Format;
use crate::state::replicas::{Settled, View};
use crate::state::{ActiveTarget, Buffers, Clock, Connection, Lease, Origin, Showing, TargetCommons};
use crate::telemetry::Telemetry;

use super::account::Account;
use super::admission::Place;
use super::body::{Next, Piece};
use super::content;
use super::deadline::Deadline;
use super::encode::Encoder;
use super::failure::{Failure, Stage};
use super::fetch::Persists;
use super::scrape::PACKED;
use super::source::{Kept, Source};
use super::wire::Filled;

/// Everything a scrape holds from the head of the exporter's answer on.
pub struct Flow {
    /// `None` when it has been read to its end.
    pub source: Option<Source>,
    pub treatment: Treatment,
    pub release: Release,
    /// Whether the compressed body was still kept when more output was held back for it.
    pub kept: Kept,
    pub target: Arc<ActiveTarget>,
    pub content_type: Option<HeaderValue>,
    pub end: BodyEnd,
    pub deadline: Deadline,
    pub telemetry: Arc<Telemetry>,
    pub commons: Arc<TargetCommons>,
    pub account: Account,
    pub asked_at: Instant,
    pub buffers: Buffers,
    /// What is let go as soon as the scrape is committed.
    pub held: Option<Held>,
    pub left: Left,
    /// What other guards know of the target, and are to be told.
    pub view: Option<Arc<View>>,
    pub clock: Clock,
}

/// Whether output is on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Some,
}

/// What becomes of the bytes.
pub enum Treatment {
    /// `mode: pass`: out as they came in.
    Pass,
    Guard {
        scrape: Scrape,
        begun: Begun,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    In(Format),
    NotYet,
}

/// When output may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As soon as nothing can change it.
    Early,
    /// Only when the body is complete: an HTTP/1.0 client knows no chunks.
    Whole,
}

/// The endpoint's lock, the place among the running, and on what terms the connection is kept.
pub struct Held {
    pub lease: Lease,
    pub _place: Place,
    pub origin: Origin,
    pub persists: Persists,
    pub keep_alive: Option<Duration>,
}

/// How far the output came before a byte of it had to leave.
pub enum Turn {
    /// Complete and committed.
    Whole(Vec<u8>),
    /// The same, and it is the compressed body as it came, behind what the first of them holds.
    AsItCame(Vec<u8>, Vec<u8>),
    /// The beginning of a long body; [`Flow::stream`] goes on.
    Begun(Vec<u8>),
}

enum Advanced {
    More,
    /// With the compressed body, if that is what leaves.
    End(Option<Vec<u8>>),
}

/// What became of a body that was read to its end.
enum Committed {
    As(Leaves),
    /// Nothing yet: it is read once more.
    NotYet,
}

impl Flow {
    /// Goes on until the body is complete or its output may be held no longer.
    pub async fn hold(&mut self) -> Result<Turn, Failure> {
        let mut out = Vec::new();
        loop {
            match self.advance(&mut out).await? {
                Advanced::End(None) => return Ok(Turn::Whole(out)),
                Advanced::End(Some(packed)) => return Ok(Turn::AsItCame(out, packed)),
                Advanced::More if out.is_empty() || self.release == Release::Whole => self.give_way().await,
                Advanced::More => return Ok(Turn::Begun(out)),
            }
        }
    }

    async fn give_way(&mut self) {
        if let Some(source) = &mut self.source {
            source.give_way().await;
        }
    }

    /// Output has to leave before the body is complete: sees to it that it need not be taken back.
    pub async fn settle_early(&self) -> Result<(), Failure> {
        match &self.view {
            Some(view) if Box::pin(view.settle_early()).await == Settled::Overrun => Err(Failure::Overrun),
            _ => Ok(()),
        }
    }

    /// Sends the rest as it comes, behind what has begun. A failure from now on cuts the connection.
    pub fn stream(mut self: Box<Flow>, begun: Vec<u8>, encoder: Encoder) -> Next {
        self.left = Left::Some;
        // Nobody can be given it any more.
        self.source.iter_mut().for_each(Source::keep_no_longer);
        self.next(begun, encoder)
    }

    fn next(mut self: Box<Flow>, mut out: Vec<u8>, mut encoder: Encoder) -> Next {
        Box::pin(async move {
            loop {
                let bytes = encoder.push(std::mem::take(&mut out));
                if !bytes.is_empty() {
                    return Piece::Data(bytes, self.next(out, encoder));
                }
                match self.advance(&mut out).await {
                    Ok(Advanced::More) => {}
                    Ok(Advanced::End(_)) => return Piece::Last(encoder.finish(out)),
                    Err(failure) => return Piece::Failed(failure),
                }
            }
        })
    }

    async fn advance(&mut self, out: &mut Vec<u8>) -> Result<Advanced, Failure> {
        let advanced = self.step(out).await;
        if let Some(source) = &self.source {
            self.account.received(self.asked_at.elapsed(), source.received());
        }
        match advanced? {
            Filled::More => Ok(Advanced::More),
            Filled::End => self.finish(out).await,
        }
    }

    async fn step(&mut self, out: &mut Vec<u8>) -> Result<Filled, Failure> {
        let (Some(held), Some(source)) = (&mut self.held, &mut self.source) else { return Ok(Filled::End) };
        let lease = &mut held.lease;
        let Treatment::Guard { scrape, begun } = &mut self.treatment else {
            return source.fill(out, &self.deadline).await;
        };
        if let Some(tail) = lease.tail() {
            let before = tail.len();
            let filled = source.fill(tail, &self.deadline).await?;
            let bytes = tail.len() - before;
            #[cfg(test)]
            super::tests::as_if_the_engine_had_a_bug(&tail[before..]);
            if source.kept() == Kept::No && self.kept == Kept::Whole {
                self.kept = Kept::No;
                if self.release == Release::Early {
                    scrape.limits.hold_output = (scrape.limits.hold_output / PACKED).max(1);
                    lease.hold_at_most(scrape.limits.hold_output);
                }
                if lease.is_body_elsewhere() {
                    self.read_again();
                    return Ok(filled);
                }
            }
            match lease.pushed(bytes) {
                Err(ScrapeError::BodyWanted) => self.read_again(),
                pushed => {
                    pushed?;
                    lease.drain(out);
                }
            }
            return Ok(filled);
        }
        let mut first = Vec::new();
        let filled = source.fill(&mut first, &self.deadline).await?;
        if source.kept() != self.kept && self.release == Release::Early {
            self.kept = Kept::No;
            scrape.limits.hold_output = (scrape.limits.hold_output / PACKED).max(1);
        }
        if filled == Filled::More {
            let format = content::format(self.content_type.as_ref(), self.target.settings.fallback_scrape_protocol)?;
            let loaded = timeout_at(self.deadline.exporter(), lease.load(format, self.clock.now())).await;
            loaded.map_err(|_| self.deadline.passed(Stage::Body))?;
            if lease.is_cut_off(format) {
                // Lines will have to be taken out, so none may leave before the end.
                (scrape.limits.hold_output, self.release) = (u64::MAX, Release::Whole);
                source.keep_no_longer();
            }
            lease.begin(format, scrape.clone());
            *begun = Begun::In(format);
            if self.kept == Kept::Whole && source.kept() == Kept::Whole {
                lease.body_is_elsewhere();
            }
            #[cfg(test)]
            super::tests::as_if_the_engine_had_a_bug(&first);
            match lease.push(&first) {
                Err(ScrapeError::BodyWanted) => self.read_again(),
                pushed => {
                    pushed?;
                    lease.drain(out);
                }
            }
        }
        Ok(filled)
    }

    /// The engine has let bytes go that it wants after all: from the first one on, and it holds them.
    fn read_again(&mut self) {
        if let (Some(held), Some(source)) = (&mut self.held, &mut self.source)
            && let Treatment::Guard { scrape, begun: Begun::In(format) } = &self.treatment
        {
            held.lease.begin(*format, scrape.clone());
            source.rewind();
        }
    }

    /// Commits, and lets go of everything before anybody waits for the reader. What was committed is
    /// with the store before the last byte leaves, or the store is too slow to be waited for. Gives the
    /// body as it came when that is what leaves, behind what is in `out`.
    async fn finish(&mut self, out: &mut Vec<u8>) -> Result<Advanced, Failure> {
        let (Some(mut held), Some(source)) = (self.held.take(), self.source.take()) else {
            return Ok(Advanced::End(None));
        };
        if let Treatment::Guard { scrape, begun: Begun::NotYet } = &self.treatment
            && let Some(format) = self.format_of_nothing(&held.lease)
        {
            held.lease.begin(format, scrape.clone());
        }
        let wanted = match source.kept() {
            Kept::Whole => Wanted::Apart,
            Kept::No => Wanted::Written,
        };
        let Committed::As(leaves) = self.commit(&mut held, wanted, out).await? else {
            (self.held, self.source) = (Some(held), Some(source));
            self.read_again();
            return Ok(Advanced::More);
        };
        let (packed, wire) = source.end();
        if self.end == BodyEnd::Framed
            && held.persists == Persists::Yes
            && let Some(io) = wire.release()
        {
            held.lease.keep_connection(Connection::resting(io, held.origin, held.keep_alive));
        }
        Ok(Advanced::End(packed.filter(|_| leaves == Leaves::AsItCame)))
    }

    async fn commit(&self, held: &mut Held, wanted: Wanted, out: &mut Vec<u8>) -> Result<Committed, Failure> {
        let Some(result) = held.lease.finish(self.end, wanted, out) else {
            return Ok(Committed::As(Leaves::Written));
        };
        let (report, leaves) = match result {
            Err(ScrapeError::BodyWanted) => return Ok(Committed::NotYet),
            ended => ended?,
        };
        if let Some(view) = &self.view
            && Box::pin(view.settle()).await == Settled::Overrun
        {
            return Err(Failure::Overrun);
        }
        let wall_seconds = match &self.treatment {
            Treatment::Guard { scrape, .. } => scrape.wall_seconds,
            Treatment::Pass => 0.0,
        };
        let target = &self.target.settings.name;
        let showing = match timeout_at(self.deadline.exporter(), held.lease.keep()).await {
            Ok(showing) => showing,
            Err(_) => held.lease.withhold(),
        };
        let view = match showing {
            Showing::Everything => self.view.as_ref(),
            Showing::Without(withheld) => {
                let is_whole = leaves == Leaves::Written || withheld.is_nothing();
                if self.left == Left::Some || !is_whole {
                    return Err(Failure::NotShared);
                }
                *out = withheld.cut(out);
                None
            }
        };
        // It is answered, in whatever part.
        self.telemetry.scrape_committed(target, &report);
        for learned in self.commons.learn(&report, wall_seconds).enforced() {
            self.telemetry.label_collapsed(target, learned);
        }
        if let Some(view) = view {
            Box::pin(view.publish()).await;
        }
        Ok(Committed::As(leaves))
    }

    /// An empty body needs no Content-Type; only the clock of what is remembered goes on.
    fn format_of_nothing(&self, lease: &Lease) -> Option<Format> {
        let said = self.content_type.as_ref().and_then(content::recognised);
        said.or_else(|| lease.known_format())
    }
}
