//! A walk along the forecast: one expected spelling after the other, with everything at hand.

use super::known::{Dropped, Known};
use super::series::{KnownId, Place, What};
use crate::engine::fold::Members;
use crate::engine::model::{Seed, SeriesHash, Spelled, Stamp};

/// A walk along the forecast.
pub struct Ahead<'a> {
    pub(super) all: &'a mut [Known],
    pub members: &'a mut Members,
    pub(super) seed: &'a Seed,
    pub(super) dropped: &'a Dropped,
    pub(super) now: Stamp,
    pub(super) next: u32,
    pub(super) last: &'a mut u32,
}

impl Ahead<'_> {
    /// Length and place of the expected spelling, if `input` begins with it for the first time in
    /// this body. Whether a bare name goes on is for the caller to see.
    #[inline(always)]
    pub fn look(&self, input: &[u8]) -> Option<(usize, Place)> {
        let place = KnownId(self.next).place();
        let len = match place {
            Place::Here(at) => {
                let known = self.all.get(at)?;
                self.fits(&known.spelled, known.hash(), input)?
            }
            Place::Member(member) => {
                let (spelled, hash) = self.members.spelled(member.index())?;
                self.fits(spelled, hash, input)?
            }
        };
        Some((len, place))
    }

    /// What was decided about one that is kept here.
    #[inline]
    pub fn what(&self, at: usize) -> What {
        self.all[at].what(self.dropped)
    }

    #[inline(always)]
    fn fits(&self, spelled: &Spelled, hash: SeriesHash, input: &[u8]) -> Option<usize> {
        let len = spelled.len();
        let series = input.get(..len)?;
        (spelled.stamp() != self.now && self.seed.hash(series) == hash).then_some(len)
    }

    /// It came.
    #[inline(always)]
    pub fn take(&mut self) {
        let spelled = match KnownId(self.next).place() {
            Place::Here(at) => self.all.get_mut(at).map(|known| &mut known.spelled),
            Place::Member(member) => self.members.spelled_mut(member.index()),
        };
        if let Some(spelled) = spelled {
            spelled.set_stamp(self.now);
            *self.last = self.next;
            self.next = spelled.next;
        }
    }
}
