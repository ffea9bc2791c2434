//! Any text as a policy file.
#![no_main]

#[path = "../laws/policy.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::hold(data));
