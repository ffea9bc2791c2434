//! The targets as they are now: what the API and the page are made of.

use std::sync::Arc;

use super::when;
use crate::engine::policy::Mode;
use crate::settings::Allow;
use crate::state::{ActiveTarget, Shared};
use crate::telemetry::{LastOutcome, LiveEndpoint};

/// An entry of `targets:` with its endpoints in memory.
pub(super) struct Target {
    pub active: Arc<ActiveTarget>,
    /// What may be scraped, in the words of the settings.
    pub entry: String,
    /// A mode set by hand, and until when.
    pub set: Option<(Mode, f64)>,
    /// How its last scrape ended, whatever the endpoint.
    pub last: Option<LastOutcome>,
    /// In the order of their names.
    pub endpoints: Vec<Endpoint>,
}

pub(super) struct Endpoint {
    pub url: String,
    pub live: LiveEndpoint,
}

/// In the order of the settings.
pub(super) fn of(shared: &Shared) -> Vec<Target> {
    let config = shared.config();
    let (wall, now) = (when::now(), shared.clock().now());
    let mut targets: Vec<Target> = config
        .targets()
        .iter()
        .map(|active| Target {
            active: active.clone(),
            entry: entry(&active.settings.allow),
            set: active.set.map(|set| (set.mode, wall + set.until.saturating_sub(now).as_secs_f64())),
            last: shared.telemetry().last_outcome(&active.settings.name),
            endpoints: Vec::new(),
        })
        .collect();
    for (key, endpoint) in shared.endpoints().all_of(None) {
        let live = endpoint.live();
        if let Some(target) = targets.iter_mut().find(|target| target.active.settings.name == live.target) {
            target.endpoints.push(Endpoint { url: key.to_string(), live });
        }
    }
    targets
}

impl Target {
    pub(super) fn name(&self) -> &str {
        &self.active.settings.name
    }

    pub(super) fn sum(&self, of: fn(&LiveEndpoint) -> u64) -> u64 {
        self.endpoints.iter().map(|endpoint| of(&endpoint.live)).sum()
    }

    pub(super) fn live(&self) -> Vec<LiveEndpoint> {
        self.endpoints.iter().map(|endpoint| endpoint.live.clone()).collect()
    }
}

fn entry(allow: &Allow) -> String {
    match allow {
        Allow::Url(url) => url.to_string(),
        Allow::Address { pattern, .. } => {
            let pattern = pattern.as_str();
            let bare = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
            bare.unwrap_or(pattern).to_owned()
        }
        Allow::Cidr { net, ports, .. } => {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            format!("{net} ports {}", ports.join(", "))
        }
    }
}
