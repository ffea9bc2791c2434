//! All client connections together: no more than `max_connections`, the longest idle go first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::patience::Patience;

/// The connections there are.
#[derive(Default)]
pub struct Crowd {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    members: HashMap<u64, Arc<Patience>>,
}

/// One connection's membership; leaves when dropped.
pub struct Member {
    crowd: Arc<Crowd>,
    number: u64,
}

impl Crowd {
    /// Lets a connection in. Beyond `max` (0 = off) the one that has rested the longest is asked
    /// to close; when all are busy there is no room.
    pub fn join(self: &Arc<Self>, patience: Arc<Patience>, max: usize) -> Option<Member> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if max != 0 && inside.members.len() >= max {
            let resting = inside.members.iter().filter_map(|(number, p)| Some((p.resting_since()?, *number)));
            let (_, longest) = resting.min()?;
            // It is gone for the count at once; its socket follows in a moment.
            if let Some(patience) = inside.members.remove(&longest) {
                patience.close();
            }
        }
        let number = inside.next;
        inside.next += 1;
        inside.members.insert(number, patience);
        Some(Member { crowd: self.clone(), number })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.inside.lock().unwrap_or_else(PoisonError::into_inner).members.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_makes_room() {
        let crowd = Arc::new(Crowd::default());
        let [a, b, c, d] = [(); 4].map(|()| Arc::new(Patience::new(std::time::Duration::from_secs(3600))));
        let _a = crowd.join(a.clone(), 2);
        let _b = crowd.join(b.clone(), 2);
        assert!(crowd.join(c.clone(), 2).is_none(), "both are busy");
        b.answered();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        a.answered();
        let _c = crowd.join(c, 2).expect("b makes room");
        b.closing().await;
        let _d = crowd.join(d, 2).expect("a makes room");
        a.closing().await;
    }
}
