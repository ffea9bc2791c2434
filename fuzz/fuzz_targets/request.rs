//! Any text as what a request asks for.
#![no_main]

#[path = "../laws/request.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::hold(data));
