//! Who is to blame where several policies or limits change the series of one family: the first change
//! that left a line without one of its own. Lines are counted under the last change they met, and
//! what is another's is moved when all lines of a scrape are known.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::causes::{Causes, NOBODY, Stage};
use super::notes::Notes;
use super::types::Role;
use crate::engine::fold::{Dropped, FamilyId, Fold, MemberId, Pending, field};
use crate::engine::model::SeriesHash;

/// A line that was left out where others change series of its family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub family: FamilyId,
    pub cause: u32,
    pub note: u32,
    pub is_new: bool,
}

/// Which line of its series a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineSlot {
    Field(u32),
    /// The bits of its boundary.
    Bucket(u64),
    /// It holds no number, and goes with whoever folds its series.
    Aside,
    Quantile,
}

/// Where lines were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    Folded,
    LeftOut,
}

/// What the lines of a scrape are judged by.
pub(super) struct Evidence<'a> {
    pub fold: &'a Fold,
    pub notes: &'a Notes,
    pub causes: &'a Causes,
    /// Members that were there before the scrape.
    pub known: usize,
}

/// A line and how it came to what it is.
struct Line {
    own: Option<SeriesHash>,
    note: u32,
    /// `None`: it is left out.
    end: Option<SeriesHash>,
    last: u32,
    /// Whether `last` changed it, or others into what it is.
    is_changed: bool,
    slot: LineSlot,
    is_new: bool,
}

/// What a stage made of a series.
#[derive(Clone, Copy)]
struct Step {
    stage: Stage,
    set: Option<SeriesHash>,
    cause: u32,
    is_stale: bool,
}

/// The verdict about the lines of one family.
#[derive(Default)]
struct Inquest {
    stages: BTreeSet<Stage>,
    /// Who changed a series into this label set at this stage.
    into: HashMap<(Stage, SeriesHash), u32>,
    seen: HashSet<(Stage, SeriesHash, LineSlot)>,
    path: Vec<Step>,
}

impl LineSlot {
    /// `own` is the value of the family's own label.
    pub fn of(role: Role, own: Option<&str>) -> LineSlot {
        match (role, own.and_then(|own| own.parse::<f64>().ok())) {
            (Role::Value, _) => LineSlot::Field(field::VALUE),
            (Role::Sum, _) => LineSlot::Field(field::SUM),
            (Role::Count, _) => LineSlot::Field(field::COUNT),
            (Role::Bucket, Some(le)) => LineSlot::Bucket(le.to_bits()),
            (Role::Quantile, _) => LineSlot::Quantile,
            _ => LineSlot::Aside,
        }
    }

    /// Stands for this line of a series.
    pub fn mixed_with(self, series: SeriesHash) -> u64 {
        let line = match self {
            LineSlot::Field(at) => u64::from(at),
            LineSlot::Bucket(le) => !le,
            LineSlot::Aside => 1 << 32,
            LineSlot::Quantile => 1 << 33,
        };
        series.0 ^ line.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Evidence<'_> {
    /// What is to be moved in a family at whose series several stages act.
    pub fn judge(&self, family: FamilyId, left: &[Left], moves: &mut HashMap<(Source, u32, u32), Dropped>) {
        let mut inquest = Inquest::default();
        for line in self.lines(family, left) {
            inquest.hear(self, &line);
        }
        for line in self.lines(family, left) {
            inquest.judge(self, &line, moves);
        }
    }

    fn lines<'e>(&'e self, family: FamilyId, left: &'e [Left]) -> impl Iterator<Item = Line> + 'e {
        let folded = self.fold.families[family.index()].pending.iter().filter_map(move |p| self.folded(family, p));
        let left = left.iter().filter(move |left| left.family == family);
        folded.chain(left.map(|left| self.left_out(left)))
    }

    fn left_out(&self, left: &Left) -> Line {
        let note = self.notes.get(left.note);
        // Unchanged until it went.
        let own = note.and_then(|note| note.way.first()).filter(|point| point.cause == NOBODY);
        Line {
            own: own.map(|point| point.set),
            note: left.note,
            end: None,
            last: left.cause,
            is_changed: true,
            slot: note.and_then(|note| note.slot).unwrap_or(LineSlot::Aside),
            is_new: left.is_new,
        }
    }

    fn folded(&self, family: FamilyId, p: &Pending) -> Option<Line> {
        let group = self.fold.groups.get(self.fold.members.get(p.member).group()?);
        let class = self.fold.members.class(p.member);
        let slot = match p.number() {
            field::TIMESTAMP | field::IGNORED => return None,
            field::QUANTILE => LineSlot::Quantile,
            at if at >= field::REAL => LineSlot::Aside,
            at => {
                let le = self.fold.families[family.index()].boundary(class.layout, at);
                let bucket = le.and_then(|le| le.parse::<f64>().ok()).map(|le| LineSlot::Bucket(le.to_bits()));
                bucket.unwrap_or(LineSlot::Field(at))
            }
        };
        Some(Line {
            own: Some(self.fold.members.key(p.member)),
            note: class.shadow,
            end: Some(group.key),
            last: if class.cause == NOBODY { group.cause } else { class.cause },
            is_changed: class.cause != NOBODY,
            slot,
            is_new: self.is_new(p.member),
        })
    }

    /// Who founded the group of a label set at this stage: it stays one (rule 0.11).
    fn founder(&self, stage: Stage, set: SeriesHash) -> Option<u32> {
        let cause = self.fold.groups.get(self.fold.find_group(set)?).cause;
        (self.causes.stage(cause) == Some(stage)).then_some(cause)
    }

    fn is_new(&self, member: MemberId) -> bool {
        member.index() >= self.known
    }
}

impl Inquest {
    /// The label sets of a line, stage by stage: a stage that changed it twice is the first's.
    fn walk(&mut self, evidence: &Evidence<'_>, line: &Line) {
        self.path.clear();
        let note = evidence.notes.get(line.note);
        let way = note.map(|note| &*note.way).unwrap_or_default();
        let way = way.iter().map(|point| (Some(point.set), point.cause, point.is_stale));
        let is_stale = note.is_some_and(|note| note.is_stale);
        let last = line.is_changed.then_some((line.end, line.last, is_stale));
        for (set, cause, is_stale) in way.chain(last) {
            let Some(stage) = evidence.causes.stage(cause) else { continue };
            match self.path.last_mut() {
                Some(last) if last.stage == stage => last.set = set,
                _ => self.path.push(Step { stage, set, cause, is_stale }),
            }
        }
    }

    fn hear(&mut self, evidence: &Evidence<'_>, line: &Line) {
        self.walk(evidence, line);
        for step in &self.path {
            self.stages.insert(step.stage);
            if let Some(set) = step.set {
                self.into.entry((step.stage, set)).or_insert(step.cause);
            }
        }
    }

    fn judge(&mut self, evidence: &Evidence<'_>, line: &Line, moves: &mut HashMap<(Source, u32, u32), Dropped>) {
        self.walk(evidence, line);
        let (folds, keeps_out) = self.culprits(evidence, line);
        let source = if line.end.is_some() { Source::Folded } else { Source::LeftOut };
        let from = line.last;
        if let Some(to) = folds {
            moves.entry((source, from, to)).or_default().folded += 1;
        }
        let Some((stage, to)) = keeps_out else { return };
        let moved = moves.entry((source, from, to)).or_default();
        moved.lines += 1;
        moved.quantiles += u64::from(line.slot == LineSlot::Quantile);
        // What a change keeps out may have been kept out before.
        let is_stale = self.path.iter().any(|step| step.stage == stage && step.is_stale);
        let to = if is_stale { NOBODY } else { to };
        moves.entry((source, from, to)).or_default().new_lines += u64::from(line.is_new);
    }

    /// Who folds the line first, and when and by whom it is left without a line of its own.
    fn culprits(&mut self, evidence: &Evidence<'_>, line: &Line) -> (Option<u32>, Option<(Stage, u32)>) {
        let (mut set, mut steps, mut folds) = (line.own, self.path.iter().peekable(), None);
        for &stage in &self.stages {
            let mut changed = None;
            if let Some(step) = steps.next_if(|step| step.stage == stage) {
                if step.set.is_none() {
                    break;
                }
                (set, changed) = (step.set, Some(step.cause));
            }
            let Some(set) = set else { continue };
            let into = || self.into.get(&(stage, set)).copied().or_else(|| evidence.founder(stage, set));
            folds = folds.or(changed);
            let who = changed.or_else(into);
            let has_line = match line.slot {
                LineSlot::Aside | LineSlot::Quantile => who.is_none(),
                slot => self.seen.insert((stage, set, slot)),
            };
            if !has_line {
                return (folds, Some((stage, who.unwrap_or(line.last))));
            }
        }
        (folds, None)
    }
}
