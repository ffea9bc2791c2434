//! gunzip and gzip in memory, capped: bytes in, bytes out, no I/O. Imports nothing.

mod gunzip;
mod gzip;
mod header;

pub use gunzip::{Gunzip, GunzipError, Pushed};
pub use gzip::{Gzip, store};
