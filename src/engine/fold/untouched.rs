//! Members that came with their group's own labels (rule 0.11): without the guard their series goes
//! on at the member's number where the group's was shown.

use super::family::{FoldFamily, Shape};
use super::group::{Composite, Group, Line, Totals};
use super::member::{MemberId, Members};
use super::{Fold, field};

/// A line of a group as it was last shown, and the same line of its untouched member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seam<'a> {
    pub shown: Line<'a>,
    /// NaN where the member never had it.
    pub raw: f64,
}

impl Fold {
    /// Groups that add up and have such a member. Between two scrapes.
    pub fn untouched(&self) -> impl Iterator<Item = (&Group, MemberId)> {
        let adds_up = |group: &&Group| self.families[group.family.index()].shape.accumulates();
        self.groups.iter().filter(adds_up).filter_map(|group| {
            let member = self.members.find(group.key)?;
            // Where its family is let go of, the group is frozen and the member passes beside it.
            self.members.get(member).group().is_some().then_some((group, member))
        })
    }

    /// Calls `seam` for each line of the two.
    pub fn seams(&self, group: &Group, member: MemberId, mut seam: impl FnMut(Seam<'_>)) {
        let family = &self.families[group.family.index()];
        group.last_lines(family.shape, |shown| seam(Seam { shown, raw: raw(family, &self.members, member, shown) }));
    }
}

impl Group {
    /// What the last committed scrape showed.
    fn last_lines(&self, shape: Shape, mut line: impl FnMut(Line<'_>)) {
        // Newborn is what has shown nothing but 0 yet.
        let zero = self.newborn;
        match &self.totals {
            Totals::Counter { total, .. } => line(Line::Value(if zero { 0.0 } else { total.value() })),
            Totals::Composite(composite @ Composite { shaped: true, .. }) => composite.lines(shape, zero, line),
            Totals::Composite(_) | Totals::Gauge(_) => {}
        }
    }
}

fn raw(family: &FoldFamily, members: &Members, member: MemberId, line: Line<'_>) -> f64 {
    match line {
        Line::Value(_) => members.last(member, field::VALUE),
        Line::Sum(_) => members.last(member, field::SUM),
        Line::Count(_) => members.last(member, field::COUNT),
        Line::Bucket { le, .. } => {
            let at = le.parse().ok().and_then(|le: f64| family.layouts.position(members.class(member).layout, le));
            at.map_or(f64::NAN, |at| members.last(member, field::BUCKETS + at as u32))
        }
    }
}
