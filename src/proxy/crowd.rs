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
    /// Lets a connection in. Beyond `max` (0 = off) the longest idle has to go, one that never
    /// asked anything included; when all are busy there is no room.
    pub fn join(self: &Arc<Self>, patience: Arc<Patience>, max: usize) -> Option<Member> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if max != 0 && inside.members.len() >= max {
            let idle = inside.members.iter().filter_map(|(number, p)| Some((p.idle_since()?, *number)));
            let (_, longest) = idle.min()?;
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
    use std::time::Duration;

    use super::super::patience::Farewell;
    use super::*;

    fn connection() -> Arc<Patience> {
        std::thread::sleep(Duration::from_millis(2));
        Arc::new(Patience::new(Duration::from_secs(3600)))
    }

    #[tokio::test]
    async fn the_longest_idle_makes_room() {
        let crowd = Arc::new(Crowd::default());
        let [silent, resting, busy] = [(); 3].map(|()| connection());
        resting.asked();
        resting.answered();
        busy.asked();
        let members = [&silent, &resting, &busy].map(|p| crowd.join(p.clone(), 3));
        assert!(members.iter().all(Option::is_some));

        let [next, another, last] = [(); 3].map(|()| connection());
        next.asked();
        another.asked();
        let _next = crowd.join(next, 3).expect("who never asked makes room");
        assert_eq!(silent.closing().await, Farewell::AtOnce);
        let _another = crowd.join(another, 3).expect("who rests makes room");
        assert_eq!(resting.closing().await, Farewell::Graceful);
        assert!(crowd.join(last, 3).is_none(), "the others are busy");
    }
}
