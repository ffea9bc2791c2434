//! Any bytes through the tokenizer.
#![no_main]

#[path = "../laws/bytes.rs"]
mod bytes;
#[path = "../laws/tokens.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::hold(data));
