//! Any bodies through a guard.
#![no_main]

#[path = "../laws/bytes.rs"]
mod bytes;
#[path = "../laws/guard.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::hold(data));
