//! What a state does not write down, handed on: one that is read in the place of another of the same
//! endpoint goes on with what that one knew. Nothing that is shown depends on it, but what is counted
//! as new does.

use super::doubles::Double;
use super::state::EndpointState;

/// Whether what is not written down is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recollection {
    #[default]
    Whole,
    /// The state was read, and no scrape of it was committed yet: who was left out before nobody knows.
    Written,
}

impl EndpointState {
    /// This one takes the place of `old`, whose members and groups may be behind.
    pub fn inherit(&mut self, mut old: Box<EndpointState>) {
        if self.format != old.format || self.seed.raw() != old.seed.raw() {
            return;
        }
        self.recollection = old.recollection;
        let hold = self.clients.hold_seconds();
        self.clients = std::mem::take(&mut old.clients);
        self.clients.heard(hold);
        self.budgets.inherit(std::mem::take(&mut old.budgets));
        self.families.inherit(&mut old.families);
        self.label_rows = std::mem::take(&mut old.label_rows);
        for double in std::mem::take(&mut old.doubles) {
            self.inherit_double(double);
        }
    }

    /// A double has members that nobody writes down; what was decided in it is what was read.
    fn inherit_double(&mut self, mut double: Double) {
        let Some(read) = self.doubles.iter_mut().find(|read| read.policy == double.policy) else {
            return self.doubles.push(double);
        };
        let decided = std::mem::take(&mut read.state.budgets);
        double.state.budgets.replace(decided);
        double.state.decide_everything_anew();
        double.state.fold.clock.resume(self.fold.clock.seconds());
        *read = double;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::model::{Format, Seed};

    #[test]
    fn rule_2_2_who_scrapes_is_known_over_a_whole_read_and_no_release_is_taken_up_twice() {
        let mut old = EndpointState::new(Format::Text, Seed::new(1));
        (0..4).for_each(|at| old.clients.answered(9, Duration::from_secs(100 * at)));
        for (seed, want) in [(1, (7, 200.0)), (2, (7, 60.0))] {
            let (mut written, mut bytes) = (EndpointState::new(Format::Text, Seed::new(seed)), Vec::new());
            // Releases that it has taken up, which the one that is replaced may not have.
            written.released = 7;
            written.snapshot(&mut bytes);
            let mut read = EndpointState::restore([bytes.as_slice()]).unwrap();
            let mut copy = EndpointState::new(Format::Text, Seed::new(1));
            (copy.released, copy.clients) = (5, old.clients.clone());
            read.inherit(copy);
            assert_eq!((read.released, read.clients.hold_seconds()), want, "seed {seed}");
        }
    }
}
