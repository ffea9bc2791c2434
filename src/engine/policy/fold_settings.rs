//! The single-valued keys: for each, the first matching policy that sets it.

use std::time::Duration;

use super::compiled::FoldKeys;
use super::{Aggregate, FoldSettings, SettingsId};

/// Which policy (by its place among those that cover the family) decides each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deciders {
    pub aggregate: Option<u16>,
    pub hold: Option<u16>,
    pub member_ttl: Option<u16>,
    pub group_ttl: Option<u16>,
    pub histogram_buckets: Option<u16>,
}

/// The combinations of deciders that the series of a family have shown.
#[derive(Clone, Debug)]
pub(super) struct SettingsTable {
    rows: Vec<(Deciders, FoldSettings)>,
}

/// What one policy says about a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says<'p> {
    pub keys: &'p FoldKeys,
    pub aggregate: Option<Aggregate>,
}

impl Default for FoldSettings {
    fn default() -> FoldSettings {
        FoldSettings {
            aggregate: None,
            hold: None,
            member_ttl: Duration::from_secs(3_600),
            group_ttl: Duration::from_secs(24 * 3_600),
            histogram_buckets: None,
        }
    }
}

impl Default for SettingsTable {
    fn default() -> SettingsTable {
        SettingsTable { rows: vec![Default::default()] }
    }
}

impl Deciders {
    /// Notes that the policy at place `at` matches.
    pub fn add(&mut self, at: u16, says: Says<'_>) {
        let claim = |decider: &mut Option<u16>, sets: bool| {
            if sets && decider.is_none() {
                *decider = Some(at);
            }
        };
        claim(&mut self.aggregate, says.aggregate.is_some());
        claim(&mut self.hold, says.keys.hold.is_some());
        claim(&mut self.member_ttl, says.keys.member_ttl.is_some());
        claim(&mut self.group_ttl, says.keys.group_ttl.is_some());
        claim(&mut self.histogram_buckets, says.keys.histogram_buckets.is_some());
    }

    fn settings<'p>(&self, says: impl Fn(u16) -> Option<Says<'p>>) -> FoldSettings {
        let keys = |decider: Option<u16>| decider.and_then(&says).map(|says| says.keys);
        let default = FoldSettings::default();
        FoldSettings {
            aggregate: self.aggregate.and_then(&says).and_then(|says| says.aggregate),
            hold: keys(self.hold).and_then(|keys| keys.hold),
            member_ttl: keys(self.member_ttl).and_then(|keys| keys.member_ttl).unwrap_or(default.member_ttl),
            group_ttl: keys(self.group_ttl).and_then(|keys| keys.group_ttl).unwrap_or(default.group_ttl),
            histogram_buckets: keys(self.histogram_buckets).and_then(|keys| keys.histogram_buckets.clone()),
        }
    }
}

impl SettingsTable {
    /// The id of the settings that these deciders make; row 0 is what no policy decides.
    pub fn id<'p>(&mut self, deciders: Deciders, says: impl Fn(u16) -> Option<Says<'p>>) -> SettingsId {
        let found = self.rows.iter().position(|(have, _)| *have == deciders);
        let row = found.unwrap_or_else(|| {
            self.rows.push((deciders, deciders.settings(says)));
            self.rows.len() - 1
        });
        // Five keys and the policies of one family do not make 65,536 combinations.
        SettingsId(u16::try_from(row).unwrap_or(0))
    }

    pub fn row(&self, id: SettingsId) -> &(Deciders, FoldSettings) {
        self.rows.get(id.0 as usize).unwrap_or(&self.rows[0])
    }
}
