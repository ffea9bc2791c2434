//! A body that is kept elsewhere as it came, compressed, and can be read once more. As long as nothing
//! in it changes, all that is held of it here is the line at hand: memory that is written to again and
//! again stays in the processor's caches. When a byte that was let go is wanted after all, the scrape
//! is begun again, and then holds what it reads.

use super::{Guard, Retained, ScrapeError};

impl Guard {
    /// Who drives the scrape can push the body once more from its first byte on, after another
    /// [`Guard::begin`], and does so when told [`ScrapeError::BodyWanted`]. That is likely where the
    /// last body did not leave as it came: there it is held as ever.
    pub fn body_is_elsewhere(&mut self) {
        if self.received == 0 && self.state.left_as_it_came {
            self.retained = Retained::Elsewhere;
        }
    }

    /// Whether bytes of the body are let go although they may be wanted.
    pub fn is_body_elsewhere(&self) -> bool {
        self.retained == Retained::Elsewhere
    }

    /// Lines that were read leave as they came, or the body is wanted.
    pub(super) fn let_go_elsewhere(&mut self, hold: u64) -> Result<(), ScrapeError> {
        let read = self.output.prefix(self.output.position());
        if self.body.eof.is_some() {
            return Ok(());
        }
        if self.received > hold || read != Some(self.at) {
            return self.want_body();
        }
        self.output.prefix_left(self.at);
        self.input.drain(..self.at);
        self.at = 0;
        Ok(())
    }

    /// Something is about to be done that takes more of the body than the line at hand.
    pub(super) fn want_body(&mut self) -> Result<(), ScrapeError> {
        if self.retained != Retained::Elsewhere {
            return Ok(());
        }
        self.state.left_as_it_came = false;
        Err(ScrapeError::BodyWanted)
    }

    /// Whether the output is the body, all of it, and none of it has left.
    pub(super) fn is_untouched(&self) -> bool {
        let eof = self.body.eof.as_ref().map_or(0, Vec::len) as u64;
        let held = self.output.prefix(self.output.position());
        let let_go = self.output.base() - self.left_before();
        self.left_before() == 0 && held.is_some_and(|len| let_go + len as u64 + eof == self.received)
    }

    /// Bytes of the output that nobody can change any more.
    pub(super) fn left_before(&self) -> u64 {
        match self.retained {
            Retained::Elsewhere => 0,
            Retained::Whole | Retained::No => self.output.base(),
        }
    }
}
