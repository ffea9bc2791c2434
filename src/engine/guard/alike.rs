//! New series that differ from one met before in label values only, and of those in none that
//! anybody decides by: an exploding label brings them by the thousand. They get its fate without
//! being taken apart.

use hashbrown::HashTable;

use super::budgets::{BookKey, Budgets, Collapse, Origin, Slot};
use super::families::Tracking;
use super::notes::UNNOTED;
use super::process::START_TIME;
use super::series::What;
use super::state::EndpointState;
use super::twins::{Joins as TwinJoins, Twins};
use super::types::Role;
use super::wordings::Template;
use crate::engine::exposition::{Plain, Skeleton, Span, plain};
use crate::engine::fold::{FamilyId, GroupId, MemberId, MemberSeed};
use crate::engine::model::{LabelSet, Seed, SeriesHash};
use crate::engine::policy::Decides;

/// What was learned. Whoever moves groups, families or members, or changes what is decided, forgets
/// it.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// The changes of limits' decisions when the last pass began.
    changes: u64,
    makes: Vec<Make>,
    /// The make of the last line that had one, and how many were learned.
    recent: usize,
    learned: usize,
    decisions: HashTable<(u64, Decided)>,
    pub twins: Twins,
    /// The values of the line at hand, and their hashes.
    values: Vec<Span>,
    hashes: Vec<SeriesHash>,
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
    /// In order, the family's own aside.
    sorted: Box<[Part]>,
    keyed: Keyed,
    /// Places of the values that decide.
    deciding: Box<[usize]>,
    /// Places of the values that decide when a book knows them, and the book.
    placed: Box<[(usize, u32)]>,
    /// The place of `le` or `quantile`.
    reserved: Option<usize>,
    /// Hash of the label names, as members tell them (rule 1.8).
    names: u64,
}

/// A label: its name, and the place of its value.
#[derive(Debug)]
struct Part {
    name: Box<str>,
    at: usize,
}

/// What the key of a member is the hash of.
#[derive(Debug)]
enum Keyed {
    /// The line's own series part: it is the usual spelling.
    Spelling,
    Template(Template),
}

/// What those that agree in the deciding values become.
#[derive(Clone, Copy, Debug)]
struct Decided {
    group: GroupId,
    cause: u32,
    shadow: u32,
}

/// A line whose series part has a make, read ahead.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    make: usize,
    /// Where the series part ends.
    pub len: usize,
    pub plain: Plain,
    pub hash: SeriesHash,
    joins: Option<Joins>,
}

/// What a member would be.
#[derive(Clone, Debug)]
struct Joins {
    key: SeriesHash,
    decided: Decided,
    /// Where the value of the family's own label is.
    reserved: Option<Span>,
}

/// More makes than this in turn, and the oldest is learned again.
const MOST_MAKES: usize = 16;
/// More decisions than this, and they are learned again: the deciding values explode as well.
const MOST_DECISIONS: usize = 4096;

impl Alike {
    /// A pass begins, and limits have changed their mind so often.
    pub fn begin(&mut self, changes: u64) {
        if self.changes != changes {
            self.clear();
        }
        self.changes = changes;
    }

    /// Bytes on the heap, but for what is small.
    pub fn memory(&self) -> usize {
        self.decisions.allocation_size()
    }

    /// Groups or limits are not what they were.
    pub fn clear(&mut self) {
        self.makes.clear();
        self.decisions.clear();
        self.twins.clear();
        (self.recent, self.learned) = (0, 0);
    }

    /// The make of the series that `input` begins with, and where that ends.
    #[inline]
    fn fit(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        let Alike { makes, values, recent, .. } = self;
        let mut try_make = |make: usize| Some((make, makes.get(make)?.skeleton.fit(input, values)?));
        let others = (0..makes.len()).filter(|make| *make != *recent);
        let fit = try_make(*recent).or_else(|| others.into_iter().find_map(&mut try_make))?;
        *recent = fit.0;
        Some(fit)
    }
}

impl EndpointState {
    /// Reads the line that `input` begins with, if it is like others.
    pub(super) fn ready(&mut self, input: &[u8], longest: usize) -> Option<Ready> {
        let (make, len) = self.alike.fit(input)?;
        let plain = plain(input, len).filter(|plain| plain.end <= longest)?;
        let hash = self.seed.hash(&input[..len]);
        let joins = match &self.alike.makes[make].fate {
            Fate::Passes => None,
            Fate::Folds(recipe) => {
                let hashes = &mut self.alike.hashes;
                hash_values(&self.seed, &self.alike.values, input, hashes);
                let decision = decision(make, recipe, hashes);
                let decided = self.alike.decisions.find(decision, |(known, _)| *known == decision);
                let key = match &recipe.keyed {
                    Keyed::Spelling => hash,
                    Keyed::Template(usual) => usual.key(&self.seed, input, &self.alike.values, &mut self.scratch.key),
                };
                let reserved = recipe.reserved.map(|at| self.alike.values[at].clone());
                let is_beyond = recipe.is_beyond(&self.budgets, hashes);
                decided.filter(|_| is_beyond).map(|(_, decided)| Joins { key, decided: *decided, reserved })
            }
        };
        Some(Ready { make, len, plain, hash, joins })
    }

    /// Brings near what taking these up will ask for: all of it at once.
    pub(super) fn touch(&self, lines: &[Ready]) {
        for line in lines {
            self.series.touch(line.hash);
            if let Some(joins) = &line.joins {
                self.fold.members.touch(joins.key);
            }
        }
    }

    /// The fate of a new series that was read ahead from `input`; `None` when it has to be asked for.
    pub(super) fn meet_alike(&mut self, input: &[u8], ready: &Ready) -> Option<What> {
        let make = self.alike.makes.get(ready.make)?;
        let family = make.family;
        let Fate::Folds(recipe) = &make.fate else { return Some(What::Pass(family)) };
        let (role, names, is_held) = (recipe.role, recipe.names, !recipe.placed.is_empty());
        let Joins { key, decided: Decided { group, cause, shadow }, reserved } = ready.joins.as_ref()?;
        let labels = &mut self.scratch.labels;
        labels.clear();
        if self.census_left > 0 {
            // Not those of the line that was read ahead last.
            recipe.labels(&make.skeleton, input, &mut self.alike.values, labels)?;
        }
        let labels = std::mem::take(labels);
        self.count_values(family, role, &labels);
        self.scratch.labels = labels;
        let seed = MemberSeed { key: *key, family, cause: *cause, shadow: *shadow };
        if is_held {
            self.budgets.demanded(self.families.get(family).hash.0, key.0);
        }
        let member = self.member(seed, || names);
        self.fold.regroup(member, Some(*group));
        let own = reserved.as_ref().map(|span| std::str::from_utf8(&input[span.clone()]).unwrap_or_default());
        let field = self.field_of(role, own, family, member);
        self.learn_twin(&input[..ready.len], ready.make, member);
        Some(What::Noted { member, field })
    }

    /// The values of a line of this make that is read by comparing from now on.
    pub(super) fn count_kin(&mut self, family: FamilyId, make: usize, line: &[u8]) {
        let Some(Make { skeleton, fate: Fate::Folds(recipe), .. }) = self.alike.makes.get(make) else { return };
        let mut labels = std::mem::take(&mut self.scratch.labels);
        labels.clear();
        if recipe.labels(skeleton, line, &mut self.alike.values, &mut labels).is_some() {
            self.count_values(family, recipe.role, &labels);
        }
        self.scratch.labels = labels;
    }

    /// Lines that differ from this one in nothing that decides are its twins.
    fn learn_twin(&mut self, series: &[u8], make: usize, model: MemberId) -> Option<()> {
        let Alike { makes, values, twins, .. } = &mut self.alike;
        let Make { skeleton, family, fate: Fate::Folds(recipe) } = makes.get(make)? else { return None };
        let f = self.families.get(*family);
        if !matches!(recipe.keyed, Keyed::Spelling) || recipe.role != Role::Value || *f.name == *START_TIME {
            return None;
        }
        self.fold.members.get(model).group()?;
        skeleton.fit(series, values)?;
        let free = (0..values.len()).filter(|at| !recipe.deciding.contains(at));
        let book = |at: usize| recipe.placed.iter().find(|(placed, _)| *placed == at).map(|(_, book)| *book);
        let free: Vec<_> = free.map(|at| (values[at].clone(), book(at))).collect();
        twins.learn(series, &free, TwinJoins { family: *family, make, model });
        Some(())
    }

    /// Remembers what became of a series that was taken apart.
    pub(super) fn learn_alike(&mut self, series: &[u8], labels: &LabelSet, family: FamilyId, role: Role, what: What) {
        if self.families.outsiders() == Some(family) {
            return;
        }
        let fit = self.alike.fit(series).filter(|(_, len)| *len == series.len());
        let Some(make) = fit.map(|(make, _)| make).or_else(|| self.learn_make(series, labels, family, role)) else {
            return;
        };
        let (What::Noted { member, .. }, Fate::Folds(recipe)) = (what, &self.alike.makes[make].fate) else { return };
        let Some(group) = self.fold.members.get(member).group() else { return };
        let class = self.fold.members.class(member);
        if class.shadow != UNNOTED {
            // What is noted of it is its own.
            return;
        }
        let decided = Decided { group, cause: class.cause, shadow: class.shadow };
        hash_values(&self.seed, &self.alike.values, series, &mut self.alike.hashes);
        let hash = decision(make, recipe, &self.alike.hashes);
        let decisions = &mut self.alike.decisions;
        if decisions.len() >= MOST_DECISIONS {
            decisions.clear();
        }
        if decisions.find(hash, |(known, _)| *known == hash).is_none() {
            decisions.insert_unique(hash, (hash, decided), |(hash, _)| *hash);
        }
        self.learn_twin(series, make, member);
    }

    /// `None` when nothing can be said of its like.
    fn learn_make(&mut self, series: &[u8], labels: &LabelSet, family: FamilyId, role: Role) -> Option<usize> {
        let skeleton = Skeleton::of(series).filter(|skeleton| skeleton.names().len() == labels.len())?;
        let is_untouched = self.families.get(family).tracking == Tracking::No;
        let fate = match is_untouched && self.fold.families[family.index()].groups.is_empty() {
            true => Fate::Passes,
            false => Fate::Folds(self.recipe(&skeleton, series, family, role)?),
        };
        let make = Make { skeleton, family, fate };
        let at = self.alike.learned % MOST_MAKES;
        self.alike.learned += 1;
        match self.alike.makes.get_mut(at) {
            Some(oldest) => {
                // Decisions carry the place of their make.
                self.alike.decisions.clear();
                self.alike.twins.clear();
                *oldest = make;
            }
            None => self.alike.makes.push(make),
        }
        self.alike.makes[at].skeleton.fit(series, &mut self.alike.values)?;
        Some(at)
    }

    fn recipe(&mut self, skeleton: &Skeleton, series: &[u8], family: FamilyId, role: Role) -> Option<Recipe> {
        let f = self.families.get(family);
        // Limits decide by what was there before; where they have decided nothing they let join.
        if !f.collapsed.is_empty() || self.budgets.gate(f.hash.0).is_some() {
            return None;
        }
        let (plan, own) = (&f.plan, role.own_label());
        let mut sorted: Vec<(Box<str>, usize)> = skeleton.names().zip(0..).map(|(n, at)| (n.into(), at)).collect();
        sorted.sort();
        let reserved = own.and_then(|own| sorted.extract_if(.., |(name, _)| **name == *own).next()).map(|(_, at)| at);
        let has_folded = |step, label: &str| {
            let mine = |c: &Collapse| c.family == f.hash.0 && c.origin == Origin::Step(step) && *c.label == *label;
            self.budgets.collapses().iter().any(mine)
        };
        let decides = plan.deciding(sorted.iter().map(|(name, _)| &**name), has_folded)?;
        let (mut deciding, mut placed) = (Vec::new(), Vec::new());
        for ((name, at), decides) in sorted.iter().zip(decides) {
            match decides {
                Decides::Yes => deciding.push(*at),
                Decides::No => {}
                Decides::Unplaced(step) => {
                    let label = self.seed.hash(name.as_bytes()).0;
                    placed.push((*at, self.budgets.book_of(BookKey { step: step.0, label, family: f.hash.0 })?));
                }
            }
        }
        if deciding.len() == sorted.len() || (own.is_some() && reserved.is_none()) {
            return None;
        }
        let names = super::meet::names_hash(&self.seed, sorted.iter().map(|(n, _)| &**n), &mut self.scratch.key);
        let labels: Vec<(&str, usize)> = sorted.iter().map(|(name, at)| (&**name, *at)).collect();
        let usual = self.wordings.template(&self.seed, self.families.get(family), &labels);
        skeleton.fit(series, &mut self.alike.values)?;
        let key = usual.key(&self.seed, series, &self.alike.values, &mut self.scratch.key);
        let keyed = if key == self.seed.hash(series) { Keyed::Spelling } else { Keyed::Template(usual) };
        let sorted = sorted.into_iter().map(|(name, at)| Part { name, at }).collect();
        Some(Recipe { role, sorted, keyed, deciding: deciding.into(), placed: placed.into(), reserved, names })
    }
}

impl Recipe {
    /// Whether no value has or had a place of its own.
    #[inline]
    fn is_beyond(&self, budgets: &Budgets, hashes: &[SeriesHash]) -> bool {
        self.placed.iter().all(|&(at, book)| budgets.is_beyond(Slot { book, value: hashes[at].0 }))
    }

    /// The labels that are counted, out of a line of this make.
    fn labels(&self, make: &Skeleton, line: &[u8], values: &mut Vec<Span>, labels: &mut LabelSet) -> Option<()> {
        make.fit(line, values)?;
        for Part { name, at, .. } in &self.sorted {
            labels.push(name, std::str::from_utf8(&line[values[*at].clone()]).ok()?);
        }
        Some(())
    }
}

#[inline]
fn hash_values(seed: &Seed, values: &[Span], input: &[u8], hashes: &mut Vec<SeriesHash>) {
    hashes.clear();
    hashes.extend(values.iter().map(|span| seed.hash(&input[span.clone()])));
}

/// Stands for a make and the values that decide.
#[inline]
fn decision(make: usize, recipe: &Recipe, hashes: &[SeriesHash]) -> u64 {
    let mix = |hash: u64, at: &usize| (hash ^ hashes[*at].0).wrapping_mul(MIX).rotate_left(31);
    recipe.deciding.iter().fold(make as u64, mix)
}

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
