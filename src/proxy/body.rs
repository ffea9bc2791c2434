//! The body of an answer: held whole, or in pieces as the scrape goes on.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::account::Account;
use super::deadline::Deadline;
use super::failure::{Failure, Stage};
use super::patience::Patience;

/// A held body is handed over in pieces of this size, so that a client that stops reading is
/// noticed before all of it is in buffers.
const PIECE: usize = 128 << 10;

/// One answer's body. When it is dropped before its end, the client went away and the scrape that
/// feeds it is aborted.
pub struct Body {
    content: Content,
    account: Option<Account>,
    patience: Option<Arc<Patience>>,
}

/// What a scrape under way gives next.
pub enum Piece {
    /// And what goes on behind it.
    Data(Bytes, Next),
    Last(Bytes),
    Failed(Failure),
}

/// A scrape on its way to its next piece.
pub type Next = Pin<Box<dyn Future<Output = Piece> + Send>>;

/// The answer had begun: all that is left is to cut the connection, so that nobody takes what was
/// sent for the whole.
#[derive(Debug, thiserror::Error)]
#[error("aborted in the middle of the body")]
pub struct Aborted;

enum Content {
    /// What is left of it, in two parts.
    Whole([Bytes; 2]),
    /// The scrape goes on while the body is asked for: one task does all of it.
    Stream {
        next: Next,
        deadline: Deadline,
    },
    Done,
    /// The next time it is asked for.
    Failing(Failure),
    Failed,
}

impl Body {
    pub fn whole(bytes: Bytes) -> Body {
        Body::of(Content::Whole([Bytes::new(), bytes]))
    }

    /// One part behind the other.
    pub fn parts(parts: [Bytes; 2]) -> Body {
        Body::of(Content::Whole(parts))
    }

    pub fn stream(next: Next, deadline: Deadline) -> Body {
        Body::of(Content::Stream { next, deadline })
    }

    fn of(content: Content) -> Body {
        Body { content, account: None, patience: None }
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
            Content::Whole([first, rest]) => {
                let part = if first.is_empty() { rest } else { first };
                if part.is_empty() {
                    this.content = Content::Done;
                    return Poll::Ready(None);
                }
                let piece = part.split_to(part.len().min(PIECE));
                this.data(piece)
            }
            Content::Stream { next, deadline } => {
                // What a panic leaves half done is thrown away with the future.
                let polled = catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(cx)));
                let deadline = *deadline;
                match polled.unwrap_or(Poll::Ready(Piece::Failed(Failure::Internal))) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Piece::Data(bytes, next)) => {
                        this.content = Content::Stream { next, deadline };
                        this.data(bytes)
                    }
                    Poll::Ready(Piece::Last(bytes)) => {
                        this.content = Content::Whole([Bytes::new(), bytes]);
                        Pin::new(this).poll_frame(cx)
                    }
                    Poll::Ready(Piece::Failed(failure)) => {
                        // What was handed over before leaves first: the head at least.
                        this.content = Content::Failing(failure);
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                }
            }
            Content::Failing(failure) => {
                let failure = failure.clone();
                this.fail(&failure)
            }
            Content::Done => Poll::Ready(None),
            Content::Failed => Poll::Ready(Some(Err(Aborted))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(parts) => parts.iter().all(Bytes::is_empty),
            Content::Done => true,
            Content::Stream { .. } | Content::Failing(_) | Content::Failed => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(parts) => SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum()),
            Content::Done => SizeHint::with_exact(0),
            Content::Stream { .. } | Content::Failing(_) | Content::Failed => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            match &self.content {
                Content::Whole(parts) if parts.iter().all(Bytes::is_empty) => account.ended_well(),
                Content::Done => account.ended_well(),
                Content::Stream { deadline, .. } if deadline.reader() <= Instant::now() => {
                    account.failed(&deadline.passed(Stage::Reader));
                }
                Content::Failing(failure) => account.failed(failure),
                Content::Whole(_) | Content::Stream { .. } | Content::Failed => {}
            }
        }
        if let Some(patience) = &self.patience {
            patience.answered();
        }
    }
}
