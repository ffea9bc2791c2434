//! Keeps what a future wakes in itself within one turn of its task.
//!
//! A task that is woken while it runs is put in line again, and another worker is woken to look
//! there: the rest of a scrape would go on at another processor, with nothing of it in its caches.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How often a future is gone on with before others have their turn.
const MOST: usize = 8;

/// Nobody polls: who rings wakes the task.
const RESTING: u8 = 0;
const POLLING: u8 = 1;
/// It has to be polled once more; or it is over and nothing has.
const RUNG: u8 = 2;

/// Awaits a future whose parts wake each other.
pub async fn within<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = Arc::new(Bell { state: AtomicU8::new(RESTING), task: Mutex::new(None) });
    let waker = Waker::from(bell.clone());
    poll_fn(move |cx| {
        bell.belongs_to(cx.waker());
        for _ in 0..MOST {
            bell.state.store(POLLING, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                bell.state.store(RUNG, Ordering::SeqCst);
                return Poll::Ready(output);
            }
            if bell.state.compare_exchange(POLLING, RESTING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return Poll::Pending;
            }
        }
        bell.state.store(RESTING, Ordering::SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// What the parts of the future ring.
struct Bell {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn belongs_to(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        let rung = self.state.compare_exchange(POLLING, RUNG, Ordering::SeqCst, Ordering::SeqCst);
        if rung == Err(RESTING) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
            task.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often its task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Task>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Wakes itself so often before it is ready; says how often it was polled.
    async fn restless(times: usize) -> usize {
        let mut polled = 0;
        poll_fn(|cx| {
            polled += 1;
            cx.waker().wake_by_ref();
            if polled > times { Poll::Ready(polled) } else { Poll::Pending }
        })
        .await
    }

    #[test]
    fn what_it_wakes_in_itself_wakes_no_task() {
        let task = Arc::<Task>::default();
        let waker = Waker::from(task.clone());
        let mut future = pin!(within(restless(3)));
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(4));
        assert_eq!(task.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_comes_from_outside_does() {
        let task = Arc::<Task>::default();
        let waker = Waker::from(task.clone());
        let (tell, told) = oneshot::channel();
        let mut future = pin!(within(told));
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        assert_eq!(task.0.load(Ordering::SeqCst), 0);
        tell.send(7).unwrap();
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(7)));
    }

    #[test]
    fn who_never_rests_gives_way_and_is_gone_on_with() {
        let task = Arc::<Task>::default();
        let waker = Waker::from(task.clone());
        let mut future = pin!(within(restless(MOST + 1)));
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(MOST + 2));
    }
}
