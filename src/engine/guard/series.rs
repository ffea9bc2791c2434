//! The series an exposition is expected to bring, by their raw bytes.
//!
//! The next scrape looks like the last one: every known spelling remembers which one came after
//! it, so reading a known series is hashing as many bytes as it has and comparing. A miss falls
//! back to a table; insertions and deletions repair the chain as they are met. The table is made
//! when it is first asked: series that nobody looks for are never entered.
//!
//! Most members are one series each, spelled as the member's key says: then the member's own record
//! holds what is known of the spelling, and there is none here.

use super::known::{Dropped, Known, KnownId, Place, predictable};
use super::walk::Ahead;
use crate::engine::fold::{FamilyId, Fold, MemberId, Members, Moved, field};
use crate::engine::model::{Index, Seed, SeriesHash, Spelled, Stamp, room};

/// What was decided about a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// No policy touches it: verbatim, nothing remembered.
    Pass(FamilyId),
    /// Left out; the number of its cause, and of its note.
    Dropped { family: FamilyId, cause: u32, note: u32 },
    /// A number of a member.
    Noted { member: MemberId, field: u32 },
}

#[derive(Debug)]
pub struct Series {
    seed: Seed,
    all: Vec<Known>,
    dropped: Dropped,
    index: Index,
    /// So many of the first spellings are in the index.
    indexed: usize,
    first: u32,
    last: u32,
    now: Stamp,
    /// The spelling each family began with when it came last.
    heads: Vec<u32>,
    /// The family that has just begun.
    opening: Option<FamilyId>,
    /// Members that were there before the pass.
    members: usize,
    /// Those of them whose spelling became known in it.
    learned: Vec<MemberId>,
    /// Those of them that a member of the pass has followed.
    followed: Vec<MemberId>,
}

pub(super) const NONE: u32 = u32::MAX;
/// Spellings kept beyond twice those of the last scrape.
const SPARE: usize = 4096;
/// Spellings entered into the index after one look at memory far away.
const CHUNK: usize = 64;

/// Whether a line is the first of its spelling in this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    First,
    Again,
}

impl Series {
    pub fn new(seed: Seed) -> Series {
        Series {
            seed,
            all: Vec::new(),
            dropped: Dropped::default(),
            index: Index::default(),
            indexed: 0,
            first: NONE,
            last: NONE,
            now: Stamp::of(1),
            heads: Vec::new(),
            opening: None,
            members: 0,
            learned: Vec::new(),
            followed: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// A pass begins, its number never the same twice: what comes first is what came first.
    pub fn rewind(&mut self, members: &mut Members, pass: u32) {
        (self.last, self.opening) = (NONE, None);
        self.now = Stamp::of(pass);
        self.members = members.len();
        self.learned = Vec::new();
        self.followed.clear();
        if Stamp::wipes(pass) {
            self.all.iter_mut().for_each(|k| k.spelled.set_stamp(Stamp::NEVER));
            members.wipe();
        }
    }

    /// The lines of a family begin.
    pub fn open(&mut self, family: FamilyId) {
        self.opening = Some(family);
    }

    /// Where a family begins after another that went on differently, the forecast is what it began
    /// with the last time, if `input` begins so.
    #[inline]
    pub fn find_head(&mut self, members: &mut Members, input: &[u8]) {
        let Some(&head) = self.opening.and_then(|family| self.heads.get(family.index())) else { return };
        let (head, expected) = (KnownId(head), self.next(members));
        let fits = |id| self.fits(members, id, input).is_some();
        if head != expected && !fits(expected) && fits(head) {
            self.expect(members, head);
        }
    }

    /// The family that has just begun, if one has, began with this one.
    #[inline]
    pub fn began_with(&mut self, id: KnownId) {
        if let Some(family) = self.opening {
            self.remember_head(family, id.0);
        }
    }

    /// What comes next, if the forecast is right.
    pub fn next(&self, members: &Members) -> KnownId {
        KnownId(self.expected(members))
    }

    #[cold]
    fn remember_head(&mut self, family: FamilyId, head: u32) {
        if self.heads.len() <= family.index() {
            self.heads.resize(family.index() + 1, NONE);
        }
        self.heads[family.index()] = head;
        self.opening = None;
    }

    /// The expected spelling, if `input` begins with it.
    #[inline]
    pub fn predict(&self, members: &Members, input: &[u8]) -> Option<(KnownId, usize)> {
        let id = self.next(members);
        self.fits(members, id, input).map(|len| (id, len))
    }

    /// The length of a spelling, if `input` begins with it.
    fn fits(&self, members: &Members, id: KnownId, input: &[u8]) -> Option<usize> {
        let (spelled, hash) = self.spelled(members, id).filter(|_| input.first() != Some(&b'#'))?;
        let len = spelled.len();
        let (series, rest) = input.split_at_checked(len)?;
        let next = *rest.first()?;
        // A bare name goes on unless what follows its blanks is a value.
        if series.last() != Some(&b'}') && matches!(next, b' ' | b'\t' | b'{') {
            return None;
        }
        (self.seed.hash(series) == hash).then_some(len)
    }

    /// Looks a spelling up; when it is not known, its hash is what [`Series::insert`] wants.
    pub fn find(&mut self, members: &Members, series: &[u8]) -> Result<KnownId, SeriesHash> {
        self.find_hash(members, self.seed.hash(series))
    }

    pub fn find_hash(&mut self, members: &Members, hash: SeriesHash) -> Result<KnownId, SeriesHash> {
        let is_spelled = |member: &MemberId| members.spelled(member.index()).is_some_and(|(s, _)| !s.is_empty());
        if let Some(member) = members.find(hash).filter(is_spelled) {
            return Ok(KnownId::of(member));
        }
        if self.indexed < self.all.len() {
            self.enter_all();
        }
        self.index.find(hash, |i| self.all[i as usize].hash()).map(KnownId).ok_or(hash)
    }

    /// Brings the place of a spelling near.
    #[inline]
    pub fn touch(&self, hash: SeriesHash) {
        self.index.touch(hash);
    }

    /// Remembers a spelling that [`Series::find`] does not know.
    pub fn insert(&mut self, members: &mut Members, hash: SeriesHash, series: &[u8], what: What) -> KnownId {
        self.insert_plain(members, hash, predictable(series), what)
    }

    /// The same for one of this length that holds no newline and ends in a `}`.
    #[inline]
    pub fn insert_plain(&mut self, members: &mut Members, hash: SeriesHash, len: usize, what: What) -> KnownId {
        let next = self.expected(members);
        if let What::Noted { member, field: field::VALUE } = what
            && members.key(member) == hash
        {
            members.spell(member, len, next);
            if member.index() < self.members {
                room::push(&mut self.learned, member);
            }
            return KnownId::of(member);
        }
        let known = Known::new(hash, len, next, what, &mut self.dropped);
        let id = self.all.len();
        room::push(&mut self.all, known);
        KnownId(id as u32)
    }

    /// A series of this length, without a newline and with a `}` at its end, comes now: it is a new
    /// member like one before it. `None` when there is one with its key.
    #[inline]
    pub fn join(&mut self, fold: &mut Fold, key: SeriesHash, len: usize, model: MemberId) -> Option<MemberId> {
        let mut spelled = Spelled::new(len, self.expected(&fold.members), 0);
        spelled.set_stamp(self.now);
        let member = fold.join_new(key, model, spelled)?;
        let id = KnownId::of(member);
        self.expect(&mut fold.members, id);
        self.began_with(id);
        self.last = id.0;
        Some(member)
    }

    /// Enters what is not in the index yet.
    #[cold]
    fn enter_all(&mut self) {
        let Series { all, index, indexed, .. } = self;
        if *indexed == 0 {
            *index = Index::with_capacity(all.len());
        }
        for (chunk, from) in all[*indexed..].chunks(CHUNK).zip((*indexed..).step_by(CHUNK)) {
            chunk.iter().for_each(|known| index.touch(known.hash()));
            for (known, at) in chunk.iter().zip(from as u32..).filter(|(known, _)| !known.is_forgotten()) {
                index.insert(known.hash(), at, |i| all[i as usize].hash());
            }
        }
        *indexed = all.len();
    }

    #[inline]
    fn spelled<'a>(&'a self, members: &'a Members, id: KnownId) -> Option<(&'a Spelled, SeriesHash)> {
        match id.place() {
            Place::Here(at) => self.all.get(at).map(|known| (&known.spelled, known.hash())),
            Place::Member(member) => members.spelled(member.index()),
        }
    }

    #[inline]
    fn spelled_mut<'a>(&'a mut self, members: &'a mut Members, id: KnownId) -> Option<&'a mut Spelled> {
        match id.place() {
            Place::Here(at) => self.all.get_mut(at).map(|known| &mut known.spelled),
            Place::Member(member) => members.spelled_mut(member.index()),
        }
    }

    #[inline]
    fn expected(&self, members: &Members) -> u32 {
        match self.spelled(members, KnownId(self.last)) {
            Some((last, _)) => last.next,
            None => self.first,
        }
    }

    #[inline]
    fn expect(&mut self, members: &mut Members, next: KnownId) {
        if self.is_born(next)
            && let Place::Member(last) = KnownId(self.last).place()
            && last.index() < self.members
        {
            self.followed.push(last);
        }
        match self.spelled_mut(members, KnownId(self.last)) {
            Some(last) => last.next = next.0,
            None => self.first = next.0,
        }
    }

    /// Whether it is of a member that came up in the pass.
    #[inline]
    fn is_born(&self, id: KnownId) -> bool {
        matches!(id.place(), Place::Member(member) if member.index() >= self.members)
    }

    /// What is expected from here on, one after the other.
    pub fn ahead<'a>(&'a mut self, members: &'a mut Members) -> Ahead<'a> {
        let next = self.expected(members);
        let Series { all, seed, dropped, now, last, .. } = self;
        Ahead { all, members, seed, dropped, now: *now, next, last, class: None }
    }

    /// This spelling came now: the one before it points to it from here on.
    #[inline]
    pub fn came(&mut self, members: &mut Members, id: KnownId) -> Seen {
        self.expect(members, id);
        self.began_with(id);
        self.last = id.0;
        let now = self.now;
        match self.spelled_mut(members, id) {
            Some(spelled) if spelled.stamp() != now => {
                spelled.set_stamp(now);
                Seen::First
            }
            _ => Seen::Again,
        }
    }

    /// What this spelling would be if it came now.
    #[inline]
    pub fn would_be(&self, members: &Members, id: KnownId) -> Seen {
        let is_here = self.spelled(members, id).is_none_or(|(spelled, _)| spelled.stamp() == self.now);
        if is_here { Seen::Again } else { Seen::First }
    }

    #[inline]
    pub fn what(&self, id: KnownId) -> What {
        match id.place() {
            Place::Here(at) => self.all[at].what(&self.dropped),
            Place::Member(member) => What::Noted { member, field: field::VALUE },
        }
    }

    pub fn clear(&mut self, members: &mut Members) {
        members.forget_spellings(|_, _| true);
        let fresh = Series::new(self.seed);
        *self = Series { now: self.now, members: self.members, ..fresh };
    }

    /// Forgets spellings of which `fits` is true: they are decided again. Their positions stay.
    pub fn forget(&mut self, members: &mut Members, which: Forget, fits: impl Fn(&Members, What) -> bool) {
        let now = self.now;
        let is_due = |spelled: &Spelled| which == Forget::All || spelled.stamp() != now;
        for at in 0..self.all.len() {
            let known = &mut self.all[at];
            if !is_due(&known.spelled) || known.is_forgotten() || !fits(members, known.what(&self.dropped)) {
                continue;
            }
            known.forget();
            if at < self.indexed {
                self.index.remove(self.all[at].hash(), at as u32);
            }
        }
        let of_member = |members: &Members, member: MemberId| {
            let spelled = members.spelled(member.index()).is_some_and(|(spelled, _)| is_due(spelled));
            spelled && fits(members, What::Noted { member, field: field::VALUE })
        };
        members.forget_spellings(of_member);
    }

    /// Forgets the spellings that came after the first `len`; `members` are those from before.
    pub fn truncate(&mut self, members: &mut Members, len: usize) {
        for at in len..self.indexed {
            self.index.remove(self.all[at].hash(), at as u32);
        }
        self.indexed = self.indexed.min(len);
        self.all.truncate(len);
        for member in std::mem::take(&mut self.learned) {
            members.spelled_mut(member.index()).into_iter().for_each(Spelled::forget);
        }
        let most = members.len();
        let stays = |next: u32| match KnownId(next).place() {
            Place::Here(at) => at < len,
            Place::Member(member) => member.index() < most,
        };
        self.relink(|next| if stays(next) { next } else { NONE });
        members.relink(0, |next| if stays(next) { next } else { NONE });
    }

    fn relink(&mut self, new: impl Fn(u32) -> u32) {
        self.all.iter_mut().for_each(|known| known.spelled.next = new(known.spelled.next));
        self.heads.iter_mut().for_each(|head| *head = new(*head));
        self.first = new(self.first);
    }

    /// Notes that are used.
    pub fn notes(&self) -> impl Iterator<Item = u32> {
        self.dropped.notes()
    }

    /// Notes have other numbers.
    pub fn renumber_notes(&mut self, new: impl Fn(u32) -> u32) {
        self.dropped.renumber_notes(new);
    }

    /// Whether so much has gone that it is worth forgetting.
    pub fn is_stale(&self, seen: u64) -> bool {
        self.all.len() > 2 * seen as usize + SPARE
    }

    /// Keeps what `keep` says, and follows members to where they went.
    pub fn retain(&mut self, members: &mut Members, keep: Keep, moved: Option<&Moved>) {
        let mut positions = vec![NONE; self.all.len()];
        let mut kept = 0_u32;
        let mut position = positions.iter_mut();
        let (now, dropped) = (self.now, &self.dropped);
        self.all.retain_mut(|known| {
            let is_wanted = keep == Keep::All || known.spelled.stamp() == now;
            let stays = !known.is_forgotten() && is_wanted && known.follow(moved, dropped);
            if let (Some(position), true) = (position.next(), stays) {
                *position = kept;
                kept += 1;
            }
            stays
        });
        let old = std::mem::take(&mut self.dropped);
        self.all.iter_mut().for_each(|known| known.renumber(&old, &mut self.dropped));
        room::fit(&mut self.all, 0);
        let member = |member: MemberId| match moved {
            Some(moved) => moved.place(member),
            None => Some(member),
        };
        let new = |old: u32| match KnownId(old).place() {
            Place::Here(at) => positions.get(at).copied().unwrap_or(NONE),
            Place::Member(old) => member(old).map_or(NONE, |new| KnownId::of(new).0),
        };
        self.relink(new);
        let only_new = moved.filter(|moved| kept as usize == positions.len() && moved.begins_at(self.members));
        match only_new {
            Some(moved) => self.relink_new(members, moved, new),
            None => members.relink(0, new),
        }
        // Nobody is new any more.
        (self.members, self.learned, self.followed) = (members.len(), Vec::new(), Vec::new());
        self.last = NONE;
        (self.index, self.indexed) = (Index::default(), 0);
    }

    /// Only members of the pass have other places, and nobody else expects them but who came before one.
    fn relink_new(&self, members: &mut Members, moved: &Moved, new: impl Fn(u32) -> u32) {
        members.relink(self.members, &new);
        let before = |member: &MemberId| member.index() < self.members;
        let followed = self.followed.iter().filter_map(|&member| moved.place(member));
        for member in moved.last().filter(before).chain(followed) {
            if let Some(spelled) = members.spelled_mut(member.index()) {
                spelled.next = new(spelled.next);
            }
        }
    }

    /// Spellings of these families are not known any more.
    pub fn forget_families(&mut self, members: &mut Members, is_gone: impl Fn(FamilyId) -> bool) {
        self.forget(members, Forget::All, |members, what| match what {
            What::Pass(family) | What::Dropped { family, .. } => is_gone(family),
            What::Noted { member, .. } => is_gone(members.family(member)),
        });
    }

    /// Families went to other places, none of whom any spelling knows away; causes have other numbers.
    pub fn follow_families(&mut self, new: impl Fn(FamilyId) -> Option<FamilyId>, cause: impl Fn(u32) -> u32) {
        self.dropped.follow_families(&new, cause);
        self.all.iter_mut().for_each(|known| known.follow_family(&new));
        (self.heads, self.opening) = (Vec::new(), None);
    }

    /// Causes that leave lines out.
    pub fn causes(&self) -> impl Iterator<Item = u32> {
        self.dropped.causes()
    }

    pub fn memory(&self) -> usize {
        room::held(&self.all) + self.index.memory() + self.dropped.memory() + self.heads.len() * 4
    }
}

/// Which spellings are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    All,
    /// Those that the pass at hand has not seen.
    Absent,
}

/// Which spellings are still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    /// Those of the pass at hand.
    Present,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fold::{MemberSeed, Shape};
    use std::time::Duration;

    thread_local!(static PASS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

    fn none() -> Members {
        Members::default()
    }

    fn pass(series: &mut Series) {
        PASS.set(PASS.get() + 1);
        series.rewind(&mut Members::default(), PASS.get());
    }

    fn learn(series: &mut Series, spellings: &[&str]) {
        pass(series);
        for s in spellings {
            let id = match series.find(&none(), s.as_bytes()) {
                Ok(id) => id,
                Err(hash) => series.insert(&mut none(), hash, s.as_bytes(), What::Pass(FamilyId(0))),
            };
            series.came(&mut none(), id);
        }
    }

    /// How many of `spellings` are predicted when they come in this order.
    fn predicted(series: &mut Series, spellings: &[&str]) -> usize {
        pass(series);
        let mut hits = 0;
        for s in spellings {
            let line = format!("{s}1\n");
            match series.predict(&none(), line.as_bytes()) {
                Some((id, len)) => {
                    assert_eq!(len, s.len());
                    series.came(&mut none(), id);
                    hits += 1;
                }
                None => {
                    let id = match series.find(&none(), s.as_bytes()) {
                        Ok(id) => id,
                        Err(hash) => series.insert(&mut none(), hash, s.as_bytes(), What::Pass(FamilyId(0))),
                    };
                    series.came(&mut none(), id);
                }
            }
        }
        hits
    }

    #[test]
    fn the_same_order_is_predicted_whole() {
        let mut series = Series::new(Seed::new(1));
        let body = ["a{x=\"1\"}", "a{x=\"2\"}", "b ", "c{y=\"\"}"];
        learn(&mut series, &body);
        assert_eq!(predicted(&mut series, &body), 4);
    }

    #[test]
    fn insertion_and_deletion_cost_one_miss_each_and_heal() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b ", "c ", "d "]);
        assert_eq!(predicted(&mut series, &["a ", "n ", "b ", "c ", "d "]), 4);
        assert_eq!(predicted(&mut series, &["a ", "n ", "b ", "c ", "d "]), 5);
        assert_eq!(predicted(&mut series, &["a ", "n ", "c ", "d "]), 3);
        assert_eq!(predicted(&mut series, &["a ", "n ", "c ", "d "]), 4);
    }

    #[test]
    fn a_longer_name_or_a_label_set_is_not_the_known_bare_name() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a "]);
        for line in ["ab 1\n", "a {x=\"1\"} 1\n", "a  1\n", "a\t1\n", "a{x=\"1\"} 1\n", "a "] {
            pass(&mut series);
            assert_eq!(series.predict(&none(), line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn forgetting_keeps_the_chain() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b ", "c ", "d "]);
        predicted(&mut series, &["a ", "c ", "d "]);
        series.retain(&mut none(), Keep::Present, None);
        assert_eq!(series.len(), 3);
        assert_eq!(predicted(&mut series, &["a ", "c ", "d "]), 3);
    }

    #[test]
    fn a_line_comes_again_only_within_its_body() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b "]);
        for _ in 0..200 {
            pass(&mut series);
            assert_eq!(
                [0, 1, 0].map(|id| series.came(&mut none(), KnownId(id))),
                [Seen::First, Seen::First, Seen::Again]
            );
        }
    }

    #[test]
    fn members_that_took_other_places_are_still_expected() {
        let (mut series, mut fold) = (Series::new(Seed::new(1)), Fold::default());
        let family = fold.add_family(Shape::Cumulative, false);
        let model = fold.member(MemberSeed { key: SeriesHash(0), family, cause: 0, shadow: 0 });
        let first: Vec<u64> = (1..=40).collect();
        let mut second = first.clone();
        second.extend([103]);
        second.splice(4..6, [101, 102]);
        for (pass, keys) in [&first, &second].into_iter().enumerate() {
            series.rewind(&mut fold.members, pass as u32 + 1);
            fold.clock.advance(Duration::from_secs(15 * pass as u64));
            for key in keys.iter().copied().map(SeriesHash) {
                let known = fold.members.find(key).inspect(|member| {
                    series.came(&mut fold.members, KnownId::of(*member));
                });
                let member = known.or_else(|| series.join(&mut fold, key, 9, model)).unwrap();
                fold.members.set_seen(member, fold.clock.seconds() as u32);
            }
        }
        let moved = fold.forget_absent(15, 0);
        assert!(moved.begins_at(41), "only new ones have moved");
        series.retain(&mut fold.members, Keep::All, Some(&moved));
        series.rewind(&mut fold.members, 3);
        for key in second {
            let id = series.next(&fold.members);
            assert_eq!(series.spelled(&fold.members, id).map(|(_, hash)| hash), Some(SeriesHash(key)));
            series.came(&mut fold.members, id);
        }
    }

    #[test]
    fn spellings_follow_their_members() {
        let mut series = Series::new(Seed::new(1));
        let noted = |member| What::Noted { member: MemberId(member), field: 5 };
        pass(&mut series);
        for (at, name) in ["a ", "b ", "c "].into_iter().enumerate() {
            let id = series.insert(&mut none(), series.seed.hash(name.as_bytes()), name.as_bytes(), noted(at as u32));
            series.came(&mut none(), id);
        }
        series.retain(&mut none(), Keep::All, Some(&Moved::without(3, &[1])));
        assert_eq!((series.what(KnownId(0)), series.what(KnownId(1)), series.len()), (noted(0), noted(1), 2));
    }
}
