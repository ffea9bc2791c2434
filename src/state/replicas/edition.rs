//! What the store has of one state, and how far this guard knows it.

use redis::Value;

use crate::state::store::Trouble;

/// A state that somebody began, after so many commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    /// Empty: there is none. One that began later comes later in the alphabet.
    pub life: String,
    pub version: u64,
}

/// What a reader gets.
#[derive(Debug)]
pub struct Reading {
    pub edition: Edition,
    /// Milliseconds on the store's clock: now, and since the last commit.
    pub now: u64,
    pub since_commit: i64,
    /// The process that took the last commit, and the one that says so.
    pub committed_to: String,
    pub server: String,
    /// How the pieces are written: a version as that of files.
    pub form: u32,
    pub from: From,
    pub pieces: Vec<Vec<u8>>,
}

/// What the pieces begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Everything.
    Whole,
    /// What came after the edition that is known.
    Known,
}

type Row = (String, u64, u64, i64, String, String, u32, u8, Vec<Vec<u8>>);

impl Edition {
    pub fn is_none(&self) -> bool {
        self.life.is_empty()
    }
}

impl Reading {
    pub fn of(answer: Value) -> Result<Reading, Trouble> {
        // The claim has ended.
        if matches!(&answer, Value::Array(row) if row.is_empty()) {
            return Err(Trouble::Touched);
        }
        let row: Row = redis::from_redis_value(answer).map_err(|_| Trouble::Unreadable)?;
        let (life, version, now, since_commit, committed_to, server, form, is_whole, pieces) = row;
        let from = if is_whole == 0 { From::Known } else { From::Whole };
        let edition = Edition { life, version };
        Ok(Reading { edition, now, since_commit, committed_to, server, form, from, pieces })
    }

    /// The server that took the last commit is not the one that says so: it was started again, or
    /// another one has taken its place, and may not have all that it had.
    pub fn is_other_server(&self) -> bool {
        !self.edition.is_none() && self.committed_to != self.server
    }

    /// Every piece that there has to be is there: a store short of memory may have dropped some.
    pub fn is_complete(&self) -> bool {
        let begins = self.from == From::Known || !self.pieces.is_empty();
        self.edition.is_none() || (begins && self.pieces.iter().all(|piece| !piece.is_empty()))
    }
}
