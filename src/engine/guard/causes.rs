//! Who is to blame, as small numbers: members carry 4 bytes instead of names.

use std::collections::HashMap;
use std::sync::Arc;

use super::report::Attributed;
use crate::engine::policy::Cause;

/// Every (cause, family) met so far. As many as policies have steps times the families they
/// reach; never as many as series.
#[derive(Debug, Default)]
pub struct Causes {
    all: Vec<(Arc<Cause>, Arc<str>)>,
    index: HashMap<(Cause, Arc<str>), u32>,
    /// Series of one family mostly have one cause.
    recent: u32,
}

/// No one: the series passes as it came.
pub const NOBODY: u32 = 0;

impl Causes {
    /// The number of a cause, from 1.
    pub fn number(&mut self, cause: &Cause, metric: &Arc<str>) -> u32 {
        if let Some((c, m)) = self.get(self.recent)
            && Arc::ptr_eq(m, metric)
            && **c == *cause
        {
            return self.recent;
        }
        let known = self.index.get(&(cause.clone(), metric.clone())).copied();
        self.recent = known.unwrap_or_else(|| {
            self.all.push((Arc::new(cause.clone()), metric.clone()));
            let number = self.all.len() as u32;
            self.index.insert((cause.clone(), metric.clone()), number);
            number
        });
        self.recent
    }

    fn get(&self, number: u32) -> Option<&(Arc<Cause>, Arc<str>)> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    /// Turns counts by number into counts by name, leaving zeros out.
    pub fn attribute(&self, counts: impl Iterator<Item = (u32, u64)>) -> Vec<Attributed> {
        let named = |(number, count): (u32, u64)| {
            let (cause, metric) = self.get(number)?;
            (count > 0).then(|| Attributed { cause: cause.clone(), metric: metric.clone(), count })
        };
        counts.filter_map(named).collect()
    }
}
