//! Any workers, counted by the guard and by the oracle.
#![no_main]

#[path = "../../tests/oracle/naive.rs"]
mod naive;
#[path = "../laws/bytes.rs"]
mod bytes;
#[path = "../laws/oracle.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::hold(data));
