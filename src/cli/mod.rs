//! serve, demo, filter, check, explain.
