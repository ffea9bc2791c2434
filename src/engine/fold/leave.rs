//! Members that go: who stays keeps his place, or takes that of one who went.

use super::member::{MemberId, Members, Remembered};
use crate::engine::model::room;

/// More than one in so many is many.
const MANY_GO: usize = 4;
/// Members looked up after one look at memory far away.
const CHUNK: usize = 64;

impl Members {
    /// Keeps the members `keep` wants, and tells where each went. Where many go, the others close up;
    /// where few do, the last ones take their places, and all others stay where they are.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Remembered) -> bool) -> Vec<Option<MemberId>> {
        let gone: Vec<u32> = (0..self.all.len() as u32).filter(|&at| !keep(self.remembered(at as usize))).collect();
        gone.iter().for_each(|&at| self.many.remove(self.all[at as usize].value));
        let moved = if gone.len() > self.all.len() / MANY_GO { self.close_up(&gone) } else { self.fill(&gone) };
        self.all.truncate(self.all.len() - gone.len());
        room::fit(&mut self.all);
        if gone.len() > moved.len() / MANY_GO {
            self.index.rebuild(self.all.len(), |i| self.all[i as usize].key);
        }
        self.forget_classes();
        moved
    }

    fn close_up(&mut self, gone: &[u32]) -> Vec<Option<MemberId>> {
        let (mut kept, mut gone) = (0, gone.iter().copied().peekable());
        let mut moved = Vec::with_capacity(self.all.len());
        for at in 0..self.all.len() as u32 {
            let stays = gone.next_if_eq(&at).is_none();
            moved.push(stays.then_some(MemberId(kept)));
            if stays {
                self.all.swap(kept as usize, at as usize);
                kept += 1;
            }
        }
        moved
    }

    /// The index follows.
    fn fill(&mut self, gone: &[u32]) -> Vec<Option<MemberId>> {
        let Members { all, index, .. } = self;
        let (len, kept) = (all.len() as u32, (all.len() - gone.len()) as u32);
        let mut moved: Vec<_> = (0..len).map(|at| Some(MemberId(at))).collect();
        for chunk in gone.chunks(CHUNK) {
            chunk.iter().for_each(|&at| index.touch(all[at as usize].key));
            for &at in chunk {
                index.remove(all[at as usize].key, at);
                moved[at as usize] = None;
            }
        }
        let holes = gone.iter().copied().take_while(|&at| at < kept);
        let last: Vec<u32> = (kept..len).filter(|&at| moved[at as usize].is_some()).collect();
        let moves: Vec<(u32, u32)> = last.into_iter().zip(holes).collect();
        for chunk in moves.chunks(CHUNK) {
            chunk.iter().for_each(|&(from, _)| index.touch(all[from as usize].key));
            for &(from, to) in chunk {
                index.relocate(all[from as usize].key, from, to);
                all.swap(to as usize, from as usize);
                moved[from as usize] = Some(MemberId(to));
            }
        }
        moved
    }
}
