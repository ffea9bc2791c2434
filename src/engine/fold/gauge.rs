//! Gauges: the aggregate of the members in this scrape (rules 3.1 to 3.3).

use super::sum::Sum;

/// How members of a gauge become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaugeFold {
    Sum,
    Max,
    Min,
    Avg,
    Count,
    /// 1 whatever the members say (rule 3.10).
    One,
    /// No line at all.
    Drop,
}

impl GaugeFold {
    pub const fn as_str(self) -> &'static str {
        match self {
            GaugeFold::Sum => "sum",
            GaugeFold::Max => "max",
            GaugeFold::Min => "min",
            GaugeFold::Avg => "avg",
            GaugeFold::Count => "count",
            GaugeFold::One => "one",
            GaugeFold::Drop => "drop",
        }
    }

    /// In an order that is written down: only ever add at the end.
    pub(super) const ALL: [GaugeFold; 7] = [
        GaugeFold::Sum,
        GaugeFold::Max,
        GaugeFold::Min,
        GaugeFold::Avg,
        GaugeFold::Count,
        GaugeFold::One,
        GaugeFold::Drop,
    ];
}

/// What the members of one group add up to in this scrape.
#[derive(Clone, Copy, Debug)]
pub struct GaugeGain {
    members: u32,
    sum: Sum,
    max: f64,
    min: f64,
}

impl Default for GaugeGain {
    fn default() -> Self {
        GaugeGain { members: 0, sum: Sum::default(), max: f64::NAN, min: f64::NAN }
    }
}

impl GaugeGain {
    /// NaN spoils sum and average, as in PromQL; `f64::max` and `min` ignore it.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.members += 1;
        self.sum.add(value);
        self.max = self.max.max(value);
        self.min = self.min.min(value);
    }

    /// `None` when there is nothing to show.
    pub fn value(&self, fold: GaugeFold) -> Option<f64> {
        if self.members == 0 {
            return None;
        }
        match fold {
            GaugeFold::Sum => Some(self.sum.value()),
            GaugeFold::Max => Some(self.max),
            GaugeFold::Min => Some(self.min),
            GaugeFold::Avg => Some(self.sum.value() / f64::from(self.members)),
            GaugeFold::Count => Some(f64::from(self.members)),
            GaugeFold::One => Some(1.0),
            GaugeFold::Drop => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(values: &[f64], by: GaugeFold) -> Option<f64> {
        let mut gain = GaugeGain::default();
        values.iter().for_each(|&v| gain.add(v));
        gain.value(by)
    }

    #[test]
    fn rule_3_1_each_aggregate() {
        let values = [3.0, 1.0, 2.0];
        assert_eq!(fold(&values, GaugeFold::Sum), Some(6.0));
        assert_eq!(fold(&values, GaugeFold::Max), Some(3.0));
        assert_eq!(fold(&values, GaugeFold::Min), Some(1.0));
        assert_eq!(fold(&values, GaugeFold::Avg), Some(2.0));
        assert_eq!(fold(&values, GaugeFold::Count), Some(3.0));
        assert_eq!(fold(&values, GaugeFold::Drop), None);
        assert_eq!(fold(&[], GaugeFold::Sum), None);
    }

    #[test]
    fn rule_3_3_nan_spoils_sums_and_not_extremes() {
        let values = [f64::NAN, 1.0, 2.0];
        assert!(fold(&values, GaugeFold::Sum).is_some_and(f64::is_nan));
        assert!(fold(&values, GaugeFold::Avg).is_some_and(f64::is_nan));
        assert_eq!(fold(&values, GaugeFold::Max), Some(2.0));
        assert_eq!(fold(&values, GaugeFold::Min), Some(1.0));
    }

    #[test]
    fn rule_3_10_info_is_one() {
        assert_eq!(fold(&[1.0, 1.0], GaugeFold::One), Some(1.0));
    }
}
