//! Everything remembered about one endpoint in one format.

use std::collections::HashSet;
use std::sync::Arc;

use super::alike::Alike;
use super::budgets::Budgets;
use super::causes::Causes;
use super::commons::{Commons, Learned};
use super::crowd::Doors;
use super::demography::LabelRow;
use super::doubles::Double;
use super::families::Families;
use super::inherit::Recollection;
use super::known::{KnownId, Place};
use super::lines::LoneLine;
use super::notes::{Note, Notes, UNNOTED};
use super::process::ProcessWatch;
use super::series::Series;
use super::types::Types;
use super::wordings::Wordings;
use crate::engine::cardinality::Part;
use crate::engine::fold::{Clients, FamilyId, Fold, Lines, MemberId};
use crate::engine::model::{Format, LabelSet, Seed};
use crate::engine::policy::Plan;

/// Memory that a scrape uses and nobody needs when it is over.
#[derive(Debug, Default)]
pub struct Lent {
    /// For what is read and held.
    pub body: Vec<u8>,
    /// For what is noted of folded lines.
    pub lines: Lines,
}

#[derive(Debug)]
pub struct EndpointState {
    pub(super) format: Format,
    pub(super) seed: Seed,
    /// Number of the scrape at hand; never the same twice.
    pub(super) scrape: u32,
    pub(super) series: Series,
    pub(super) types: Types,
    pub(super) families: Families,
    pub(super) fold: Fold,
    pub(super) clients: Clients,
    pub(super) process: ProcessWatch,
    pub(super) causes: Causes,
    pub(super) notes: Notes,
    pub(super) wordings: Wordings,
    pub(super) budgets: Budgets,
    /// The scrape in which the endpoint came to have more series than it may.
    pub(super) crowded: u32,
    /// What becomes of families that come new to a full endpoint; and as it was before the pass.
    pub(super) doors: Doors,
    pub(super) doors_before: Doors,
    /// Series that were read from the store and are not met again yet.
    pub(super) awaited: u64,
    /// Families there were when some were last given back.
    pub(super) families_kept: usize,
    /// The last release that was taken up.
    pub(super) released: u64,
    pub(super) learned: Arc<[Learned]>,
    /// Collapses that ended by themselves in the last scrape.
    pub(super) outgrown: Vec<Learned>,
    pub(super) commons: Option<Arc<dyn Commons>>,
    /// This endpoint's part in the series of its target.
    pub(super) part: Option<Part>,
    /// Series that this scrape may still add to censuses.
    pub(super) census_left: u32,
    /// What other families than the one at hand may add.
    pub(super) census_reserve: u32,
    /// The one at hand.
    pub(super) census_family: Option<FamilyId>,
    /// Whether the last scrape changed nothing in its body, and who asked took it apart from the rest.
    pub(super) left_as_it_came: bool,
    /// Whether the last scrape has brought a crowd of new series.
    pub(super) had_news: bool,
    /// What was last listed of label values.
    pub(super) label_rows: Arc<[LabelRow]>,
    /// Families whose block must wait for the end, because one came back after it had left.
    pub(super) held_families: HashSet<Arc<str>>,
    /// Fingerprint of the plan that the remembered decisions are of.
    pub(super) plan: Option<u64>,
    /// Of the plan that said whose values are remembered, which outlives decisions and the process.
    pub(super) remembers: Option<u64>,
    /// Endpoint clock of the last walk over all members.
    pub(super) last_sweep: f64,
    /// Wall time of the first commit, seconds since the epoch.
    pub(super) epoch_seconds: Option<f64>,
    /// One for each policy that only observes: the endpoint as it were if that policy were enforced.
    pub(super) doubles: Vec<Double>,
    pub(super) recollection: Recollection,
    /// The policy whose double this is.
    pub(super) observer: Option<Arc<str>>,
    pub(super) alike: Alike,
    pub(super) scratch: Scratch,
    /// Members of this scrape of which a line was sent to a group, where others may be sent elsewhere.
    pub(super) sent: HashSet<MemberId>,
    /// A buffer for the next body.
    pub(super) spare: Vec<u8>,
    /// And one for its lines of members that pass alone.
    pub(super) lone: Vec<LoneLine>,
}

/// Bytes of all that is small, roughly.
const SMALL: usize = 4096;

/// Buffers for meeting a new series.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub labels: LabelSet,
    pub books: Books,
    pub key: Vec<u8>,
    pub body: Vec<u8>,
}

/// What becomes of a series while policies and limits are asked.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub out: LabelSet,
    pub note: Note,
    /// Labels that steps changed for want of room, as they were.
    pub held: Vec<(Arc<str>, Box<str>)>,
}

/// Where a rollback goes back to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watermark {
    series: usize,
    families: usize,
    members: usize,
}

impl Watermark {
    /// The spellings were forgotten meanwhile.
    pub fn without_series(self) -> Watermark {
        Watermark { series: 0, ..self }
    }

    /// Whether a spelling came up in the pass.
    #[inline]
    pub fn is_new_series(&self, id: KnownId) -> bool {
        match id.place() {
            Place::Here(at) => at >= self.series,
            Place::Member(member) => member.index() >= self.members,
        }
    }

    /// Members that were there before the pass.
    pub fn members(&self) -> usize {
        self.members
    }
}

impl EndpointState {
    pub fn new(format: Format, seed: Seed) -> Box<EndpointState> {
        Box::new(EndpointState {
            format,
            seed,
            scrape: 0,
            series: Series::new(seed),
            types: Types::default(),
            families: Families::default(),
            fold: Fold::default(),
            clients: Clients::default(),
            process: ProcessWatch::default(),
            causes: Causes::default(),
            notes: Notes::default(),
            wordings: Wordings::default(),
            budgets: Budgets::default(),
            crowded: 0,
            doors: Doors::Open,
            doors_before: Doors::Open,
            awaited: 0,
            families_kept: 0,
            released: 0,
            learned: Arc::default(),
            outgrown: Vec::new(),
            commons: None,
            part: None,
            census_left: 0,
            census_reserve: 0,
            census_family: None,
            left_as_it_came: false,
            had_news: false,
            label_rows: Arc::default(),
            held_families: HashSet::new(),
            plan: None,
            remembers: None,
            last_sweep: 0.0,
            epoch_seconds: None,
            doubles: Vec::new(),
            recollection: Recollection::Whole,
            observer: None,
            alike: Alike::default(),
            scratch: Scratch::default(),
            sent: HashSet::new(),
            spare: Vec::new(),
            lone: Vec::new(),
        })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes this state takes, roughly, the buffer aside.
    pub fn memory(&self) -> usize {
        size_of::<EndpointState>()
            + SMALL
            + self.series.memory()
            + self.families.memory()
            + self.fold.memory()
            + self.budgets.memory()
            + self.notes.memory()
            + self.alike.memory()
            + self.lone.capacity() * size_of::<LoneLine>()
            + self.doubles.iter().map(|double| double.state.memory()).sum::<usize>()
    }

    /// Lends memory to the next scrape: what was written to before is cheaper than new.
    pub fn lend(&mut self, lent: Lent) {
        (self.spare, self.fold.lent) = (lent.body, lent.lines);
    }

    /// Takes what the last scrape left, so that another endpoint may have it.
    pub fn take_back(&mut self) -> Lent {
        Lent { body: std::mem::take(&mut self.spare), lines: std::mem::take(&mut self.fold.lent) }
    }

    /// Members remembered.
    pub fn members(&self) -> usize {
        self.fold.members.len() + self.doubles.iter().map(|double| double.state.members()).sum::<usize>()
    }

    /// A pass over a body begins.
    pub(super) fn begin_pass(&mut self) -> Watermark {
        self.scrape = self.scrape.wrapping_add(1).max(1);
        self.fold.groups.scrape = self.scrape;
        self.fold.begin();
        self.types.begin(self.scrape);
        self.series.rewind(&mut self.fold.members, self.scrape);
        self.budgets.begin();
        self.doors_before = self.doors;
        self.alike.begin(self.budgets.changes());
        self.begin_census();
        Watermark { series: self.series.len(), families: self.families.len(), members: self.fold.members.len() }
    }

    /// Forgets the pass.
    pub(super) fn rollback(&mut self, watermark: Watermark) {
        self.alike.clear();
        let moved = self.fold.has_moved_groups();
        self.fold.rollback();
        self.series.truncate(&mut self.fold.members, watermark.series);
        // Before anything is counted again: the fold no longer knows the families of this pass.
        self.families.truncate(watermark.families, self.scrape);
        self.rollback_limits();
        if moved {
            self.recount();
        }
    }

    /// Takes up the plan of the scrape at hand. Members stay, whatever the new plan makes of them
    /// (rules 5.7, 5.8); what was decided about spellings is decided again.
    pub(super) fn take_plan(&mut self, plan: &Plan) {
        let next = Some(plan.fingerprint());
        let effect = Some(plan.effect());
        let remembered = std::mem::replace(&mut self.remembers, effect);
        if self.plan == next {
            return;
        }
        self.plan = next;
        self.alike.clear();
        self.series.clear(&mut self.fold.members);
        self.notes.clear();
        self.causes.reorder(plan.names());
        self.fold.members.renumber_shadows(|_| UNNOTED);
        let mut anew: HashSet<FamilyId> = self.families.replan(self.format, plan).into_iter().collect();
        if remembered != effect {
            anew.extend(self.families.take_unremembered());
        }
        self.replan_limits(plan);
        if !anew.is_empty() {
            self.fold.look_anew(&anew);
        }
    }
}
