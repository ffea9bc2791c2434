//! Which scrapes of an endpoint are looked at (`engine::guard::Look`): the first ones, then one in
//! five minutes, so that a steady scrape pays nothing.

use std::time::Duration;

use crate::engine::guard::{Diagnosis, Look, Sight};
use crate::engine::model::{Format, Seed};

#[derive(Debug, Default)]
pub(super) struct Looks {
    sight: Option<Sight>,
    taken: u32,
    /// When the next one is due, on the guard's clock.
    due: Duration,
}

/// So many looks are taken soon after each other: whoever has just put the guard in wants to know.
const SOON: u32 = 3;
const AT_FIRST: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(300);

impl Looks {
    /// A look, when one is due. One whose scrape fails is taken again.
    pub(super) fn begin(&mut self, format: Format, now: Duration, random: impl FnOnce() -> u64) -> Option<Look> {
        if now < self.due {
            return None;
        }
        let sight = self.sight.get_or_insert_with(|| Sight::new(Seed::new(random())));
        Some(sight.look(format))
    }

    /// Its scrape ended well.
    pub(super) fn end(&mut self, look: Look, now: Duration) -> Option<Diagnosis> {
        let diagnosis = self.sight.as_mut()?.compare(look);
        self.taken = self.taken.saturating_add(1);
        self.due = now + if self.taken < SOON { AT_FIRST } else { LATER };
        Some(diagnosis)
    }

    pub(super) fn memory(&self) -> usize {
        self.sight.as_ref().map_or(0, Sight::memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn the_first_scrapes_and_then_one_in_five_minutes() {
        let mut looks = Looks::default();
        let mut taken = Vec::new();
        for now in (0..1000).step_by(15) {
            if let Some(look) = looks.begin(Format::Text, seconds(now), || 1) {
                looks.end(look, seconds(now)).unwrap();
                taken.push(now);
            }
        }
        assert_eq!(taken, [0, 60, 120, 420, 720]);
    }

    #[test]
    fn a_failed_scrape_is_followed_by_another_look() {
        let mut looks = Looks::default();
        assert!(looks.begin(Format::Text, seconds(0), || 1).is_some());
        assert!(looks.begin(Format::Text, seconds(1), || 1).is_some());
    }
}
