//! New series that differ from one met before in label values only, and of those in none that
//! anybody decides by: an exploding label brings them by the thousand. They get its fate without
//! being taken apart.

use hashbrown::HashTable;

use super::families::Tracking;
use super::meet::KeyWriter;
use super::series::What;
use super::state::EndpointState;
use super::types::Role;
use crate::engine::exposition::{Skeleton, Span};
use crate::engine::fold::{FamilyId, GroupId, MemberSeed};
use crate::engine::model::{LabelSet, Seed};
use crate::engine::policy::Manner;

/// What was learned in the pass at hand: groups and families may move between two.
#[derive(Debug, Default)]
pub(super) struct Alike {
    makes: Vec<Make>,
    /// The make of the last line that had one, and how many were learned.
    recent: usize,
    learned: usize,
    decisions: HashTable<(u64, Decided)>,
    /// The values of the line at hand.
    values: Vec<Span>,
}

/// Series of one make: same name, same label names, same spelling.
#[derive(Debug)]
struct Make {
    skeleton: Skeleton,
    family: FamilyId,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    /// No policy reaches the family.
    Passes,
    Folds(Recipe),
}

/// How a member of this make is built from its values.
#[derive(Debug)]
struct Recipe {
    role: Role,
    /// Names and places of the labels in the order of keys, the family's own aside.
    sorted: Box<[(Box<str>, usize)]>,
    /// Places of the values that decide.
    deciding: Box<[usize]>,
    /// The place of `le` or `quantile`.
    reserved: Option<usize>,
    /// Hash of the label names, as members tell them (rule 1.8).
    names: u64,
}

/// What those that agree in the deciding values become.
#[derive(Clone, Copy, Debug)]
struct Decided {
    group: GroupId,
    cause: u32,
    shadow: u32,
}

/// A line whose series part has a make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    make: usize,
    /// Where the series part ends.
    pub len: usize,
}

/// More makes than this in turn, and the oldest is learned again.
const MOST_MAKES: usize = 16;
/// More decisions than this, and they are learned again: the deciding values explode as well.
const MOST_DECISIONS: usize = 4096;

impl Alike {
    /// Groups or limits are not what they were.
    pub fn clear(&mut self) {
        self.makes.clear();
        self.decisions.clear();
        (self.recent, self.learned) = (0, 0);
    }

    /// The make of the series that `input` begins with.
    #[inline]
    pub fn fit(&mut self, input: &[u8]) -> Option<Fit> {
        let Alike { makes, values, recent, .. } = self;
        let mut try_make = |make: usize| Some(Fit { make, len: makes.get(make)?.skeleton.fit(input, values)? });
        let others = (0..makes.len()).filter(|make| *make != *recent);
        let fit = try_make(*recent).or_else(|| others.into_iter().find_map(&mut try_make))?;
        *recent = fit.make;
        Some(fit)
    }
}

impl EndpointState {
    /// The fate of a new series that fits; `None` when it has to be asked for.
    pub(super) fn meet_alike(&mut self, input: &[u8], fit: Fit) -> Option<What> {
        let make = self.alike.makes.get(fit.make)?;
        let Fate::Folds(recipe) = &make.fate else { return Some(What::Pass(make.family)) };
        if self.census_left > 0 {
            // Its values are to be counted.
            return None;
        }
        self.families.get_mut(make.family).uncounted += 1;
        let values = &self.alike.values;
        let decided = decision(&self.seed, fit.make, recipe, values, input);
        let (_, decided) = self.alike.decisions.find(decided, |(hash, _)| *hash == decided)?;
        let family = self.families.get(make.family);
        let mut key = KeyWriter::new(family, &mut self.scratch.key);
        for (name, at) in &recipe.sorted {
            key.label(name.as_bytes(), &input[values[*at].clone()]);
        }
        let reserved = recipe.reserved.map(|at| std::str::from_utf8(&input[values[at].clone()]).unwrap_or_default());
        let (family, role, names) = (make.family, recipe.role, recipe.names);
        let Decided { group, cause, shadow } = *decided;
        let seed = MemberSeed { key: key.hash(&self.seed), family, cause, shadow };
        let member = self.member(seed, || names);
        self.fold.regroup(member, Some(group));
        let field = self.field_of(role, reserved, family, member);
        Some(What::Noted { member, field })
    }

    /// Remembers what became of a series that was taken apart.
    pub(super) fn learn_alike(&mut self, series: &[u8], labels: &LabelSet, family: FamilyId, role: Role, what: What) {
        let fit = self.alike.fit(series).filter(|fit| fit.len == series.len());
        let Some(make) = fit.map(|fit| fit.make).or_else(|| self.learn_make(series, labels, family, role)) else {
            return;
        };
        let (What::Noted { member, .. }, Fate::Folds(recipe)) = (what, &self.alike.makes[make].fate) else { return };
        let Some(group) = self.fold.members.get(member).group() else { return };
        let class = self.fold.members.class(member);
        let decided = Decided { group, cause: class.cause, shadow: class.shadow };
        let hash = decision(&self.seed, make, recipe, &self.alike.values, series);
        let decisions = &mut self.alike.decisions;
        if decisions.len() >= MOST_DECISIONS {
            decisions.clear();
        }
        if decisions.find(hash, |(known, _)| *known == hash).is_none() {
            decisions.insert_unique(hash, (hash, decided), |(hash, _)| *hash);
        }
    }

    /// `None` when nothing can be said of its like.
    fn learn_make(&mut self, series: &[u8], labels: &LabelSet, family: FamilyId, role: Role) -> Option<usize> {
        let skeleton = Skeleton::of(series).filter(|skeleton| skeleton.names().len() == labels.len())?;
        let is_untouched = self.families.get(family).tracking == Tracking::No;
        let fate = match is_untouched && self.fold.families[family.index()].groups.is_empty() {
            true => Fate::Passes,
            false => Fate::Folds(self.recipe(&skeleton, family, role)?),
        };
        let make = Make { skeleton, family, fate };
        let at = self.alike.learned % MOST_MAKES;
        self.alike.learned += 1;
        match self.alike.makes.get_mut(at) {
            Some(oldest) => {
                // Decisions carry the place of their make.
                self.alike.decisions.clear();
                *oldest = make;
            }
            None => self.alike.makes.push(make),
        }
        self.alike.makes[at].skeleton.fit(series, &mut self.alike.values)?;
        Some(at)
    }

    fn recipe(&mut self, skeleton: &Skeleton, family: FamilyId, role: Role) -> Option<Recipe> {
        let f = self.families.get(family);
        // Limits decide by what was there before; where they have decided nothing they let join.
        let is_limited = !f.collapsed.is_empty() || !f.plan.budget().observed.is_unlimited();
        if is_limited || self.budgets.gate(f.hash.0, Manner::Enforced).is_some() {
            return None;
        }
        let (plan, own) = (&f.plan, role.own_label());
        let mut sorted: Vec<(Box<str>, usize)> = skeleton.names().zip(0..).map(|(n, at)| (n.into(), at)).collect();
        sorted.sort();
        let reserved = own.and_then(|own| sorted.extract_if(.., |(name, _)| **name == *own).next()).map(|(_, at)| at);
        let decides = |(name, _): &&(Box<str>, usize)| !plan.is_indifferent_to(name);
        let deciding: Box<[usize]> = sorted.iter().filter(decides).map(|(_, at)| *at).collect();
        if deciding.len() == sorted.len() || (own.is_some() && reserved.is_none()) {
            return None;
        }
        let names = super::meet::names_hash(&self.seed, sorted.iter().map(|(n, _)| &**n), &mut self.scratch.key);
        Some(Recipe { role, sorted: sorted.into(), deciding, reserved, names })
    }
}

/// Stands for a make and the values that decide.
#[inline]
fn decision(seed: &Seed, make: usize, recipe: &Recipe, values: &[Span], input: &[u8]) -> u64 {
    let mix =
        |hash: u64, at: &usize| (hash ^ seed.hash(&input[values[*at].clone()]).0).wrapping_mul(MIX).rotate_left(31);
    recipe.deciding.iter().fold(make as u64, mix)
}

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
