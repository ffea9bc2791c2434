//! A scrape under way: body in, guarded body out, commit, and the lock let go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::engine::guard::{BodyEnd, Scrape};
use crate::engine::model::Format;
use crate::state::replicas::View;
use crate::state::{ActiveTarget, Buffers, Clock, Connection, Lease, Showing, TargetCommons};
use crate::telemetry::Telemetry;

use super::account::Account;
use super::admission::Place;
use super::body::Piece;
use super::content;
use super::deadline::Deadline;
use super::encode::Encoder;
use super::failure::{Failure, Stage};
use super::source::Source;

/// Everything a scrape holds from the head of the exporter's answer on.
pub struct Flow {
    pub source: Source,
    pub treatment: Treatment,
    pub release: Release,
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
    Yes,
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

/// The endpoint's lock, the place among the running, the connection.
pub struct Held {
    pub lease: Lease,
    pub _place: Place,
    pub connection: Connection,
    pub keep_alive: Option<Duration>,
}

/// How far the output came before a byte of it had to leave.
pub enum Turn {
    /// Complete and committed.
    Whole(Vec<u8>),
    /// The beginning of a long body; [`Flow::stream`] goes on.
    Begun(Vec<u8>),
}

enum Advanced {
    More,
    End,
}

/// Why a body that had begun does not end well.
enum Lost {
    Scrape(Failure),
    /// The client went away.
    Reader,
}

impl Flow {
    /// Goes on until the body is complete or its output may be held no longer.
    pub async fn hold(&mut self) -> Result<Turn, Failure> {
        let mut out = Vec::new();
        loop {
            match self.advance(&mut out).await? {
                Advanced::End => return Ok(Turn::Whole(out)),
                Advanced::More if out.is_empty() || self.release == Release::Whole => {}
                Advanced::More => return Ok(Turn::Begun(out)),
            }
        }
    }

    /// Sends the rest as it comes. A failure from now on cuts the connection.
    pub async fn stream(mut self, begun: Vec<u8>, encoder: Encoder, pieces: mpsc::Sender<Piece>) {
        self.left = Left::Some;
        match self.send_all(begun, encoder, &pieces).await {
            // Whoever holds the other end closes the books.
            Ok(()) | Err(Lost::Reader) => {}
            Err(Lost::Scrape(failure)) => {
                self.account.failed(&failure);
                let _ = pieces.try_send(Piece::Failed(failure));
            }
        }
    }

    async fn send_all(
        &mut self,
        begun: Vec<u8>,
        mut encoder: Encoder,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), Lost> {
        let mut out = begun;
        loop {
            self.send(pieces, encoder.push(std::mem::take(&mut out))).await?;
            match self.advance(&mut out).await.map_err(Lost::Scrape)? {
                Advanced::More => {}
                Advanced::End => break,
            }
        }
        self.send(pieces, encoder.push(out)).await?;
        self.send(pieces, encoder.finish()).await?;
        self.hand_over(pieces, Piece::End).await
    }

    async fn send(&self, pieces: &mpsc::Sender<Piece>, bytes: Bytes) -> Result<(), Lost> {
        match bytes.is_empty() {
            true => Ok(()),
            false => self.hand_over(pieces, Piece::Data(bytes)).await,
        }
    }

    async fn hand_over(&self, pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Lost> {
        match timeout_at(self.deadline.reader(), pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Lost::Reader),
            Err(_) => Err(Lost::Scrape(self.deadline.passed(Stage::Reader))),
        }
    }

    async fn advance(&mut self, out: &mut Vec<u8>) -> Result<Advanced, Failure> {
        let advanced = self.step(out).await;
        self.account.received(self.asked_at.elapsed(), self.source.received());
        advanced
    }

    async fn step(&mut self, out: &mut Vec<u8>) -> Result<Advanced, Failure> {
        let Some(held) = &mut self.held else { return Ok(Advanced::End) };
        let Some(bytes) = self.source.next(&self.deadline).await? else {
            return self.finish(out).await.map(|()| Advanced::End);
        };
        match &mut self.treatment {
            Treatment::Pass => out.extend_from_slice(bytes),
            Treatment::Guard { scrape, begun } => {
                if *begun == Begun::NotYet {
                    let fallback = self.target.settings.fallback_scrape_protocol;
                    let format = content::format(self.content_type.as_ref(), fallback)?;
                    let loading = held.lease.load(format, self.clock.now());
                    let loaded = timeout_at(self.deadline.exporter(), loading).await;
                    loaded.map_err(|_| self.deadline.passed(Stage::Body))?;
                    if held.lease.is_cut_off(format) {
                        // Lines will have to be taken out, so none may leave before the end.
                        (scrape.limits.hold_output, self.release) = (u64::MAX, Release::Whole);
                    }
                    held.lease.begin(format, scrape.clone());
                    *begun = Begun::Yes;
                }
                held.lease.push(bytes)?;
                #[cfg(test)]
                super::tests::as_if_the_engine_had_a_bug(bytes);
                held.lease.drain(out);
            }
        }
        Ok(Advanced::More)
    }

    /// Commits, and lets go of everything before anybody waits for the reader. What was committed is
    /// with the store before the last byte leaves, or the store is too slow to be waited for.
    async fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(mut held) = self.held.take() else { return Ok(()) };
        if let Treatment::Guard { scrape, begun: Begun::NotYet } = &self.treatment
            && let Some(format) = self.format_of_nothing(&held.lease)
        {
            held.lease.begin(format, scrape.clone());
        }
        let wall_seconds = match &self.treatment {
            Treatment::Guard { scrape, .. } => scrape.wall_seconds,
            Treatment::Pass => 0.0,
        };
        if let Some(result) = held.lease.finish(self.end, out) {
            let report = result?;
            let target = &self.target.settings.name;
            self.telemetry.scrape_committed(target, &report);
            match held.lease.keep().await {
                Showing::Everything => {
                    for learned in self.commons.learn(&report, wall_seconds).enforced() {
                        self.telemetry.label_collapsed(target, learned);
                    }
                    if let Some(view) = &self.view {
                        view.publish().await;
                    }
                }
                Showing::Without(withheld) if self.left == Left::Nothing => *out = withheld.cut(out),
                Showing::Without(_) => return Err(Failure::NotShared),
            }
        }
        if self.end == BodyEnd::Framed {
            held.connection.rests(held.keep_alive);
            held.lease.keep_connection(held.connection);
        }
        Ok(())
    }

    /// An empty body needs no Content-Type; only the clock of what is remembered goes on.
    fn format_of_nothing(&self, lease: &Lease) -> Option<Format> {
        let said = self.content_type.as_ref().and_then(content::recognised);
        said.or_else(|| lease.known_format())
    }
}
