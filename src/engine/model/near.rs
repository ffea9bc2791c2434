//! Memory far away, asked for before it is needed. Without `unsafe`, what reads a place only to bring it
//! near waits for it, and an explosion looks up as many places as it has lines. Asked for
//! without waiting, they arrive while the next lines are read (`all new, folded` of `make bench`).
#![allow(unsafe_code, reason = "there is no safe way to ask a processor for memory without waiting")]

/// Brings `place` near, without waiting where there is a way, which means that several are fetched at the same
/// time. Means nothing but time.
#[inline(always)]
pub fn bring(place: &u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of every x86-64; it reads and writes nothing that a program can
    // see and faults at no address, and this one is a reference's.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::hint::black_box(*place);
}
