//! What happened to the process as a whole, for whoever looks at it: the last two hundred facts.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::engine::policy::Mode;

/// Something happened.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: SystemTime,
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Settings and policies came into force.
    Loaded { targets: usize },
    /// They did not, and the old ones stay.
    NotLoaded { reason: String },
    /// The mode of a target was set by hand for so long; `None`: it is as configured again.
    Mode { target: String, mode: Option<(Mode, Duration)> },
}

#[derive(Debug, Default)]
pub(super) struct Diary {
    entries: VecDeque<Entry>,
}

const MOST: usize = 200;
/// Bytes kept of a reason.
const REASON: usize = 2000;

impl Diary {
    pub(super) fn note(&mut self, at: SystemTime, mut fact: Fact) {
        if let Fact::NotLoaded { reason } = &mut fact {
            let end = (0..=REASON.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
            reason.truncate(end.unwrap_or(0));
        }
        self.entries.push_back(Entry { at, fact });
        if self.entries.len() > MOST {
            self.entries.pop_front();
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_new() {
        let mut diary = Diary::default();
        for targets in 0..=MOST {
            diary.note(SystemTime::now(), Fact::Loaded { targets });
        }
        let entries = diary.entries();
        assert_eq!((entries.len(), &entries[MOST - 1].fact), (MOST, &Fact::Loaded { targets: MOST }));
        diary.note(SystemTime::now(), Fact::NotLoaded { reason: "ü".repeat(REASON) });
        let Some(Entry { fact: Fact::NotLoaded { reason }, .. }) = diary.entries().pop() else { panic!("noted") };
        assert_eq!(reason.len(), REASON);
    }
}
