//! How long a scrape may take: what the client says, within what the settings say.

use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::time::Instant;

use crate::settings::ScrapeSettings;

use super::failure::{Failure, Stage};

pub const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// No scrape takes longer, whatever anybody says.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// The two instants at which patience ends. Time spent waiting in line counts.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    began: Instant,
    exporter: Instant,
    reader: Instant,
}

impl Deadline {
    pub fn read(headers: &HeaderMap, settings: &ScrapeSettings, began: Instant) -> Deadline {
        let longest = match settings.max_timeout {
            Duration::ZERO => FOREVER,
            some => some,
        };
        match told(headers) {
            Some(timeout) => {
                let timeout = timeout.min(longest);
                let offset = settings.timeout_offset.min(timeout / 4);
                Deadline { began, exporter: began + timeout - offset, reader: began + timeout }
            }
            None => {
                let timeout = settings.timeout.min(longest);
                Deadline { began, exporter: began + timeout, reader: began + timeout }
            }
        }
    }

    /// Until then the exporter's answer must be complete.
    pub fn exporter(&self) -> Instant {
        self.exporter
    }

    /// Until then the client must have taken it.
    pub fn reader(&self) -> Instant {
        self.reader
    }

    /// What the exporter is told: the time that is left.
    pub fn left(&self) -> Duration {
        self.exporter.saturating_duration_since(Instant::now())
    }

    /// The failure of a scrape whose time ran out.
    pub fn passed(&self, stage: Stage) -> Failure {
        Failure::OutOfTime(stage, self.began.elapsed())
    }
}

/// The client's timeout; anything but a positive number is as if it had said nothing.
fn told(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(TIMEOUT_HEADER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(FOREVER.as_secs_f64()))).filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ScrapeSettings {
        ScrapeSettings {
            timeout: Duration::from_secs(10),
            max_timeout: Duration::from_secs(120),
            timeout_offset: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(3),
            body_size_limit: 0,
            sample_size_limit: 0,
            label_limit: 0,
            endpoint_series_limit: 0,
            members_limit: 0,
            memory_limit: 0,
            max_endpoints: 0,
            max_concurrent: 0,
            hold_output: 0,
            annotate: false,
        }
    }

    /// Milliseconds for the exporter and for the reader.
    fn read(header: Option<&str>) -> (u128, u128) {
        let mut headers = HeaderMap::new();
        if let Some(text) = header {
            headers.insert(TIMEOUT_HEADER, text.parse().unwrap());
        }
        let began = Instant::now();
        let deadline = Deadline::read(&headers, &settings(), began);
        ((deadline.exporter - began).as_millis(), (deadline.reader - began).as_millis())
    }

    #[test]
    fn takes_the_offset_off_what_the_client_says() {
        let table = [
            (Some("15"), (14_500, 15_000)),
            (Some(" 5 "), (4_500, 5_000)),
            (Some("1"), (750, 1_000)),
            (Some("0.1"), (75, 100)),
            (Some("1e9"), (119_500, 120_000)),
            (Some("inf"), (119_500, 120_000)),
            (None, (10_000, 10_000)),
        ];
        for (header, expected) in table {
            assert_eq!(read(header), expected, "{header:?}");
        }
    }

    #[test]
    fn nonsense_is_as_if_nothing_was_said() {
        for header in ["0", "-1", "NaN", "soon", "", "1e-300", "-inf"] {
            assert_eq!(read(Some(header)), (10_000, 10_000), "{header}");
        }
    }
}
