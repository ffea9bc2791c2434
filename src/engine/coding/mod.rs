//! gunzip and gzip in memory, capped. Imports nothing.
