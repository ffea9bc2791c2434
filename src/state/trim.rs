//! Memory for the system that was let go of: what stands between pieces that stay, the allocator keeps for itself
//! unless it is asked. Where members of many endpoints go at once that is as much as they took.
#![allow(unsafe_code, reason = "the C library's allocator is asked by a function of its own")]

/// Gives back whole pages that nobody uses. Works through all memory, so it is for a thread that may wait; without
/// the GNU C library there is nothing to ask.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: declared as in the library's <malloc.h>; it may be called by any thread at any time (its manual
        // calls it MT-Safe), reads no memory of the caller's and leaves everything allocated where it is.
        unsafe extern "C" {
            safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        malloc_trim(0);
    }
}
