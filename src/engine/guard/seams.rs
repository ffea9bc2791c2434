//! What would jump if the guard were taken away: folded series whose labels an exporter's own
//! series has too.

use std::sync::Arc;

use super::show::SampleNames;
use super::state::EndpointState;

/// Such a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Jump {
    /// TYPE name of the text format.
    pub metric: Arc<str>,
    /// As it is written, without its value.
    pub series: String,
    /// What the last good scrape showed.
    pub shown: f64,
    /// What the exporter last said; `None` when it did not.
    pub raw: Option<f64>,
}

/// As many as were asked for, and how many there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jumps {
    pub first: Vec<Jump>,
    pub all: u64,
}

impl EndpointState {
    /// At most `limit` of them, between two scrapes. Gauges are not among them: a sum over what is
    /// left says the same with and without the guard.
    pub fn jumps(&self, limit: usize) -> Jumps {
        let mut jumps = Jumps::default();
        for (group, member) in self.fold.untouched() {
            let family = self.families.get(group.family);
            let names = SampleNames::of(family, self.format);
            self.fold.seams(group, member, |seam| {
                jumps.all += 1;
                if jumps.first.len() >= limit {
                    return;
                }
                let mut series = Vec::new();
                let shown = names.write_series(&group.body, seam.shown, &mut series);
                jumps.first.push(Jump {
                    metric: family.name.clone(),
                    series: String::from_utf8_lossy(&series).into_owned(),
                    shown,
                    raw: Some(seam.raw).filter(|raw| !raw.is_nan()),
                });
            });
        }
        jumps
    }
}
