//! Identifiers that no two jobs share, and how long jobs take: reproducible, because a demo that
//! shows something must show it again.

/// A SplitMix64 generator. Not for secrets.
pub struct Ids(u64);

impl Ids {
    pub const fn new(seed: u64) -> Ids {
        Ids(seed)
    }

    /// As BullMQ users who pass their own `jobId` write it: a UUID, version 4.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48 & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// As Sidekiq writes a `jid`: 24 hex digits.
    pub fn jid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!("{:016x}{:08x}", high, low >> 32)
    }

    /// The tail that a Kubernetes CronJob gives its pods.
    pub fn pod_suffix(&mut self) -> String {
        format!("{:05x}", self.next() >> 44)
    }

    /// Between 2 ms and 20 s, short ones more often.
    pub fn job_seconds(&mut self) -> f64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (0.002 * 10_000_f64.powf(uniform) * 1e6).round() / 1e6
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
