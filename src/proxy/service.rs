//! The stack around a scrape: books closed once, panics caught, failures answered.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Response;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use super::answer;
use super::body::Body;
use super::failure::Failure;
use super::scrape::{Ask, Scraper};

/// Takes a request for a scrape, always has an answer.
pub type Scrapes = BoxCloneSyncService<Ask, Response<Body>, Infallible>;

type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

pub fn scrapes(scraper: Arc<Scraper>) -> Scrapes {
    let core = tower::service_fn(move |ask: Ask| {
        let scraper = scraper.clone();
        async move { scraper.scrape(ask).await }
    });
    BoxCloneSyncService::new(ServiceBuilder::new().layer(AnswerLayer).layer(CatchPanicLayer).service(core))
}

/// Turns a failure into a response and notes it in the books.
#[derive(Clone, Copy)]
struct AnswerLayer;

#[derive(Clone)]
struct Answers<S>(S);

/// Turns a panic into a failure. One exporter's body must not take the others down.
#[derive(Clone, Copy)]
struct CatchPanicLayer;

#[derive(Clone)]
struct CatchPanic<S>(S);

impl<S> Layer<S> for AnswerLayer {
    type Service = Answers<S>;

    fn layer(&self, inner: S) -> Answers<S> {
        Answers(inner)
    }
}

impl<S> Service<Ask> for Answers<S>
where
    S: Service<Ask, Response = Response<Body>, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let inner = self.0.clone();
        let (account, patience) = (ask.account.clone(), ask.patience.clone());
        Box::pin(async move {
            let response = inner.oneshot(ask).await.unwrap_or_else(|failure| {
                account.failed(&failure);
                answer::failed(&failure)
            });
            Ok(response.map(|body| body.with_patience(patience)))
        })
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic(inner)
    }
}

impl<S> Service<Ask> for CatchPanic<S>
where
    S: Service<Ask, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = Boxed<S::Response, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let mut scrape = Box::pin(self.0.call(ask));
        Box::pin(std::future::poll_fn(move |cx| {
            // What a panic leaves half done is thrown away with the future.
            catch_unwind(AssertUnwindSafe(|| scrape.as_mut().poll(cx))).unwrap_or(Poll::Ready(Err(Failure::Internal)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::HeaderMap;
    use hyper::{Method, Version};

    use super::super::account::Account;
    use super::super::patience::Patience;
    use super::super::route::{Entry, Place, Wanted};
    use super::*;
    use crate::telemetry::Telemetry;

    fn ask() -> Ask {
        Ask {
            wanted: Wanted { entry: Entry::Any, place: Place::OfEntry, extra_query: String::new() },
            method: Method::GET,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            peer: ([127, 0, 0, 1], 1).into(),
            account: Account::open(Arc::new(Telemetry::default())),
            patience: Arc::new(Patience::new(std::time::Duration::from_secs(3600))),
        }
    }

    /// A scrape that waits once, then panics when it is told to.
    async fn scrape(ask: Ask) -> Result<Response<Body>, Failure> {
        tokio::task::yield_now().await;
        if ask.version == Version::HTTP_10 {
            panic!("as if the engine had a bug");
        }
        Ok(Response::new(Body::whole(Bytes::from_static(b"a 1\n"))))
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_scrape_and_the_next_goes_on() {
        let stack = ServiceBuilder::new().layer(AnswerLayer).layer(CatchPanicLayer).service(tower::service_fn(scrape));
        let mut broken = ask();
        broken.version = Version::HTTP_10;
        for (ask, status) in [(ask(), 200), (broken, 502), (ask(), 200)] {
            let Ok(response) = stack.clone().oneshot(ask).await;
            assert_eq!(response.status(), status);
        }
    }
}
