//! Time as a value: one monotonic clock for everything that is measured or expires.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the clocks; only the shell owns one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { origin: Instant::now() }
    }
}

impl Clock {
    /// Monotonic time since this clock was made: it does not jump when somebody sets the date.
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Wall time in seconds since the epoch, to be shown, never to be reckoned with.
    pub fn wall_seconds(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }
}
