//! The body of an answer: held whole, or in pieces as the scrape goes on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::account::Account;
use super::failure::Failure;
use super::patience::Patience;

/// A held body is handed over in pieces of this size, so that a client that stops reading is
/// noticed before all of it is in buffers.
const PIECE: usize = 32 << 10;

/// One answer's body. When it is dropped before its end, the client went away and the scrape that
/// feeds it is aborted.
pub struct Body {
    content: Content,
    account: Option<Account>,
    patience: Option<Arc<Patience>>,
}

/// What a scrape under way sends. The channel closing without an end is a failure too.
#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    Failed(Failure),
    End,
}

/// The answer had begun: all that is left is to cut the connection, so that nobody takes what was
/// sent for the whole.
#[derive(Debug, thiserror::Error)]
#[error("aborted in the middle of the body")]
pub struct Aborted;

enum Content {
    Whole(Bytes),
    Stream { pieces: mpsc::Receiver<Piece>, scrape: AbortHandle },
    Done,
    Failed,
}

impl Body {
    pub fn whole(bytes: Bytes) -> Body {
        Body { content: Content::Whole(bytes), account: None, patience: None }
    }

    pub fn stream(pieces: mpsc::Receiver<Piece>, scrape: AbortHandle) -> Body {
        Body { content: Content::Stream { pieces, scrape }, account: None, patience: None }
    }

    /// Closes these books when the body has been taken, or not.
    pub fn with_account(mut self, account: Account) -> Body {
        self.account = Some(account);
        self
    }

    /// Tells the connection when this answer is over.
    pub fn with_patience(mut self, patience: Arc<Patience>) -> Body {
        self.patience = Some(patience);
        self
    }

    fn fail(&mut self, failure: &Failure) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(account) = &self.account {
            account.failed(failure);
        }
        self.content = Content::Failed;
        Poll::Ready(Some(Err(Aborted)))
    }

    fn data(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(account) = &self.account {
            account.sent(bytes.len());
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = self.get_mut();
        match &mut this.content {
            Content::Whole(rest) if rest.is_empty() => {
                this.content = Content::Done;
                Poll::Ready(None)
            }
            Content::Whole(rest) => {
                let piece = rest.split_to(rest.len().min(PIECE));
                this.data(piece)
            }
            Content::Stream { pieces, .. } => match pieces.poll_recv(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Piece::Data(bytes))) => this.data(bytes),
                Poll::Ready(Some(Piece::Failed(failure))) => this.fail(&failure),
                Poll::Ready(None) => this.fail(&Failure::Internal),
                Poll::Ready(Some(Piece::End)) => {
                    this.content = Content::Done;
                    Poll::Ready(None)
                }
            },
            Content::Done => Poll::Ready(None),
            Content::Failed => Poll::Ready(Some(Err(Aborted))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(rest) => rest.is_empty(),
            Content::Done => true,
            Content::Stream { .. } | Content::Failed => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Content::Done => SizeHint::with_exact(0),
            Content::Stream { .. } | Content::Failed => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        match &self.content {
            Content::Whole(rest) if !rest.is_empty() => {}
            Content::Whole(_) | Content::Done => {
                if let Some(account) = &self.account {
                    account.ended_well();
                }
            }
            Content::Stream { scrape, .. } => scrape.abort(),
            Content::Failed => {}
        }
        if let Some(patience) = &self.patience {
            patience.answered();
        }
    }
}
