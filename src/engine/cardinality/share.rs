//! A number that several endpoints make up together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The sum of everybody's part.
#[derive(Debug, Default)]
pub struct Share {
    total: AtomicU64,
    /// What the endpoint it was made for is known to have of it.
    had: u64,
}

/// One endpoint's part. It goes with its owner.
#[derive(Debug)]
pub struct Part {
    share: Arc<Share>,
    own: u64,
}

/// Whether there was room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// Others were there first.
    No,
}

impl Share {
    /// One that so many others make up, who are not here; the endpoint it is for had so many itself.
    pub fn of_others(others: u64, had: u64) -> Share {
        Share { total: AtomicU64::new(others), had }
    }

    /// Others have so many more now.
    pub fn others_grow(&self, more: u64) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl Part {
    pub fn of(share: Arc<Share>) -> Part {
        Part { share, own: 0 }
    }

    /// The part is this much now.
    pub fn set(&mut self, own: u64) {
        if own >= self.own {
            self.share.total.fetch_add(own - self.own, Ordering::Relaxed);
        } else {
            self.share.total.fetch_sub(self.own - own, Ordering::Relaxed);
        }
        self.own = own;
    }

    /// The part is no less than this.
    pub fn at_least(&mut self, own: u64) {
        if own > self.own {
            self.set(own);
        }
    }

    /// The part is no less than this, unless all parts together would be more than `limit` then. Who
    /// asks at the same time from elsewhere cannot get the same room.
    pub fn take(&mut self, own: u64, limit: u64) -> Taken {
        let Some(more) = own.checked_sub(self.own) else { return Taken::Yes };
        let fits = |total: u64| total.checked_add(more).filter(|total| more == 0 || *total <= limit);
        match self.share.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => {
                self.own = own;
                Taken::Yes
            }
            Err(_) => Taken::No,
        }
    }

    /// What the others make up.
    pub fn others(&self) -> u64 {
        self.share.total().saturating_sub(self.own)
    }

    /// What it was known to be before anybody counted here: who stood then still stands.
    pub fn had(&self) -> u64 {
        self.share.had
    }

    /// Whether it is a part of this very sum.
    pub fn is_of(&self, share: &Arc<Share>) -> bool {
        Arc::ptr_eq(&self.share, share)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_go_with_their_owner() {
        let share = Arc::new(Share::default());
        let (mut a, mut b) = (Part::of(share.clone()), Part::of(share.clone()));
        a.set(5);
        b.set(7);
        a.set(3);
        assert_eq!((share.total(), a.others(), b.others()), (10, 7, 3));
        drop(a);
        assert_eq!(share.total(), 7);
    }

    #[test]
    fn nobody_takes_what_another_has_taken() {
        let share = Arc::new(Share::default());
        let take = || {
            let mut part = Part::of(share.clone());
            let taken = (1..=10_000).take_while(|own| part.take(*own, 10_000) == Taken::Yes).count();
            (part, taken)
        };
        std::thread::scope(|scope| {
            let taking: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            let parts: Vec<_> = taking.into_iter().map(|taking| taking.join().unwrap()).collect();
            assert_eq!(parts.iter().map(|(_, taken)| taken).sum::<usize>(), 10_000);
            assert_eq!(share.total(), 10_000);
        });
    }

    #[test]
    fn what_is_there_already_is_not_taken_again() {
        let share = Arc::new(Share::of_others(8, 5));
        let mut part = Part::of(share);
        part.at_least(5);
        assert_eq!((part.take(5, 10), part.take(4, 10), part.take(6, 10)), (Taken::Yes, Taken::Yes, Taken::No));
        part.at_least(3);
        assert_eq!(part.others(), 8);
    }
}
