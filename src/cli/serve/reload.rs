//! Loads the configuration at start and whenever told to, and puts it into force.

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::policy::Finding;
use crate::settings::{LoadError, Loaded, Loader};
use crate::state::{Config, Shared};
use crate::telemetry::{Foreseen, Telemetry};

/// Knows where the configuration comes from and where it goes.
pub(super) struct Reloader {
    /// Two reloads at once would put the older files into force last.
    loader: Mutex<Loader>,
    shared: Arc<Shared>,
}

impl Reloader {
    /// The first load; `None` when nothing can be served, which has been said.
    pub(super) fn start(loader: Loader) -> Option<(Reloader, Arc<Shared>)> {
        let telemetry = Arc::new(Telemetry::default());
        match loader.load() {
            Ok(loaded) => {
                warn(&telemetry, &loaded.findings);
                let config = Config::new(loaded.settings, loaded.policies);
                telemetry.config_loaded(foreseen(&config));
                let shared = Arc::new(Shared::new(config, telemetry));
                Some((Reloader { loader: Mutex::new(loader), shared: Arc::clone(&shared) }, shared))
            }
            Err(error) => {
                telemetry.config_failed(&error.to_string());
                None
            }
        }
    }

    /// Puts the files as they are now into force, or says why not: then the old ones stay.
    pub(super) fn reload(&self) -> Result<(), String> {
        let loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner);
        match loader.load() {
            Ok(loaded) => {
                self.replace(loaded);
                Ok(())
            }
            Err(error) => Err(self.refuse(&error)),
        }
    }

    /// The same, off the threads that serve scrapes; what comes of it is in the log.
    pub(super) fn reload_soon(self: &Arc<Self>) {
        let reloader = Arc::clone(self);
        tokio::task::spawn_blocking(move || reloader.reload());
    }

    fn replace(&self, loaded: Loaded) {
        let telemetry = self.shared.telemetry();
        warn(telemetry, &loaded.findings);
        super::warn_of_moved_listeners(&self.shared.config().settings, &loaded.settings);
        let config = Config::new(loaded.settings, loaded.policies);
        let foreseen = foreseen(&config);
        self.shared.replace(config);
        telemetry.config_loaded(foreseen);
    }

    fn refuse(&self, error: &LoadError) -> String {
        let reason = error.to_string();
        self.shared.telemetry().config_failed(&reason);
        reason
    }
}

fn warn(telemetry: &Telemetry, findings: &[Finding]) {
    for finding in findings {
        let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        telemetry.config_warning(&format!("{finding}{help}"));
    }
}

fn foreseen(config: &Config) -> Foreseen {
    let targets = config.targets().iter().map(|target| (target.settings.name.clone(), target.mode));
    Foreseen { targets: targets.collect(), policies: Vec::new() }
}
