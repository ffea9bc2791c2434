//! The configuration in force, swapped whole by a reload. Scrapes in flight keep theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::engine::policy::{Mode, Plan, Policies, Watch};
use crate::settings::{Settings, Target};
use crate::telemetry::Telemetry;

use super::commons::{AllCommons, TargetCommons};
use super::{Clock, Endpoints};

/// Checked settings and compiled policies, and what follows from the two.
#[derive(Debug)]
pub struct Config {
    pub settings: Settings,
    pub policies: Policies,
    targets: Vec<Arc<ActiveTarget>>,
    generation: u64,
}

/// An entry of `targets:` with the policies that apply to it.
#[derive(Debug)]
pub struct ActiveTarget {
    pub settings: Target,
    pub plan: Arc<Plan>,
    /// The weaker of the settings' and the target's.
    pub mode: Mode,
}

/// What the whole process shares: handed to `proxy` and `admin` alike.
#[derive(Debug)]
pub struct Shared {
    config: ArcSwap<Config>,
    generations: AtomicU64,
    endpoints: Endpoints,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    commons: AllCommons,
}

impl Config {
    pub fn new(settings: Settings, policies: Policies) -> Config {
        let activate = |target: &Target| {
            let mode = settings.mode.min(target.mode);
            let limited = settings.scrape.endpoint_series_limit > 0 || target.series_limit > 0;
            let watch = if limited && mode == Mode::Enforce { Watch::All } else { Watch::Reached };
            let plan = Arc::new(policies.plan(Some(&target.name), mode).watching(watch));
            Arc::new(ActiveTarget { settings: target.clone(), plan, mode })
        };
        let targets = settings.targets.iter().map(activate).collect();
        Config { settings, policies, targets, generation: 0 }
    }

    /// In the order in which they are tried.
    pub fn targets(&self) -> &[Arc<ActiveTarget>] {
        &self.targets
    }

    pub fn target(&self, name: &str) -> Option<&Arc<ActiveTarget>> {
        self.targets.iter().find(|target| target.settings.name == name)
    }

    /// Differs between any two configurations that were ever in force.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl Shared {
    pub fn new(config: Config, telemetry: Arc<Telemetry>) -> Shared {
        Shared {
            config: ArcSwap::from_pointee(config),
            generations: AtomicU64::new(0),
            endpoints: Endpoints::new(Arc::clone(&telemetry)),
            telemetry,
            clock: Clock::default(),
            commons: AllCommons::default(),
        }
    }

    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Puts a configuration into force; it was checked before, so nothing can go wrong here.
    pub fn replace(&self, mut config: Config) {
        config.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        self.config.store(Arc::new(config));
    }

    /// What the endpoints of a target share.
    pub fn commons(&self, target: &str) -> Arc<TargetCommons> {
        self.commons.of(target)
    }

    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }
}
