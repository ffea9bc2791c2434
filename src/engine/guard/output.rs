//! The output under construction: verbatim runs, lines put in between, lines taken out again.
//!
//! Positions count the bytes of the body as they would leave before insertions and holes; nothing
//! is copied as long as the output is the input.

use std::ops::Range;

#[derive(Debug, Default)]
pub struct Output {
    /// Bytes before `kept` that have left.
    base: u64,
    kept: Vec<u8>,
    /// The part of the input that follows, not copied yet.
    run: Range<usize>,
    inserts: Vec<Insert>,
    holes: Vec<Range<u64>>,
}

#[derive(Debug)]
struct Insert {
    at: u64,
    order: u32,
    bytes: Vec<u8>,
}

impl Output {
    /// Where the next byte would stand.
    #[inline]
    pub fn position(&self) -> u64 {
        self.base + (self.kept.len() + self.run.len()) as u64
    }

    /// Where what has not left begins.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Bytes held.
    pub fn held(&self) -> u64 {
        (self.kept.len() + self.run.len()) as u64 + self.inserts.iter().map(|i| i.bytes.len() as u64).sum::<u64>()
    }

    /// `input[line]` leaves as it came.
    #[inline]
    pub fn keep(&mut self, input: &[u8], line: Range<usize>) {
        if line.start != self.run.end {
            self.settle_run(input);
            self.run.start = line.start;
        }
        self.run.end = line.end;
    }

    /// Copies the open run, so that the input may move.
    pub fn settle_run(&mut self, input: &[u8]) {
        self.kept.extend_from_slice(&input[self.run.clone()]);
        self.run = self.run.end..self.run.end;
    }

    /// The input lost its first `n` bytes; the open run must have been settled.
    pub fn input_moved(&mut self, n: usize) {
        debug_assert!(self.run.is_empty());
        let at = self.run.end.saturating_sub(n);
        self.run = at..at;
    }

    /// Puts whole lines at a position; of what is put at one position, the lower order stands first.
    pub fn insert(&mut self, at: u64, order: u32, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.inserts.push(Insert { at, order, bytes });
        }
    }

    /// A line that was kept and has not left.
    pub fn peek<'a>(&'a self, input: &'a [u8], at: u64, len: u32) -> &'a [u8] {
        let at = (at - self.base) as usize;
        let held = match at.checked_sub(self.kept.len()) {
            None => self.kept.get(at..at + len as usize),
            Some(at) => input.get(self.run.start + at..self.run.start + at + len as usize),
        };
        held.unwrap_or_default()
    }

    /// Takes lines out that were kept before.
    pub fn cut(&mut self, hole: Range<u64>) {
        self.holes.push(hole);
    }

    /// Moves everything before `barrier` to `out`.
    pub fn take(&mut self, input: &[u8], barrier: u64, out: &mut Vec<u8>) {
        self.inserts.sort_by_key(|i| (i.at, i.order));
        self.holes.sort_by_key(|h| h.start);
        let mut at = self.base;
        let inserts = self.inserts.partition_point(|i| i.at <= barrier);
        for insert in self.inserts.drain(..inserts).collect::<Vec<_>>() {
            self.copy_around(input, at..insert.at, out);
            // The body's last line may lack its newline.
            if out.last().is_some_and(|&b| b != b'\n') {
                out.push(b'\n');
            }
            out.extend_from_slice(&insert.bytes);
            at = insert.at;
        }
        self.copy_around(input, at..barrier, out);
        self.holes.retain(|h| h.end > barrier);
        let gone = (barrier - self.base) as usize;
        let from_run = gone.saturating_sub(self.kept.len());
        self.kept.drain(..gone - from_run);
        self.run.start += from_run;
        self.base = barrier;
    }

    /// How many bytes of input are what stands before `barrier`, when that is the beginning of the
    /// input as it came: they can be handed over instead of copied.
    pub fn prefix(&self, barrier: u64) -> Option<usize> {
        let len = (barrier - self.base) as usize;
        let as_it_came = self.kept.is_empty()
            && self.run.start == 0
            && len <= self.run.end
            && self.inserts.iter().all(|i| i.at > barrier)
            && self.holes.iter().all(|h| h.start >= barrier);
        as_it_came.then_some(len)
    }

    /// The input lost the `n` bytes of its beginning that [`Output::prefix`] told, and they left.
    pub fn prefix_left(&mut self, n: usize) {
        self.base += n as u64;
        self.run = 0..self.run.end - n;
    }

    /// Bytes of the input that are output and not copied yet.
    pub fn run_len(&self) -> usize {
        self.run.len()
    }

    /// Copies a range of positions, leaving the holes out.
    fn copy_around(&self, input: &[u8], range: Range<u64>, out: &mut Vec<u8>) {
        let mut at = range.start;
        for hole in self.holes.iter().filter(|h| h.end > range.start && h.start < range.end) {
            self.copy(input, at..hole.start.max(range.start), out);
            at = at.max(hole.end);
        }
        self.copy(input, at..range.end, out);
    }

    /// Copies a range of positions: first from what was kept, then from the run.
    fn copy(&self, input: &[u8], range: Range<u64>, out: &mut Vec<u8>) {
        if range.is_empty() {
            return;
        }
        let (from, to) = ((range.start - self.base) as usize, (range.end - self.base) as usize);
        let kept = self.kept.len();
        out.extend_from_slice(&self.kept[from.min(kept)..to.min(kept)]);
        let run = &input[self.run.clone()];
        out.extend_from_slice(&run[from.saturating_sub(kept)..to.saturating_sub(kept)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_input_is_never_copied() {
        let input = b"a 1\nb 2\n";
        let mut out = Output::default();
        out.keep(input, 0..4);
        out.keep(input, 4..8);
        assert_eq!((out.prefix(4), out.prefix(8)), (Some(4), Some(8)));
        assert_eq!((out.position(), out.kept.capacity()), (8, 0));
        out.prefix_left(4);
        assert_eq!((out.position(), out.prefix(8), out.held()), (8, Some(4), 4));
    }

    #[test]
    fn what_is_put_in_or_taken_out_has_to_be_copied() {
        let input = b"a 1\nb 2\n";
        let with = |change: &dyn Fn(&mut Output)| {
            let mut out = Output::default();
            out.keep(input, 0..8);
            change(&mut out);
            [out.prefix(4), out.prefix(8)]
        };
        assert_eq!(with(&|out| out.insert(8, 0, b"x 1\n".to_vec())), [Some(4), None]);
        assert_eq!(with(&|out| out.cut(4..8)), [Some(4), None]);
        assert_eq!(with(&|out| out.settle_run(input)), [None, None]);
        let mut late = Output::default();
        late.keep(input, 4..8);
        assert_eq!(late.prefix(4), None);
    }

    #[test]
    fn skips_inserts_and_holes() {
        let input = b"a 1\nb 2\nc 3\nd 4\n";
        let mut out = Output::default();
        out.keep(input, 0..4);
        let c = out.position();
        out.keep(input, 8..12);
        out.keep(input, 12..16);
        out.insert(c, 0, b"x 9\n".to_vec());
        out.cut(c..c + 4);
        let mut got = Vec::new();
        out.take(input, out.position(), &mut got);
        assert_eq!(String::from_utf8(got).unwrap(), "a 1\nx 9\nd 4\n");
        assert_eq!(out.held(), 0);
    }

    #[test]
    fn what_may_leave_leaves_and_the_rest_stays() {
        let input = b"a 1\nb 2\nc 3\n";
        let mut out = Output::default();
        out.keep(input, 0..8);
        out.keep(input, 8..12);
        let mut got = Vec::new();
        out.take(input, 8, &mut got);
        assert_eq!(got, b"a 1\nb 2\n");
        out.insert(12, 0, b"z 0\n".to_vec());
        out.take(input, 12, &mut got);
        assert_eq!(got, b"a 1\nb 2\nc 3\nz 0\n");
    }
}
