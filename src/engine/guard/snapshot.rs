//! A state as bytes: what outlives the process, and no more. The first piece holds everything,
//! each later one what one scrape changed; read in order they give the state back.
//!
//! Spellings, types and decisions are not written: they are learned again, and the policy may be
//! another one by then (rule 7.5). Monotonic time does not survive, so the endpoint clock goes on
//! from its seconds.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budgets::BudgetRows;
use super::doubles::Double;
use super::families::{Families, Tracking};
use super::inherit::Recollection;
use super::notes::UNNOTED;
use super::process::ProcessWatch;
use super::state::EndpointState;
use super::types::{Place, Role};
use super::unremembered::Unremembered;
use super::wordings::{Wording, Wordings};
use crate::engine::fold::{Clients, Extent, FamilyId, FamilyRow, Misfit, Rows, Shape};
use crate::engine::model::{Format, Kind, Seed};
use crate::engine::policy::Plan;

#[derive(Debug, Serialize, Deserialize)]
struct Piece<R = Rows> {
    /// In the first piece only.
    birth: Option<Birth>,
    epoch_seconds: Option<f64>,
    /// Fingerprint of the plan that says whose values are remembered.
    plan: Option<[u8; 8]>,
    process: ProcessWatch,
    last_sweep: f64,
    hold_seconds: f64,
    /// Number of the last release that was taken up.
    released: u64,
    held_families: Vec<String>,
    families: Vec<(u32, Named, FamilyRow)>,
    rows: R,
    /// `None`: as they were.
    budgets: Option<BudgetRows>,
    /// What policies that only observe have decided; each as above.
    observed: Vec<(String, Option<BudgetRows>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Birth {
    format: u8,
    seed: [u8; 8],
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
    kind: u8,
    /// 1 when its series are remembered, and from the second bit on, which of them are not.
    tracking: u8,
    wordings: Vec<Wording>,
}

/// Why bytes are no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("bytes that are no state")]
    Unreadable,
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Stands where it is said whether a family is tracked: it stands for all that have no place.
const OUTSIDERS: u8 = 0x80;

/// In an order that is written down: only ever add at the end.
const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];

impl EndpointState {
    /// Appends everything, between two scrapes.
    pub fn snapshot(&mut self, out: &mut Vec<u8>) {
        self.write(Extent::Whole, out);
    }

    /// Appends what has changed since the last call of this or of [`EndpointState::snapshot`], and
    /// says whether that had to be everything. Call it after every committed scrape or never.
    pub fn changes(&mut self, out: &mut Vec<u8>) -> Extent {
        let extent = self.fold.journal.extent();
        self.write(extent, out);
        extent
    }

    /// Reads pieces in the order in which they were written, the first of which holds everything.
    pub fn restore<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Box<EndpointState>, RestoreError> {
        let mut pieces = pieces.into_iter();
        let first = Piece::read(pieces.next().ok_or(RestoreError::Unreadable)?)?;
        let birth = first.birth.as_ref().ok_or(RestoreError::Unreadable)?;
        let format = FORMATS.get(usize::from(birth.format)).copied().ok_or(Misfit)?;
        let mut state = EndpointState::new(format, Seed::new(u64::from_le_bytes(birth.seed)));
        state.take_up(first)?;
        for piece in pieces {
            state.take_up(Piece::read(piece)?)?;
        }
        state.recollection = Recollection::Written;
        state.doubles.iter_mut().for_each(|double| double.state.recollection = Recollection::Written);
        state.note_written();
        Ok(state)
    }

    /// Takes up what other guards have written of this very state since it was last written or read,
    /// in order. An error leaves it half read: whoever gets one restores everything.
    pub fn catch_up<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), RestoreError> {
        // Who scrapes here is known here, and nowhere else.
        let mut clients = std::mem::take(&mut self.clients);
        for piece in pieces {
            let piece = Piece::read(piece)?;
            if piece.birth.is_some() {
                return Err(Misfit.into());
            }
            if !piece.is_quiet() {
                self.decide_everything_anew();
            }
            clients.heard(piece.hold_seconds);
            self.take_up(piece)?;
        }
        self.clients = clients;
        self.note_written();
        Ok(())
    }

    /// Whether changes can be told by position: what was last written or read is still in its place.
    pub fn is_in_place(&self) -> bool {
        self.fold.journal.extent() == Extent::Changes
    }

    /// The last good scrape was another guard's, so long before `now`.
    pub fn last_scraped(&mut self, ago: Duration, now: Duration) {
        self.fold.clock.last_was(ago, now);
    }

    /// As after a restart: others have met series and decided about them.
    pub(super) fn decide_everything_anew(&mut self) {
        self.series.clear(&mut self.fold.members);
        self.notes.clear();
        self.fold.members.renumber_shadows(|_| UNNOTED);
        self.plan = None;
        self.families.others_came();
    }

    fn write(&mut self, extent: Extent, out: &mut Vec<u8>) {
        let written = postcard::serialize_with_flavor(&self.piece(extent), Onto(std::mem::take(out)));
        match written {
            Ok(bytes) => {
                *out = bytes;
                self.note_written();
            }
            // Memory is the only thing that could be missing; the next one is told everything.
            Err(_) => self.fold.journal.demand_whole(),
        }
    }

    fn piece(&self, extent: Extent) -> Piece<impl Serialize + '_> {
        let outside = |id: FamilyId| outside(&self.families, &self.wordings, id);
        let outsiders = self.families.outsiders();
        let name = |(id, row): (FamilyId, FamilyRow)| {
            let family = self.families.get(id);
            let kind = Kind::ALL.iter().position(|k| *k == family.kind).unwrap_or_default() as u8;
            let tracking = match Some(id) == outsiders {
                true => OUTSIDERS,
                false => u8::from(family.tracking != Tracking::No) | family.unremembered.bits() << 1,
            };
            let wordings = self.wordings.of(family).to_vec();
            (id.0, Named { name: family.name.to_string(), kind, tracking, wordings }, row)
        };
        let format = FORMATS.iter().position(|f| *f == self.format).unwrap_or_default() as u8;
        let birth = Birth { format, seed: self.seed.raw().to_le_bytes() };
        Piece {
            birth: (extent == Extent::Whole).then_some(birth),
            epoch_seconds: self.epoch_seconds,
            plan: self.remembers.map(u64::to_le_bytes),
            process: self.process,
            last_sweep: self.last_sweep,
            hold_seconds: self.clients.hold_seconds(),
            released: self.released,
            held_families: self.held_families.iter().map(ToString::to_string).collect(),
            families: self.fold.family_rows(extent, outside).into_iter().map(name).collect(),
            rows: self.fold.rows(extent),
            budgets: self.budget_rows(extent),
            observed: self.doubles.iter().map(|t| (t.policy.to_string(), t.state.budget_rows(extent))).collect(),
        }
    }

    /// `None`: as they were.
    fn budget_rows(&self, extent: Extent) -> Option<BudgetRows> {
        (extent == Extent::Whole || !self.budgets.is_written).then(|| BudgetRows::of(&self.budgets))
    }

    fn note_written(&mut self) {
        self.budgets.is_written = true;
        self.doubles.iter_mut().for_each(|double| double.state.budgets.is_written = true);
        let (families, wordings) = (&self.families, &self.wordings);
        self.fold.written(|id| outside(families, wordings, id));
    }

    fn take_up(&mut self, piece: Piece) -> Result<(), RestoreError> {
        self.epoch_seconds = piece.epoch_seconds;
        self.remembers = piece.plan.map(u64::from_le_bytes);
        self.process = piece.process;
        self.last_sweep = piece.last_sweep;
        self.clients = Clients::resume(piece.hold_seconds);
        self.released = piece.released;
        self.held_families = piece.held_families.into_iter().map(Arc::from).collect();
        for (at, named, row) in piece.families {
            self.take_up_family(FamilyId(at), named, row)?;
        }
        if let Some(rows) = piece.budgets {
            self.budgets.take_over(rows);
        }
        let released = self.released;
        for (policy, rows) in piece.observed {
            self.take_up_observed(policy, rows);
        }
        self.fold.read(piece.rows)?;
        let now = self.fold.clock.seconds();
        for double in &mut self.doubles {
            double.state.fold.clock.resume(now);
            double.state.released = released;
        }
        self.spread_collapses();
        Ok(())
    }

    /// Members of doubles are not written down: they are baselines again.
    fn take_up_observed(&mut self, policy: String, rows: Option<BudgetRows>) {
        let at = self.doubles.iter().position(|double| *double.policy == *policy).unwrap_or_else(|| {
            self.doubles.push(Double::new(policy.into(), EndpointState::new(self.format, self.seed)));
            self.doubles.len() - 1
        });
        if let Some(rows) = rows {
            let state = &mut self.doubles[at].state;
            state.budgets.take_over(rows);
            state.decide_everything_anew();
        }
    }

    fn take_up_family(&mut self, id: FamilyId, named: Named, row: FamilyRow) -> Result<(), Misfit> {
        let kind = Kind::ALL.get(usize::from(named.kind)).copied().ok_or(Misfit)?;
        let place = Place { family: named.name.into(), kind, role: Role::Value };
        let shape = row.shape().ok_or(Misfit)?;
        if id.index() == self.families.len() {
            // No plan is trusted over a restart: the scrape that comes next brings its own.
            match named.tracking {
                OUTSIDERS => drop(self.families.add_outsiders(self.format, &self.seed)),
                _ => {
                    self.families.add(&place, shape, self.format, &Plan::default(), &self.seed);
                    self.families.remember(&place, self.format);
                }
            }
        }
        if id.index() >= self.families.len() {
            return Err(Misfit);
        }
        let family = self.families.get(id);
        self.wordings.read(&self.seed, family, named.wordings).ok_or(Misfit)?;
        if *family.name != *place.family || family.kind != kind {
            return Err(Misfit);
        }
        if kind == Kind::Unknown && shape == Shape::Cumulative {
            self.types.remember_together(&place.family);
        }
        let family = self.families.get_mut(id);
        if named.tracking == OUTSIDERS {
            family.unremembered = Unremembered::of_refused();
        } else {
            family.tracking = if named.tracking & 1 == 0 { Tracking::No } else { Tracking::Yes };
            family.unremembered = Unremembered::of_bits(named.tracking >> 1);
        }
        self.fold.read_family(id, row)
    }
}

/// Bytes that more are written to.
struct Onto(Vec<u8>);

impl postcard::ser_flavors::Flavor for Onto {
    type Output = Vec<u8>;

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        match data {
            // Most numbers are this short.
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(data),
        }
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// What is written about a family beside what folding knows.
fn outside(families: &Families, wordings: &Wordings, id: FamilyId) -> u64 {
    let family = families.get(id);
    family.tracking as u64 | u64::from(family.unremembered.bits()) << 2 | (wordings.of(family).len() as u64) << 8
}

impl Piece {
    /// Nothing came to be: what is known of spellings stays true.
    fn is_quiet(&self) -> bool {
        self.families.is_empty() && self.budgets.is_none() && self.rows.bear_nothing()
    }

    fn read(bytes: &[u8]) -> Result<Piece, RestoreError> {
        match postcard::take_from_bytes(bytes) {
            Ok((piece, [])) => Ok(piece),
            _ => Err(RestoreError::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_state_are_refused_without_a_panic() {
        let mut bytes = Vec::new();
        EndpointState::new(Format::OpenMetrics, Seed::new(9)).snapshot(&mut bytes);
        let restored = EndpointState::restore([bytes.as_slice()]).unwrap();
        assert_eq!((restored.format(), restored.seed.raw()), (Format::OpenMetrics, 9));
        assert!(EndpointState::restore([]).is_err());
        for cut in 0..bytes.len() {
            assert!(EndpointState::restore([&bytes[..cut]]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                let _ = EndpointState::restore([bytes.as_slice()]);
            }
        }
    }
}
