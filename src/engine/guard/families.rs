//! The families of an endpoint: what applies to each, and where it stands in the body at hand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::budgets::Collapse;
use super::types::{PARTS, Place, Role, Types};
use super::unremembered::Unremembered;
use crate::engine::cardinality::{Census, Part};
use crate::engine::fold::{FamilyId, Shape as FoldShape};
use crate::engine::model::{Format, Kind, MapSeed, Seed, SeriesHash};
use crate::engine::policy::{FamilyPlan, FamilyRef, Plan, Shape};

/// Sample names and families met so far. A family is its name *and* its type: when the type
/// changes it is another one, and starts again at 0 (rule 3.14).
#[derive(Debug, Default)]
pub struct Families {
    all: Vec<Family>,
    /// Output series of all of them.
    series: u64,
    by_key: HashMap<(Box<str>, Kind), FamilyId, MapSeed>,
    samples: HashMap<Box<str>, Sample, MapSeed>,
    /// Every sample name that a committed scrape has shown, and those of the scrape at hand.
    names: HashSet<Box<str>>,
    fresh: Vec<Box<str>>,
    /// Stands for all that have no place.
    outsiders: Option<FamilyId>,
}

/// A sample name's place.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub family: FamilyId,
    pub role: Role,
}

#[derive(Debug)]
pub struct Family {
    /// TYPE name of the text format.
    pub name: Arc<str>,
    pub kind: Kind,
    pub plan: FamilyPlan,
    pub tracking: Tracking,
    pub unremembered: Unremembered,
    /// Stands for name and kind in the keys of members and groups.
    pub hash: SeriesHash,
    /// The scrape that saw it last.
    pub scrape: u32,
    pub block: Block,
    /// Labels that limits on series fold away.
    pub collapsed: Box<[Collapse]>,
    pub count: SeriesCount,
    /// The scrape in which it came to have more series than it may.
    pub over: u32,
    /// Its part in the series that all endpoints of the target have of it.
    pub part: Option<Part>,
    pub census: Option<Box<Census<Shape>>>,
    /// New series that the census has not counted, for want of time.
    pub uncounted: u64,
    /// Endpoint clock at which the generation of the census began.
    pub counted_since: f64,
    pub turnout: Turnout,
}

/// Bytes of a family's names and of what applies to it, roughly.
const NAMES: usize = 1024;
/// What the families without a place are called together; a metric of this name is another.
const OUTSIDERS: &str = "__other__";

/// Series of a family in the scrape at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnout {
    pub scrape: u32,
    pub received: u64,
    pub forwarded: u64,
}

/// Output series of a family, as far as limits count them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeriesCount {
    pub all: u64,
    /// Of those that stand for themselves, who was not seen since this second is not among them.
    pub since: u32,
    /// The part of them that came in the pass at hand.
    fresh: u64,
    scrape: u32,
}

impl SeriesCount {
    pub fn new(all: u64, since: u32) -> SeriesCount {
        SeriesCount { all, since, ..SeriesCount::default() }
    }

    pub fn add(&mut self, scrape: u32) {
        if self.scrape != scrape {
            (self.scrape, self.fresh) = (scrape, 0);
        }
        self.all += 1;
        self.fresh += 1;
    }

    /// Whether there was none before the pass at hand.
    pub fn is_new(&self, scrape: u32) -> bool {
        self.all > 0 && self.scrape == scrape && self.fresh >= self.all
    }

    /// The pass has failed.
    pub fn take_back(&mut self, scrape: u32) {
        if self.scrape == scrape {
            self.all = self.all.saturating_sub(std::mem::take(&mut self.fresh));
        }
    }
}

/// Whether the guard remembers the series of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// No policy reaches it: bytes pass.
    No,
    /// Only a limit of the whole endpoint may come to fold it: its output waits for nothing.
    Watched,
    Yes,
}

impl Tracking {
    fn by(plan: &FamilyPlan) -> Tracking {
        if plan.is_untouched() {
            Tracking::No
        } else if plan.is_only_watched() {
            Tracking::Watched
        } else {
            Tracking::Yes
        }
    }
}

/// Where a family's first block stands in the output at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Block {
    pub scrape: u32,
    /// Its place among the blocks of the body.
    pub order: u32,
    pub phase: Phase,
    pub content: Content,
    /// Where it begins.
    pub start: u64,
    /// Where its folded lines go: behind its last line under its own TYPE.
    pub insert_at: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    #[default]
    Metadata,
    Samples,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Open,
    Closed,
    /// It came back after another family: held to the end.
    Returned,
    /// It came back after its lines had left, and nothing of it is folded.
    Reopened,
    /// Its folded lines are in the output.
    Shown,
}

impl Family {
    fn new(place: &Place, plan: FamilyPlan, hash: SeriesHash) -> Family {
        Family {
            name: Arc::from(&*place.family),
            kind: place.kind,
            tracking: Tracking::by(&plan),
            unremembered: Unremembered::default(),
            plan,
            hash,
            scrape: 0,
            block: Block::default(),
            collapsed: Box::default(),
            count: SeriesCount::default(),
            over: 0,
            part: None,
            census: None,
            uncounted: 0,
            counted_since: 0.0,
            turnout: Turnout::default(),
        }
    }
}

impl Families {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[inline]
    pub fn get(&self, id: FamilyId) -> &Family {
        &self.all[id.index()]
    }

    pub fn id_by_hash(&self, key: u64) -> Option<FamilyId> {
        self.all.iter().position(|family| family.hash.0 == key).map(|at| FamilyId(at as u32))
    }

    /// The family of a key.
    pub fn by_hash(&self, key: u64) -> Option<&Family> {
        self.all.iter().find(|family| family.hash.0 == key)
    }

    /// Output series of all families together.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// One more output series of a family.
    pub fn count(&mut self, id: FamilyId, scrape: u32) {
        let family = &mut self.all[id.index()];
        family.count.add(scrape);
        self.series += 1;
        if let Some(part) = &mut family.part {
            part.at_least(family.count.all);
        }
    }

    /// The family has so many output series.
    pub fn set_count(&mut self, id: FamilyId, all: u64) {
        let Family { count, part, .. } = &mut self.all[id.index()];
        self.series = self.series.saturating_sub(count.all) + all;
        count.all = all;
        if let Some(part) = part {
            part.set(all);
        }
    }

    pub fn forget_censuses(&mut self) {
        self.all.iter_mut().for_each(|family| family.census = None);
    }

    /// Tells the other endpoints of the target.
    pub fn publish(&mut self) {
        for family in &mut self.all {
            if let Some(part) = &mut family.part {
                part.set(family.count.all);
            }
        }
    }

    /// Hands out the counts of all families.
    pub fn counts(&mut self, mut f: impl FnMut(FamilyId, &mut SeriesCount)) {
        self.all.iter_mut().enumerate().for_each(|(at, family)| f(FamilyId(at as u32), &mut family.count));
        self.series = self.all.iter().map(|family| family.count.all).sum();
    }

    #[inline]
    pub fn get_mut(&mut self, id: FamilyId) -> &mut Family {
        &mut self.all[id.index()]
    }

    pub fn ids(&self) -> impl Iterator<Item = FamilyId> + use<> {
        (0..self.all.len() as u32).map(FamilyId)
    }

    pub fn sample(&self, name: &str) -> Option<Sample> {
        self.samples.get(name).copied()
    }

    pub fn samples(&self) -> impl Iterator<Item = (&str, Sample)> {
        self.samples.iter().map(|(name, s)| (&**name, *s))
    }

    pub fn find(&self, place: &Place) -> Option<FamilyId> {
        self.by_key.get(&(place.family.clone(), place.kind)).copied()
    }

    /// Whether a family or sample of this name was there before, whatever its type.
    pub fn knew(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Families of this name, whatever their type.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = FamilyId> + 'a {
        Kind::ALL.into_iter().filter_map(move |kind| self.by_key.get(&(name.into(), kind)).copied())
    }

    /// Families whose samples the body at hand has under another type (rule 3.14).
    pub fn retyped(&self, format: Format, scrape: u32) -> Vec<FamilyId> {
        self.ids().filter(|&id| self.get(id).scrape != scrape && self.is_superseded(id, format, scrape)).collect()
    }

    /// Whether another family of the body at hand has the name or a sample name of this one.
    pub fn is_superseded(&self, id: FamilyId, format: Format, scrape: u32) -> bool {
        let family = self.get(id);
        let present = |other: FamilyId| other != id && self.get(other).scrape == scrape;
        let place = Place { family: (&*family.name).into(), kind: family.kind, role: Role::Value };
        self.named(&family.name).any(present)
            || place.names(format).iter().filter_map(|name| self.sample(name)).any(|s| present(s.family))
    }

    /// The scrape at hand is committed: its names were there.
    pub fn commit(&mut self, scrape: u32) {
        self.names.extend(self.fresh.drain(..));
        let outsiders = self.outsiders.map(FamilyId::index);
        let all = self.all.iter_mut().enumerate();
        let present = all.filter(|(at, family)| family.scrape == scrape || Some(*at) == outsiders);
        for (_, family) in present {
            family.unremembered.commit(scrape);
            if let Some(census) = &mut family.census {
                census.weigh();
            }
        }
    }

    /// Families of which something was not remembered. What comes from here on is another matter.
    pub fn take_unremembered(&mut self) -> Vec<FamilyId> {
        let ids: Vec<FamilyId> = self.ids().filter(|&id| self.get(id).unremembered.is_anything()).collect();
        ids.iter().for_each(|&id| self.get_mut(id).unremembered = Unremembered::default());
        ids
    }

    /// Goes on counting what `old` has counted.
    pub fn inherit(&mut self, old: &mut Families) {
        let mut counted: HashMap<SeriesHash, &mut Family> =
            old.all.iter_mut().filter(|family| family.census.is_some()).map(|family| (family.hash, family)).collect();
        for family in &mut self.all {
            if let Some(old) = counted.remove(&family.hash) {
                family.census = old.census.take();
                (family.uncounted, family.counted_since) = (old.uncounted, old.counted_since);
            }
        }
    }

    /// Others have met series since.
    pub fn others_came(&mut self) {
        self.all.iter_mut().for_each(|family| family.unremembered.is_of_others());
    }

    /// A family that a stored state knows.
    pub fn remember(&mut self, place: &Place, format: Format) {
        self.names.extend(place.names(format).into_iter().map(String::into_boxed_str));
    }

    pub fn learn_sample(&mut self, name: &str, sample: Sample) {
        if !self.names.contains(name) {
            self.fresh.push(name.into());
        }
        self.samples.insert(name.into(), sample);
    }

    /// These untyped families fold in another way from now on: what they were is forgotten.
    pub fn forget_parts(&mut self, bases: &[Box<str>]) {
        for (base, (suffix, _)) in bases.iter().flat_map(|b| PARTS.iter().map(move |p| (b, p))) {
            let name = format!("{base}{suffix}");
            self.by_key.remove(&(name.as_str().into(), Kind::Unknown));
        }
    }

    /// Sample names lead elsewhere from now on.
    pub fn forget_samples(&mut self) {
        self.samples.clear();
    }

    pub fn add(&mut self, place: &Place, shape: FoldShape, format: Format, plan: &Plan, seed: &Seed) -> FamilyId {
        let id = FamilyId(self.all.len() as u32);
        let mut key = place.family.as_bytes().to_vec();
        key.extend_from_slice(&[0xff, place.kind as u8, shape as u8]);
        self.all.push(Family::new(place, family_plan(plan, place, format), seed.hash(&key)));
        self.by_key.insert((place.family.clone(), place.kind), id);
        id
    }

    /// The family that all count as that have no place. No sample name leads to it.
    pub fn add_outsiders(&mut self, format: Format, seed: &Seed) -> FamilyId {
        let id = FamilyId(self.all.len() as u32);
        let place = Place { family: OUTSIDERS.into(), kind: Kind::Unknown, role: Role::Value };
        let plan = family_plan(&Plan::default(), &place, format);
        self.all.push(Family::new(&place, plan, seed.hash(&[0xff])));
        self.outsiders = Some(id);
        id
    }

    pub fn outsiders(&self) -> Option<FamilyId> {
        self.outsiders
    }

    /// The newest family was met just now, by this sample name, and is as if it had not been.
    pub fn pop(&mut self, sample: &str) {
        let Some(family) = self.all.pop() else { return };
        self.by_key.remove(&((&*family.name).into(), family.kind));
        self.samples.remove(sample);
        self.fresh.pop_if(|name| **name == *sample);
    }

    /// Another plan applies: asks it about every family. Says which ones are remembered from now on
    /// and were not before (rule 5.8).
    pub fn replan(&mut self, format: Format, plan: &Plan) -> Vec<FamilyId> {
        let mut begun = Vec::new();
        let outsiders = self.outsiders.map(FamilyId::index);
        for (at, family) in self.all.iter_mut().enumerate().filter(|(at, _)| Some(*at) != outsiders) {
            let place = Place { family: (&*family.name).into(), kind: family.kind, role: Role::Value };
            family.plan = family_plan(plan, &place, format);
            let tracking = Tracking::by(&family.plan);
            if family.tracking == Tracking::No && tracking != Tracking::No {
                begun.push(FamilyId(at as u32));
            }
            family.tracking = tracking;
        }
        begun
    }

    /// Families went to other places, or away.
    pub fn follow(&mut self, format: Format, new: impl Fn(FamilyId) -> Option<FamilyId>) {
        let mut at = (0..).map(FamilyId);
        self.all.retain(|_| at.next().and_then(&new).is_some());
        self.series = self.all.iter().map(|family| family.count.all).sum();
        let moved = |id: &mut FamilyId| new(*id).inspect(|new| *id = *new).is_some();
        self.by_key.retain(|_, id| moved(id));
        self.samples.retain(|_, sample| moved(&mut sample.family));
        self.outsiders = self.outsiders.and_then(&new);
        let mut names: HashSet<Box<str>> = self.samples.keys().cloned().collect();
        for Family { name, kind, .. } in &self.all {
            let place = Place { family: (&**name).into(), kind: *kind, role: Role::Value };
            names.extend(place.names(format).into_iter().map(String::into_boxed_str));
        }
        self.names.retain(|name| names.contains(name));
        self.names.shrink_to_fit();
    }

    /// The scrape has failed: families from here on are forgotten.
    pub fn truncate(&mut self, len: usize, scrape: u32) {
        self.fresh.clear();
        self.all.iter_mut().for_each(|family| family.unremembered.take_back(scrape));
        for family in &self.all[len..] {
            self.by_key.remove(&((&*family.name).into(), family.kind));
        }
        self.all.truncate(len);
        self.outsiders = self.outsiders.filter(|id| id.index() < len);
        self.samples.retain(|_, s| s.family.index() < len);
    }

    pub fn memory(&self) -> usize {
        let tracked = self.all.iter().filter(|family| family.tracking != Tracking::No).count();
        self.all.len() * (size_of::<Family>() + NAMES)
            + tracked * NAMES / 2
            + self.all.iter().filter_map(|f| f.census.as_ref()).map(|c| c.memory()).sum::<usize>()
            + (self.samples.capacity() + self.names.capacity()) * 64
    }
}

pub(super) fn family_plan(plan: &Plan, place: &Place, format: Format) -> FamilyPlan {
    let names = place.names(format);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    plan.family(FamilyRef { name: &place.family, kind: place.kind, names: &names })
}

/// How a family folds (rules 3.1 to 3.13).
pub fn shape(kind: Kind, name: &str, types: &Types) -> FoldShape {
    match kind {
        Kind::Counter => FoldShape::Cumulative,
        Kind::Gauge | Kind::Info | Kind::StateSet => FoldShape::Gauge,
        Kind::Histogram => FoldShape::Histogram,
        Kind::GaugeHistogram => FoldShape::GaugeHistogram,
        Kind::Summary => FoldShape::Summary,
        Kind::Unknown if types.is_cumulative(name) => FoldShape::Cumulative,
        Kind::Unknown => FoldShape::Gauge,
    }
}
