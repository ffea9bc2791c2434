//! Health, readiness, own metrics, landing page, config.
