//! Buffers that bodies were held in, for the next scrape of whichever endpoint: memory that was
//! written to before is cheaper than memory the kernel has to find and clear.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::engine::fold::Lines;
use crate::engine::guard::Lent;
use crate::engine::model::room;

/// Shared by all endpoints.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    /// One scrape's: those that need any are rare.
    lines: Arc<Mutex<Lines>>,
}

/// More than this many are not kept: so many scrapes are rarely under way at once.
const MOST_IDLE: usize = 2;
/// Smaller ones are cheap, larger ones are dear to keep.
const WORTH_KEEPING: std::ops::RangeInclusive<usize> = 128 << 10..=16 << 20;

impl Buffers {
    /// What a scrape is read with.
    pub fn lend(&self) -> Lent {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        Lent { body: self.take(), lines }
    }

    pub fn take_back(&self, lent: Lent) {
        self.give(lent.body);
        if lent.lines.is_some() {
            *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = lent.lines;
        }
    }

    /// The largest: whoever takes one holds a body in it.
    pub fn take(&self) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = (0..idle.len()).max_by_key(|&at| idle[at].capacity());
        largest.map(|at| idle.swap_remove(at)).unwrap_or_default()
    }

    /// The smallest: for a body as it came compressed.
    pub fn take_small(&self) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let smallest = (0..idle.len()).min_by_key(|&at| idle[at].capacity());
        smallest.map(|at| idle.swap_remove(at)).unwrap_or_default()
    }

    /// One that so many bytes have room in, of those that are there the smallest.
    pub fn take_for(&self, bytes: usize) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..idle.len()).filter(|&at| idle[at].capacity() >= bytes);
        let smallest = fitting.min_by_key(|&at| idle[at].capacity()).filter(|_| bytes >= *WORTH_KEEPING.start());
        // Threads' arenas of the allocator would keep what many megabytes have left behind.
        smallest.map_or_else(|| room::with_room(bytes), |at| idle.swap_remove(at))
    }

    pub fn give(&self, mut buffer: Vec<u8>) {
        if !WORTH_KEEPING.contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(buffer);
        } else if let Some(smallest) = idle.iter_mut().min_by_key(|kept| kept.capacity())
            && smallest.capacity() < buffer.capacity()
        {
            *smallest = buffer;
        }
    }

    /// Bytes to be sent; their buffer comes back when the last of them is gone.
    pub fn send(&self, buffer: Vec<u8>) -> Bytes {
        match WORTH_KEEPING.contains(&buffer.capacity()) {
            true => Bytes::from_owner(Sent { buffer, home: self.clone() }),
            false => buffer.into(),
        }
    }
}

struct Sent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back_empty_and_no_more_than_a_few_are_kept() {
        let buffers = Buffers::default();
        let body = vec![7; 200 << 10];
        let mut sent = buffers.send(body);
        let first = sent.split_to(1 << 10);
        drop(sent);
        assert_eq!(buffers.take().capacity(), 0, "a part of it is still on its way");
        drop(first);
        let back = buffers.take();
        assert!(back.is_empty() && back.capacity() >= 200 << 10);
        for size in [1 << 10, 1 << 20, 1 << 20, 1 << 20, 32 << 20] {
            buffers.give(Vec::with_capacity(size));
        }
        assert_eq!(buffers.idle.lock().unwrap().len(), MOST_IDLE);
    }

    #[test]
    fn the_largest_are_kept_and_the_largest_goes_first() {
        let buffers = Buffers::default();
        for size in [1 << 20, 4 << 20, 2 << 20, 1 << 20] {
            buffers.give(Vec::with_capacity(size));
        }
        assert_eq!([(); 3].map(|()| buffers.take().capacity()), [4 << 20, 2 << 20, 0]);
        for size in [1 << 20, 4 << 20] {
            buffers.give(Vec::with_capacity(size));
        }
        assert_eq!([(); 3].map(|()| buffers.take_small().capacity()), [1 << 20, 4 << 20, 0]);
    }

    #[test]
    fn the_smallest_that_is_large_enough_is_taken_and_a_new_one_where_none_is() {
        let buffers = Buffers::default();
        for size in [1 << 20, 4 << 20] {
            buffers.give(Vec::with_capacity(size));
        }
        assert_eq!([200 << 10, 2 << 20].map(|bytes| buffers.take_for(bytes).capacity()), [1 << 20, 4 << 20]);
        buffers.give(Vec::with_capacity(1 << 20));
        assert!(buffers.take_for(8 << 20).capacity() >= 8 << 20);
        assert_eq!(buffers.take_for(1000).capacity(), 1000, "what is small takes none from a body");
        assert_eq!(buffers.take().capacity(), 1 << 20);
    }
}
