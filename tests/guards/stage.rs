//! Guards that share a store, before an exporter whose truth is known.

use std::thread::sleep;
use std::time::Duration;

use crate::exporter::Exporter;
use crate::replicas::{Replica, Shown};
use crate::store::Store;

pub const POLICY: &str = "policies: [{name: jobs, hold: 0s, labels: [{label: job_id, action: drop}]}]";

pub struct Stage {
    pub exporter: Exporter,
    pub store: Store,
    pub guards: Vec<Replica>,
}

impl Stage {
    pub fn set(guards: usize) -> Stage {
        let (exporter, store) = (Exporter::start(), Store::start());
        let settings = format!(
            "storage: {{url: '{}'}}\nbuiltin_policy: false\ntargets: [{{name: app, url: 'http://{}/metrics'}}]\n",
            store.url(),
            exporter.address
        );
        let guards = (0..guards).map(|_| Replica::start(&settings, POLICY)).collect();
        Stage { exporter, store, guards }
    }

    /// A scrape by the only client there is: what it shows is all that has happened, once.
    pub fn scrape_exactly(&self, guard: usize) {
        let shown = self.guards[guard].scrape("app");
        assert_eq!(shown, Shown::Counter(self.exporter.increments()), "guard {guard}");
    }

    /// Asks this guard until it shows the counter; all the while nothing else is shown.
    pub fn until_shown(&self, guard: usize) -> u64 {
        loop {
            match self.guards[guard].scrape("app") {
                Shown::Counter(shown) => return shown,
                Shown::Withheld => sleep(Duration::from_millis(50)),
                Shown::Nothing => panic!("no answer from guard {guard}"),
            }
        }
    }

    /// Every guard in turn, so often.
    pub fn round(&self, times: usize) {
        for guard in (0..times).flat_map(|_| 0..self.guards.len()) {
            self.scrape_exactly(guard);
        }
    }
}
