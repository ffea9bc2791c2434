//! The laws that hold for any bytes whatever. The fuzz targets and `tests/fuzz_laws.rs` call the
//! same functions: what a fuzzer finds here for hours, the tests look for in seconds.

pub mod bytes;
pub mod guard;
pub mod oracle;
pub mod policy;
#[cfg(feature = "serve")]
pub mod request;
pub mod tokens;
