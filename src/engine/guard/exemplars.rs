//! Exemplars of folded lines (rule 4.3): at most one a line, from a member whose value moved in
//! this scrape, the newest.

use std::collections::HashMap;

use crate::engine::fold::{GroupId, Line, field};

#[derive(Debug, Default)]
pub(super) struct Exemplars {
    newest: HashMap<(GroupId, Slot), Exemplar>,
}

#[derive(Debug)]
struct Exemplar {
    timestamp: f64,
    /// From the `#` on.
    text: Box<[u8]>,
}

/// Which line of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// A value, a sum or a count.
    Field(u32),
    /// A bucket, by the bits of its boundary.
    Bucket(u64),
}

impl Slot {
    pub fn of(line: &Line<'_>) -> Slot {
        match line {
            Line::Bucket { le, .. } => Slot::bucket(le),
            Line::Count(_) => Slot::Field(field::COUNT),
            Line::Value(_) | Line::Sum(_) => Slot::Field(field::VALUE),
        }
    }

    /// `1` and `1.0` are one boundary.
    pub fn bucket(le: &str) -> Slot {
        Slot::Bucket((le.parse::<f64>().unwrap_or(f64::NAN) + 0.0).to_bits())
    }
}

impl Exemplars {
    /// An exemplar of a member that moved.
    pub fn offer(&mut self, group: GroupId, slot: Slot, text: &[u8]) {
        let timestamp = timestamp(text);
        let newer = self.newest.get(&(group, slot)).is_none_or(|e| e.timestamp < timestamp);
        if newer {
            self.newest.insert((group, slot), Exemplar { timestamp, text: text.into() });
        }
    }

    pub fn get(&self, group: GroupId, slot: Slot) -> Option<&[u8]> {
        self.newest.get(&(group, slot)).map(|e| &*e.text)
    }
}

/// Seconds; one without a timestamp is older than any that has one.
fn timestamp(text: &[u8]) -> f64 {
    let after = text.iter().rposition(|&b| b == b'}').map_or(text, |at| &text[at + 1..]);
    let mut words = std::str::from_utf8(after).unwrap_or_default().split_ascii_whitespace();
    words.nth(1).and_then(|t| t.parse().ok()).unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_4_3_the_newest_wins() {
        let mut exemplars = Exemplars::default();
        let (group, slot) = (GroupId(0), Slot::bucket("1.0"));
        exemplars.offer(group, slot, b"# {t=\"a\"} 0.5 20");
        exemplars.offer(group, slot, b"# {t=\"b\"} 0.5 10");
        exemplars.offer(group, slot, b"# {t=\"}c\"} 0.5");
        assert_eq!(exemplars.get(group, Slot::bucket("1")), Some(&b"# {t=\"a\"} 0.5 20"[..]));
        assert_eq!(exemplars.get(group, Slot::Field(field::VALUE)), None);
    }
}
