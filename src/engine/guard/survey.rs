//! Series asked about without a scrape: which family each belongs to and what the policies make of
//! it. Nothing is folded and nothing remembered but what applies to each family.

use std::collections::HashMap;

use super::families::family_plan;
use super::meet::take_reserved;
use super::types::{Scope, Types};
use crate::engine::model::{Format, Kind, LabelSet};
use crate::engine::policy::{FamilyPlan, Plan, SeriesRef};

/// Asks the policies of one target about series of one body.
pub struct Survey {
    plan: Plan,
    format: Format,
    types: Types,
    families: HashMap<(Box<str>, Kind), FamilyPlan>,
}

/// A series with its family.
pub struct Surveyed<'s> {
    /// TYPE name of the text format.
    pub family: &'s str,
    pub kind: Kind,
    pub plan: &'s mut FamilyPlan,
    pub series: SeriesRef<'s>,
}

/// There is only one body.
const BODY: u32 = 1;

impl Survey {
    pub fn new(plan: Plan, format: Format) -> Survey {
        Survey { plan, format, types: Types::default(), families: HashMap::new() }
    }

    /// A TYPE line. To be told before the series: types may come late in a body.
    pub fn declare(&mut self, family: &str, kind: Kind) {
        self.types.declare(family, kind, BODY);
    }

    /// Hands a series, as exposed, to `ask` together with what applies to its family.
    pub fn series<T>(&mut self, name: &str, labels: &LabelSet, ask: impl FnOnce(Surveyed<'_>) -> T) -> T {
        let place = self.types.place(self.format, name, Scope::ThisBody(BODY));
        let key = (place.family.clone(), place.kind);
        let plan = self.families.entry(key).or_insert_with(|| family_plan(&self.plan, &place, self.format));
        let mut labels = labels.clone();
        let reserved = take_reserved(place.role, &mut labels);
        let reserved = reserved.as_ref().map(|(name, value)| (*name, value.as_str()));
        let series = SeriesRef { name, reserved, labels: &labels };
        ask(Surveyed { family: &place.family, kind: place.kind, plan, series })
    }
}
