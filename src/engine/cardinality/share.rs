//! A number that several endpoints make up together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The sum of everybody's part.
#[derive(Debug, Default)]
pub struct Share(AtomicU64);

/// One endpoint's part. It goes with its owner.
#[derive(Debug)]
pub struct Part {
    share: Arc<Share>,
    own: u64,
}

impl Share {
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Part {
    pub fn of(share: Arc<Share>) -> Part {
        Part { share, own: 0 }
    }

    /// The part is this much now.
    pub fn set(&mut self, own: u64) {
        if own >= self.own {
            self.share.0.fetch_add(own - self.own, Ordering::Relaxed);
        } else {
            self.share.0.fetch_sub(self.own - own, Ordering::Relaxed);
        }
        self.own = own;
    }

    /// What the others make up.
    pub fn others(&self) -> u64 {
        self.share.total().saturating_sub(self.own)
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
