//! What happened, by the series that is left when `job_id` is gone.

use std::collections::{BTreeMap, HashMap};

/// Output series, labels sorted, to a number.
pub type Totals = BTreeMap<String, f64>;

/// What a reader should have counted since its first scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Everything that happened.
    pub happened: Totals,
    /// The part of it that died with a process before this reader could see it.
    pub lost: Totals,
}

/// What each reader was shown. A reader is a request target: `/metrics`, `/metrics?way=guard`.
#[derive(Default)]
pub struct Readers(HashMap<String, Reader>);

#[derive(Default)]
struct Reader {
    bodies: u64,
    first: Totals,
    last: Totals,
    lost: Totals,
}

impl Readers {
    /// A complete body with these totals behind it was sent.
    pub fn shown(&mut self, reader: &str, totals: &Totals) {
        match self.0.get_mut(reader) {
            Some(known) => {
                known.last.clone_from(totals);
                known.bodies += 1;
            }
            None => {
                let (first, last) = (totals.clone(), totals.clone());
                self.0.insert(reader.to_owned(), Reader { bodies: 1, first, last, lost: Totals::new() });
            }
        }
    }

    pub fn bodies(&self, reader: &str) -> u64 {
        self.0.get(reader).map_or(0, |known| known.bodies)
    }

    /// The process dies: what was not shown never will be.
    pub fn died(&mut self, totals: &Totals) {
        for reader in self.0.values_mut() {
            for (series, unseen) in difference(totals, &reader.last) {
                add(&mut reader.lost, series, unseen);
            }
            reader.last.clone_from(totals);
        }
    }

    /// Nothing for a reader that never asked.
    pub fn truth(&self, reader: &str, totals: &Totals) -> Truth {
        match self.0.get(reader) {
            Some(known) => Truth { happened: difference(totals, &known.first), lost: known.lost.clone() },
            None => Truth::default(),
        }
    }
}

impl Truth {
    /// The truth about fewer series: those that are left when this label is gone too.
    pub fn without(&self, label: &str) -> Truth {
        Truth { happened: without(&self.happened, label), lost: without(&self.lost, label) }
    }
}

pub fn add(totals: &mut Totals, series: String, more: f64) {
    *totals.entry(series).or_default() += more;
}

/// Removes a label from every series, and adds up those that become the same.
pub fn without(totals: &Totals, label: &str) -> Totals {
    let mut left = Totals::new();
    for (series, value) in totals {
        add(&mut left, strip(series, label), *value);
    }
    left
}

/// A series without this label. No value of the fleet holds a comma or a quote.
fn strip(series: &str, label: &str) -> String {
    let Some((name, labels)) = series.trim_end_matches('}').split_once('{') else { return series.to_owned() };
    let is_other = |pair: &&str| pair.split_once('=').is_none_or(|(name, _)| name != label);
    let kept: Vec<&str> = labels.split(',').filter(is_other).collect();
    if kept.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", kept.join(",")) }
}

/// What came on top; without what did not change.
pub fn difference(now: &Totals, before: &Totals) -> Totals {
    let since = |(series, value): (&String, &f64)| (series.clone(), value - before.get(series).unwrap_or(&0.0));
    now.iter().map(since).filter(|(_, value)| *value != 0.0).collect()
}

#[test]
fn a_label_goes_and_what_becomes_the_same_adds_up() {
    let of = |pairs: &[(&str, f64)]| -> Totals { pairs.iter().map(|(s, v)| ((*s).to_owned(), *v)).collect() };
    let totals = of(&[("a{le=\"1\",q=\"x\"}", 1.0), ("a{le=\"1\",q=\"y\"}", 2.0), ("b{q=\"x\"}", 4.0), ("c", 8.0)]);
    assert_eq!(without(&totals, "q"), of(&[("a{le=\"1\"}", 3.0), ("b", 4.0), ("c", 8.0)]));
}
