//! The configuration in force, swapped whole by a reload. Scrapes in flight keep theirs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::engine::policy::{Mode, Plan, Policies, Watch};
use crate::settings::{Settings, Target};
use crate::telemetry::Telemetry;

use super::commons::{AllCommons, TargetCommons};
use super::history::History;
use super::modes::{Override, Overrides};
use super::replicas::{Newcomers, View};
use super::{Clock, EndpointKey, Endpoints};

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
    /// Set by hand in place of the target's own, for a while.
    pub set: Option<Override>,
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
    history: History,
    /// Held while another configuration is put into force.
    overrides: Mutex<Overrides>,
    /// Milliseconds of the clock at which the next override is over.
    next_end: AtomicU64,
}

impl Config {
    pub fn new(settings: Settings, policies: Policies) -> Config {
        Config::under(settings, policies, &Overrides::default())
    }

    fn under(settings: Settings, policies: Policies, overrides: &Overrides) -> Config {
        let activate = |target: &Target| {
            let set = overrides.of(&target.name);
            let mode = settings.mode.min(set.map_or(target.mode, |set| set.mode));
            let limited = settings.scrape.endpoint_series_limit > 0 || target.series_limit > 0;
            let watch = if limited && mode == Mode::Enforce { Watch::All } else { Watch::Reached };
            let plan = Arc::new(policies.plan(Some(&target.name), mode).watching(watch));
            Arc::new(ActiveTarget { settings: target.clone(), plan, mode, set })
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
            history: History::default(),
            overrides: Mutex::default(),
            next_end: AtomicU64::new(u64::MAX),
        }
    }

    pub fn config(&self) -> Arc<Config> {
        let now = self.clock.now();
        if now.as_millis() as u64 >= self.next_end.load(Ordering::Acquire) {
            self.end_overrides(now);
        }
        self.config.load_full()
    }

    /// Puts a configuration into force; it was checked before, so nothing can go wrong here. Modes
    /// set by hand stay.
    pub fn replace(&self, config: Config) {
        let overrides = self.overrides();
        self.put_into_force(config.settings, config.policies, &overrides);
    }

    /// Sets a target's mode for a while; says which one is in force now (the weaker of it and the
    /// settings'), and `None` where there is no such target.
    pub fn set_mode(&self, target: &str, mode: Mode, time: Duration) -> Option<Mode> {
        let mut overrides = self.overrides();
        let config = self.config.load_full();
        config.target(target)?;
        let until = self.clock.now().saturating_add(time);
        overrides.set(target, Override { mode, until });
        self.telemetry.mode_set(target, Some((mode, time)));
        self.change_modes(&overrides);
        self.config.load().target(target).map(|target| target.mode)
    }

    fn end_overrides(&self, now: Duration) {
        let mut overrides = self.overrides();
        let over = overrides.expire(now);
        for target in &over {
            self.telemetry.mode_set(target, None);
        }
        // Somebody else may have seen to it meanwhile.
        if !over.is_empty() {
            self.change_modes(&overrides);
        }
    }

    /// The same configuration under other overrides.
    fn change_modes(&self, overrides: &Overrides) {
        let config = self.config.load_full();
        self.put_into_force(config.settings.clone(), config.policies.clone(), overrides);
        let modes = |target: &Arc<ActiveTarget>| (target.settings.name.clone(), target.mode);
        self.telemetry.modes_changed(self.config.load().targets().iter().map(modes).collect());
    }

    fn put_into_force(&self, settings: Settings, policies: Policies, overrides: &Overrides) {
        let next_end = overrides.next_end().map_or(u64::MAX, |end| end.as_millis() as u64);
        self.next_end.store(next_end, Ordering::Release);
        let mut config = Config::under(settings, policies, overrides);
        config.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        self.config.store(Arc::new(config));
    }

    fn overrides(&self) -> MutexGuard<'_, Overrides> {
        self.overrides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Series over time.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Notes how many series there are now; to be called every few seconds.
    pub fn sample(&self) {
        let config = self.config();
        let targets = config.targets().iter().map(|target| target.settings.name.as_str());
        self.history.sample(self.clock.now(), &self.endpoints.live(), targets);
    }

    /// What the endpoints of a target share.
    pub fn commons(&self, target: &str) -> Arc<TargetCommons> {
        self.commons.of(target)
    }

    /// The same as one scrape sees it, where several guards share their state. `None`: they do not,
    /// or the store cannot be asked.
    pub async fn view(&self, target: &str, endpoint: &EndpointKey, newcomers: Newcomers) -> Option<Arc<View>> {
        let replicas = self.endpoints.replicas()?;
        Box::pin(View::of(replicas, target, self.commons(target), endpoint, newcomers)).await.map(Arc::new)
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
