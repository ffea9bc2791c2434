//! Clients that ask without pause and count what they are shown, as PromQL would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::fleet::truth::Totals;
use crate::http::{self, Answer};

/// Clients at work.
pub struct Crowd {
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Totals>>,
}

impl Crowd {
    /// Returns when each has been answered.
    pub fn gather(clients: usize, guard: SocketAddr, path: &'static str) -> Crowd {
        let enough = Arc::new(AtomicBool::new(false));
        let client = |n: usize| {
            let (enough, agent) = (Arc::clone(&enough), format!("client-{n}"));
            let mut seen = Seen::default();
            seen.look(&ask(guard, path, &agent));
            thread::spawn(move || {
                while !enough.load(Ordering::SeqCst) {
                    seen.look(&ask(guard, path, &agent));
                }
                seen.look(&ask(guard, path, &agent));
                seen.increments
            })
        };
        let clients = (0..clients).map(client).collect();
        Crowd { enough, clients }
    }

    /// Each looks once more; gives the increments that each has counted.
    pub fn disperse(self) -> Vec<Totals> {
        self.enough.store(true, Ordering::SeqCst);
        self.clients.into_iter().map(|client| client.join().unwrap()).collect()
    }
}

/// What a client knows of each series.
#[derive(Default)]
struct Seen {
    last: BTreeMap<String, f64>,
    increments: Totals,
}

impl Seen {
    fn look(&mut self, answer: &Answer) {
        for (series, value) in answer.text().lines().filter_map(cumulative) {
            if let Some(before) = self.last.insert(series.clone(), value) {
                let increase = if value < before { value } else { value - before };
                *self.increments.entry(series).or_default() += increase;
            }
        }
    }
}

fn ask(guard: SocketAddr, path: &str, agent: &str) -> Answer {
    let headers = [("Accept", "text/plain;version=0.0.4"), ("User-Agent", agent)];
    let answer = http::get_with(guard, path, &headers);
    assert_eq!(answer.status, 200, "{}", answer.reason);
    answer
}

/// A line of something that counts, as `(series with sorted labels, value)`.
fn cumulative(line: &str) -> Option<(String, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    if !["_total", "_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix)) || line.starts_with('#') {
        return None;
    }
    let mut labels: Vec<&str> = labels.split(',').filter(|label| !label.is_empty()).collect();
    labels.sort_unstable();
    let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) };
    Some((series, value.parse().unwrap()))
}
