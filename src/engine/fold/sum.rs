//! Sums of increments that never lose a bit worth having (rule 1.12).

/// A double-double sum: adds increments one by one and keeps what rounding would lose, so that
/// adding something that is not negative never lets the value fall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    pub const fn new(value: f64) -> Sum {
        Sum { high: value, low: 0.0 }
    }

    #[inline]
    pub fn add(&mut self, x: f64) {
        let (s, e) = two_sum(self.high, x);
        // Counts: nothing was lost, now or before, and the next sum need not wait for the rest.
        if self.low == 0.0 && e == 0.0 {
            self.high = s;
            return;
        }
        let low = self.low + e;
        // NaN and infinities have no error term; keep what plain addition says.
        if low.is_finite() {
            let (high, low) = two_sum(s, low);
            *self = Sum { high, low };
        } else {
            *self = Sum { high: s, low: 0.0 };
        }
    }

    #[inline]
    pub fn add_sum(&mut self, other: Sum) {
        self.add(other.high);
        if other.low != 0.0 {
            self.add(other.low);
        }
    }

    #[inline]
    pub const fn value(self) -> f64 {
        self.high
    }

    /// The value and what rounding it took away.
    pub(super) const fn halves(self) -> (f64, f64) {
        (self.high, self.low)
    }

    pub(super) const fn from_halves(high: f64, low: f64) -> Sum {
        Sum { high, low }
    }

    pub fn is_zero(self) -> bool {
        self.high == 0.0 && self.low == 0.0
    }
}

/// Knuth's TwoSum: the rounded sum and exactly what rounding took away.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let bb = s - a;
    (s, (a - (s - bb)) + (b - bb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_12_tenths_add_up_without_drift() {
        let mut sum = Sum::default();
        for _ in 0..1000 {
            sum.add(0.1);
        }
        assert_eq!(sum.value(), 100.0);
    }

    #[test]
    fn rule_1_12_never_falls_for_increments_that_are_not_negative() {
        let mut sum = Sum::new(4e15);
        let mut before = sum.value();
        for i in 0..10_000u32 {
            sum.add(f64::from(i % 7) * 1e-3);
            assert!(sum.value() >= before);
            before = sum.value();
        }
    }

    #[test]
    fn infinities_and_nan_behave_as_in_plain_addition() {
        let mut sum = Sum::new(1.0);
        sum.add(f64::INFINITY);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.add(f64::NEG_INFINITY);
        assert!(sum.value().is_nan());
    }
}
