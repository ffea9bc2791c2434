//! Hashing a value into a bucket, with the function Prometheus' `hashmod` uses: whoever computed a
//! shard with relabel rules finds the same number here.

use std::fmt::Write as _;
use std::num::NonZeroU64;

use md5::{Digest, Md5};

/// Bytes 8 to 16 of the value's MD5 as a big-endian number, modulo `buckets`.
pub(super) fn bucket(value: &[u8], buckets: NonZeroU64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value).into();
    let [.., a, b, c, d, e, f, g, h] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) % buckets
}

/// Writes `17/64` into `out` (cleared first). The number of buckets is part of the value, because
/// bucket 3 of 4 is not bucket 3 of 8.
pub(super) fn bucket_of(value: &str, buckets: NonZeroU64, out: &mut String) {
    out.clear();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}/{buckets}", bucket(value.as_bytes(), buckets));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `printf %s VALUE | md5sum`, the last 16 digits, modulo 64, worked out elsewhere.
    #[test]
    fn is_prometheus_hashmod() {
        let n = |n| NonZeroU64::new(n).expect("not zero");
        // md5("") = d41d8cd98f00b204e9800998ecf8427e
        assert_eq!(bucket(b"", n(64)), 0xe980_0998_ecf8_427e % 64);
        // md5("a") = 0cc175b9c0f1b6a831c399e269772661
        assert_eq!(bucket(b"a", n(1_000_003)), 0x31c3_99e2_6977_2661 % 1_000_003);
        let mut out = String::from("stale");
        bucket_of("a", n(64), &mut out);
        assert_eq!(out, "33/64");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn is_the_low_half_of_md5(value in ".*", buckets in 1u64..) {
            let hex: String = Md5::digest(value.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
            let low = u64::from_str_radix(&hex[16..], 16).expect("hex");
            prop_assert_eq!(bucket(value.as_bytes(), NonZeroU64::new(buckets).expect("not zero")), low % buckets);
        }
    }
}
