//! Sample values: Go's `ParseFloat` without hex and `_`, as Prometheus reads them.

/// Reads a value that [`super::Tokens`] has checked. NaN for bytes it has not.
#[inline]
pub fn parse(value: &[u8]) -> f64 {
    std::str::from_utf8(value).ok().and_then(|s| s.parse().ok()).unwrap_or(f64::NAN)
}
