//! Counters: what a member's new value adds to its group (rules 1.1 to 1.11).

/// Where a member comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Past {
    /// Its last good value.
    Known(f64),
    /// Its process or its `_created` began again after the last good value (rules 1.4, 1.5).
    BeganAgain,
    /// Not there before, so it counts from 0 (rule 1.2).
    Birth,
    /// Old already when first seen, so only what follows counts (rules 1.1, 1.7b, 1.8, 1.9, 5.8).
    Baseline,
}

/// What it adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    pub delta: f64,
    pub reset: Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    No,
    Yes,
}

/// Past this the next +1 could be lost (rule 1.11).
pub const ACCUMULATOR_LIMIT: f64 = 4_503_599_627_370_496.0;

/// Rule 1.3, given the past.
#[inline]
pub fn gain(past: Past, value: f64) -> Gain {
    match past {
        Past::Known(last) if value >= last => Gain { delta: value - last, reset: Reset::No },
        Past::Known(_) | Past::BeganAgain => Gain { delta: value, reset: Reset::Yes },
        Past::Birth => Gain { delta: value, reset: Reset::No },
        Past::Baseline => Gain { delta: 0.0, reset: Reset::No },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_3_difference_or_reset() {
        assert_eq!(gain(Past::Known(100.0), 104.0), Gain { delta: 4.0, reset: Reset::No });
        assert_eq!(gain(Past::Known(104.0), 3.0), Gain { delta: 3.0, reset: Reset::Yes });
        assert_eq!(gain(Past::Known(7.0), 7.0), Gain { delta: 0.0, reset: Reset::No });
    }

    #[test]
    fn rules_1_1_and_1_2_baseline_and_birth() {
        assert_eq!(gain(Past::Baseline, 5000.0).delta, 0.0);
        assert_eq!(gain(Past::Birth, 3.0).delta, 3.0);
    }

    #[test]
    fn rule_1_4_a_process_that_began_again_counts_from_zero_though_the_value_rose() {
        assert_eq!(gain(Past::BeganAgain, 40.0), Gain { delta: 40.0, reset: Reset::Yes });
    }
}
