//! Since when a target has more series than it used to.

use std::time::Duration;

use crate::state::Point;

/// Series were so many, and became so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    pub from: u64,
    pub to: u64,
    /// On the process' clock: the last time they were about as few as before.
    pub since: Duration,
}

/// Fewer more are nothing to speak of.
const LEAST: u64 = 20;

/// When the series received are at least twice the fewest there were, and since when.
pub(super) fn of(points: &[Point]) -> Option<Growth> {
    let from = points.iter().map(|point| point.received).min()?;
    let to = points.last()?.received;
    if to < from * 2 || to - from < LEAST {
        return None;
    }
    let few = points.iter().rev().find(|point| point.received <= from + (to - from) / 4)?;
    Some(Growth { from, to, since: few.at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(received: &[u64]) -> Option<(u64, u64, u64)> {
        let point = |(at, received): (usize, &u64)| Point {
            at: Duration::from_secs(at as u64),
            received: *received,
            forwarded: 0,
        };
        let points: Vec<Point> = received.iter().enumerate().map(point).collect();
        of(&points).map(|growth| (growth.from, growth.to, growth.since.as_secs()))
    }

    #[test]
    fn an_explosion_has_a_beginning() {
        for (received, want) in [
            (&[][..], None),
            (&[1000], None),
            (&[1000, 1900, 1500], None),
            (&[2, 19], None),
            (&[100, 110, 4000, 9000], Some((100, 9000, 1))),
            (&[100, 9000, 120, 9000, 9100], Some((100, 9100, 2))),
            (&[100, 9000, 150], None),
        ] {
            assert_eq!(found(received), want, "{received:?}");
        }
    }
}
