//! Loads the configuration at start and whenever told to, and puts it into force.

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::guard::ENDPOINT_LIMIT;
use crate::engine::policy::{Finding, Ground, Mode};
use crate::settings::{Digest, LoadError, Loaded, Loader};
use crate::state::{Config, Shared};
use crate::telemetry::{Foreseen, ForeseenPolicy, Telemetry};

/// Knows where the configuration comes from and where it goes.
pub(super) struct Reloader {
    /// Two reloads at once would put the older files into force last.
    files: Mutex<Files>,
    shared: Arc<Shared>,
}

/// The files, as they were when somebody looked.
struct Files {
    loader: Loader,
    /// In force, or refused.
    dealt_with: Digest,
    /// At the last look: what is still being written is left alone.
    seen: Digest,
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
                let files = Files { loader, dealt_with: loaded.digest, seen: loaded.digest };
                Some((Reloader { files: Mutex::new(files), shared: Arc::clone(&shared) }, shared))
            }
            Err(error) => {
                telemetry.config_failed(&error.to_string());
                None
            }
        }
    }

    /// Puts the files as they are now into force, or says why not: then the old ones stay.
    pub(super) fn reload(&self) -> Result<(), String> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = files.loader.load();
        files.deal_with(&loaded);
        self.put_into_force(loaded)
    }

    /// The same, when the files are others than those dealt with and nobody is writing them: they
    /// were the same at the last look. Whoever asks for this asks again and again.
    pub(super) fn reload_if_changed(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = files.loader.load();
        let now = digest(&loaded);
        let before = std::mem::replace(&mut files.seen, now);
        if now != files.dealt_with && now == before {
            files.deal_with(&loaded);
            // What is wrong with them is in the log.
            let _ = self.put_into_force(loaded);
        }
    }

    fn put_into_force(&self, loaded: Result<Loaded, LoadError>) -> Result<(), String> {
        match loaded {
            Ok(loaded) => {
                self.replace(loaded);
                Ok(())
            }
            Err(error) => Err(self.refuse(&error)),
        }
    }

    fn replace(&self, loaded: Loaded) {
        let telemetry = self.shared.telemetry();
        warn(telemetry, &loaded.findings);
        let before = self.shared.config();
        super::warn_of_moved_listeners(&before.settings, &loaded.settings);
        super::warn_of_moved_storage(&before.settings, &loaded.settings);
        let config = Config::new(loaded.settings, loaded.policies);
        self.shared.replace(config);
        // With the modes that are set by hand.
        telemetry.config_loaded(foreseen(&self.shared.config()));
    }

    fn refuse(&self, error: &LoadError) -> String {
        let reason = error.to_string();
        self.shared.telemetry().config_failed(&reason);
        reason
    }
}

impl Files {
    fn deal_with(&mut self, loaded: &Result<Loaded, LoadError>) {
        self.dealt_with = digest(loaded);
        self.seen = self.dealt_with;
    }
}

fn digest(loaded: &Result<Loaded, LoadError>) -> Digest {
    match loaded {
        Ok(loaded) => loaded.digest,
        Err(error) => error.digest,
    }
}

fn warn(telemetry: &Telemetry, findings: &[Finding]) {
    for finding in findings {
        let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        telemetry.config_warning(&format!("{finding}{help}"));
    }
}

fn foreseen(config: &Config) -> Foreseen {
    let mut foreseen = Foreseen { memory_limit: config.settings.scrape.memory_for_endpoints(), ..Foreseen::default() };
    for target in config.targets() {
        let name = &target.settings.name;
        foreseen.targets.push((name.clone(), target.mode));
        foreseen.policies.extend(config.policies.prospects(name, target.mode).map(|prospect| ForeseenPolicy {
            target: name.clone(),
            policy: prospect.policy.to_owned(),
            grounds: prospect.grounds,
            mode: prospect.mode,
        }));
        // It is no policy, and reported like one.
        if target.mode == Mode::Enforce && config.settings.scrape.endpoint_series_limit > 0 {
            foreseen.policies.push(ForeseenPolicy {
                target: name.clone(),
                policy: ENDPOINT_LIMIT.to_owned(),
                grounds: vec![Ground::Budget],
                mode: target.mode,
            });
        }
    }
    foreseen
}
