//! Seeded hashing. Label values are hostile (values may be crafted to collide): whoever knows the function
//! must not be able to make series collide, so every state has a random seed of its own.

/// Hashes what is chosen by exporters, too, in maps: each has a seed of its own that nobody knows. Names are so
/// short that the standard library's function costs several times as much.
pub use rapidhash::quality::RandomState as MapSeed;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// The hash key of one state. It is kept with the state, because fingerprints outlive a process.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    raw: u64,
    secrets: RapidSecrets,
}

/// A 64-bit seeded hash that stands for a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesHash(pub u64);

impl Seed {
    /// The engine draws no randomness: the shell hands it in.
    pub const fn new(raw: u64) -> Seed {
        Seed { raw, secrets: RapidSecrets::seed(raw) }
    }

    pub const fn raw(&self) -> u64 {
        self.raw
    }

    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> SeriesHash {
        SeriesHash(rapidhash_v3_seeded(bytes, &self.secrets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_disagree() {
        let (a, b) = (Seed::new(1), Seed::new(2));
        assert_ne!(a.hash(b"worker_jobs_total"), b.hash(b"worker_jobs_total"));
        assert_eq!(a.hash(b"x"), Seed::new(1).hash(b"x"));
    }
}
