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

impl Share {
    /// One that so many others make up, who are not here; the endpoint it is for had so many itself.
    pub fn of_others(others: u64, had: u64) -> Share {
        Share { total: AtomicU64::new(others), had }
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
}
