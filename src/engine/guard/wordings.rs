//! How the series of a family are usually written.
//!
//! A label set's key is the hash of its usual spelling: label names in the order in which the
//! exporter had them when they were first met, nothing but that. So nearly every series is spelled
//! as its key says, and one hash stands for the line and for the member. Whatever way a label set is
//! written, it has one key; a wording is never changed once a key was made with it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::families::Family;
use crate::engine::exposition::{Skeleton, Span, write_escaped};
use crate::engine::model::{LabelSet, Seed, SeriesHash};

/// By the hash of the family.
#[derive(Debug, Default)]
pub(super) struct Wordings {
    families: HashMap<u64, Vec<Wording>>,
    /// Hashes of what is written between the values: no two families write the same.
    texts: HashSet<u64>,
}

/// How label sets with these names are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wording {
    /// As label sets have them, in order.
    names: Vec<String>,
    /// Before each value, and after the last.
    pieces: Vec<Vec<u8>>,
    /// Which label each value is of.
    order: Vec<u32>,
    /// Mixed into the keys where the text alone does not tell.
    salt: [u8; 8],
}

/// A wording for lines of one make: where its values stand in the line.
#[derive(Debug)]
pub(super) struct Template {
    wording: Wording,
    from: Box<[usize]>,
}

/// More sets of label names of one family, and they are written in a way that is not remembered.
const MOST: usize = 16;

impl Wordings {
    /// A series of this family, with these labels and no others, was met in this spelling.
    pub fn learn(&mut self, seed: &Seed, family: &Family, labels: &LabelSet, series: &[u8]) {
        if self.find(family, labels.iter().map(|(name, _)| name)).is_some() {
            return;
        }
        let Some(skeleton) = Skeleton::of(series).filter(|skeleton| skeleton.names().len() == labels.len()) else {
            return;
        };
        let places: Option<Vec<u32>> = skeleton.names().map(|n| labels.position(n).ok().map(|at| at as u32)).collect();
        let Some(order) = places else { return };
        let names = labels.iter().map(|(name, _)| name.to_owned()).collect();
        let pieces = skeleton.pieces().map(<[u8]>::to_vec).collect();
        self.add(seed, family, Wording { names, pieces, order, salt: [0; 8] });
    }

    /// How label sets with these names are written, from now on for ever.
    fn wording<'n>(
        &mut self,
        seed: &Seed,
        family: &Family,
        names: impl ExactSizeIterator<Item = &'n str> + Clone,
    ) -> Wording {
        if let Some(known) = self.find(family, names.clone()) {
            return known.clone();
        }
        self.add(seed, family, Wording::plain(family, names))
    }

    fn find<'n>(&self, family: &Family, names: impl ExactSizeIterator<Item = &'n str> + Clone) -> Option<&Wording> {
        let fits =
            |w: &&Wording| w.names.len() == names.len() && w.names.iter().zip(names.clone()).all(|(a, b)| a == b);
        self.families.get(&family.hash.0)?.iter().find(fits)
    }

    fn add(&mut self, seed: &Seed, family: &Family, mut wording: Wording) -> Wording {
        let known = self.families.entry(family.hash.0).or_default();
        let text = seed.hash(&wording.pieces.join(&0xff)).0;
        let is_full = known.len() >= MOST;
        if is_full || !wording.is_unmistakable() || !self.texts.insert(text) {
            let names = seed.hash(wording.names.join("\u{ff}").as_bytes()).0;
            wording.salt = (names.rotate_left(1) ^ family.hash.0).to_le_bytes();
        }
        if !is_full {
            known.push(wording.clone());
        }
        wording
    }

    /// How lines of a make are told by: `at` says where the values of these names stand.
    pub fn template(&mut self, seed: &Seed, family: &Family, labels: &[(&str, usize)]) -> Template {
        let wording = self.wording(seed, family, labels.iter().map(|(name, _)| *name));
        let from = wording.order.iter().map(|&label| labels[label as usize].1).collect();
        Template { wording, from }
    }

    /// The family is not known any more: should it come again, it may be written in another way.
    pub fn forget(&mut self, seed: &Seed, family: &Family) {
        for wording in self.families.remove(&family.hash.0).into_iter().flatten() {
            if wording.salt == [0; 8] {
                self.texts.remove(&seed.hash(&wording.pieces.join(&0xff)).0);
            }
        }
    }

    /// To be written down.
    pub fn of(&self, family: &Family) -> &[Wording] {
        self.families.get(&family.hash.0).map_or(&[], Vec::as_slice)
    }

    /// Takes up what was written down; `None` when it does not fit together.
    pub fn read(&mut self, seed: &Seed, family: &Family, rows: Vec<Wording>) -> Option<()> {
        let is_whole = rows.len() <= MOST && rows.iter().all(Wording::is_whole);
        is_whole.then_some(())?;
        let texts = rows.iter().filter(|row| row.salt == [0; 8]).map(|row| seed.hash(&row.pieces.join(&0xff)).0);
        self.texts.extend(texts);
        self.families.insert(family.hash.0, rows);
        Some(())
    }
}

impl Wording {
    /// As nobody has shown another way: names in order.
    fn plain<'n>(family: &Family, names: impl ExactSizeIterator<Item = &'n str> + Clone) -> Wording {
        let before = |(at, name): (usize, &str)| match at {
            0 => format!("{}{{{name}=\"", family.name).into_bytes(),
            _ => format!("\",{name}=\"").into_bytes(),
        };
        let mut pieces: Vec<Vec<u8>> = names.clone().enumerate().map(before).collect();
        pieces.push(if pieces.is_empty() { format!("{} ", family.name).into_bytes() } else { b"\"}".to_vec() });
        let order = (0..names.len() as u32).collect();
        Wording { names: names.map(str::to_owned).collect(), pieces, order, salt: [0; 8] }
    }

    /// Whether nothing else can be written like this.
    fn is_unmistakable(&self) -> bool {
        let is_usual =
            |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'{' | b'}' | b'=' | b'"' | b',' | b' ');
        let is_word = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        self.names.iter().all(is_word) && self.pieces.iter().flatten().all(is_usual)
    }

    fn is_whole(&self) -> bool {
        let mut order = self.order.clone();
        order.sort_unstable();
        let len = self.names.len();
        self.pieces.len() == len + 1 && order.len() == len && order.into_iter().eq(0..len as u32)
    }

    fn hash(&self, seed: &Seed, buffer: &[u8]) -> SeriesHash {
        SeriesHash(seed.hash(buffer).0 ^ u64::from_le_bytes(self.salt))
    }
}

impl Template {
    /// The key of a line whose values stand for themselves.
    #[inline]
    pub fn key(&self, seed: &Seed, line: &[u8], values: &[Span], buffer: &mut Vec<u8>) -> SeriesHash {
        buffer.clear();
        for (piece, &at) in self.wording.pieces.iter().zip(&self.from) {
            buffer.extend_from_slice(piece);
            buffer.extend_from_slice(&line[values[at].clone()]);
        }
        self.wording.pieces.last().into_iter().for_each(|piece| buffer.extend_from_slice(piece));
        self.wording.hash(seed, buffer)
    }
}

/// What stands for a family and a label set, whether that is a member's or a group's.
pub(super) fn key(
    seed: &Seed,
    wordings: &mut Wordings,
    family: &Family,
    labels: &LabelSet,
    buffer: &mut Vec<u8>,
) -> SeriesHash {
    let names = || labels.iter().map(|(name, _)| name);
    match wordings.find(family, names()) {
        Some(known) => write(known, seed, labels, buffer),
        None => write(&wordings.wording(seed, family, names()), seed, labels, buffer),
    }
}

fn write(wording: &Wording, seed: &Seed, labels: &LabelSet, buffer: &mut Vec<u8>) -> SeriesHash {
    buffer.clear();
    for (piece, &label) in wording.pieces.iter().zip(&wording.order) {
        buffer.extend_from_slice(piece);
        write_escaped(buffer, labels.value(label as usize));
    }
    wording.pieces.last().into_iter().for_each(|piece| buffer.extend_from_slice(piece));
    wording.hash(seed, buffer)
}

#[cfg(test)]
mod tests {
    use super::super::families::Families;
    use super::super::types::{Place, Role};
    use super::*;
    use crate::engine::fold::{FamilyId, Shape};
    use crate::engine::model::{Format, Kind};
    use crate::engine::policy::Plan;

    const SEED: Seed = Seed::new(3);

    fn families() -> Families {
        let mut families = Families::default();
        for kind in [Kind::Counter, Kind::Gauge] {
            let place = Place { family: "m".into(), kind, role: Role::Value };
            families.add(&place, Shape::Cumulative, Format::Text, &Plan::default(), &SEED);
        }
        families
    }

    fn key_of(wordings: &mut Wordings, family: &Family, labels: &[(&str, &str)]) -> SeriesHash {
        let mut labels: LabelSet = labels.iter().copied().collect();
        labels.normalise().unwrap();
        key(&SEED, wordings, family, &labels, &mut Vec::new())
    }

    #[test]
    fn what_was_met_first_is_the_usual_spelling_of_its_like() {
        let (families, mut wordings) = (families(), Wordings::default());
        let family = families.get(FamilyId(0));
        let labels: LabelSet = [("a", "1"), ("q", "x")].into_iter().collect();
        wordings.learn(&SEED, family, &labels, b"m{q=\"x\",a=\"1\",}");
        wordings.learn(&SEED, family, &labels, b"m{a=\"1\",q=\"x\"}");
        let key = key_of(&mut wordings, family, &[("q", "y\\\"\n"), ("a", "\u{fc}")]);
        assert_eq!(key, SEED.hash("m{q=\"y\\\\\\\"\\n\",a=\"\u{fc}\",}".as_bytes()));
    }

    #[test]
    fn a_key_says_one_family_and_one_label_set() {
        let (families, mut wordings) = (families(), Wordings::default());
        let [counter, gauge] = [FamilyId(0), FamilyId(1)].map(|id| families.get(id));
        let sets: [&[(&str, &str)]; 6] = [
            &[],
            &[("a", "1"), ("b", "2")],
            &[("a=\"1\",b", "2")],
            &[("a", "1\",b=\"2")],
            &[("a", "2"), ("b", "1")],
            &[("b", "1")],
        ];
        let both = [counter, gauge].into_iter().flat_map(|family| sets.map(|set| (family, set)));
        let keys: HashSet<SeriesHash> = both.map(|(family, set)| key_of(&mut wordings, family, set)).collect();
        assert_eq!(keys.len(), 2 * sets.len());
    }

    #[test]
    fn keys_stay_however_many_sets_of_names_there_are_and_when_they_are_read_again() {
        let (families, mut wordings) = (families(), Wordings::default());
        let family = families.get(FamilyId(0));
        let names: Vec<String> = (0..40).map(|at| format!("n{at}")).collect();
        let all = |wordings: &mut Wordings| -> Vec<SeriesHash> {
            names.iter().map(|name| key_of(wordings, family, &[(name, "1"), ("job", "2")])).collect()
        };
        let keys = all(&mut wordings);
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 40);
        // Too late to be the usual one.
        let labels: LabelSet = [("job", "2"), ("n39", "1")].into_iter().collect();
        wordings.learn(&SEED, family, &labels, b"m{n39=\"1\",job=\"2\"}");
        assert_eq!(all(&mut wordings), keys);
        let (rows, mut again) = (wordings.of(family).to_vec(), Wordings::default());
        assert_eq!(rows.len(), MOST);
        again.read(&SEED, family, rows.clone()).unwrap();
        assert_eq!(all(&mut again), keys);
        let broken = Wording { order: vec![0, 0], ..rows[0].clone() };
        assert!(Wordings::default().read(&SEED, family, vec![broken]).is_none());
    }
}
