//! Sample values: Go's `ParseFloat` without hex and `_`, as Prometheus reads them.

use super::error::SyntaxErrorKind;

/// Reads a value that [`super::Tokens`] has checked. NaN for bytes it has not.
#[inline]
pub fn parse(value: &[u8]) -> f64 {
    exact(value).unwrap_or_else(|| std(value).unwrap_or(f64::NAN))
}

/// Checks the number that starts at `at` and ends before a blank, a newline or the input's end;
/// says where.
#[inline]
pub(super) fn check(input: &[u8], at: usize) -> Result<usize, SyntaxErrorKind> {
    match plain(input, at) {
        Some(end) if matches!(input.get(end), None | Some(b'\n' | b' ' | b'\t')) => Ok(end),
        _ => check_odd(input, at),
    }
}

/// The end of `-digits[.digits][e±dd]` with so few digits that it is in range for sure.
#[inline]
fn plain(input: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(input.get(at) == Some(&b'-'));
    let mut end = digits(input, start);
    if end == start || end - start > 200 {
        return None;
    }
    if input.get(end) == Some(&b'.') {
        end = digits(input, end + 1);
    }
    if matches!(input.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(input.get(end + 1), Some(b'+' | b'-')));
        end = digits(input, exponent);
        if end == exponent || end - exponent > 2 {
            return None;
        }
    }
    Some(end)
}

#[inline]
fn digits(input: &[u8], mut at: usize) -> usize {
    while matches!(input.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}

#[cold]
fn check_odd(input: &[u8], at: usize) -> Result<usize, SyntaxErrorKind> {
    let rest = input.get(at..).unwrap_or_default();
    let length = rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'\n')).unwrap_or(rest.len());
    let token = &rest[..length];
    let Some(value) = std(token) else {
        return Err(match token {
            [] => SyntaxErrorKind::MissingValue,
            [.., b'\r'] => SyntaxErrorKind::CarriageReturn,
            _ if token.contains(&0) => SyntaxErrorKind::Nul,
            _ => SyntaxErrorKind::Value,
        });
    };
    if value.is_nan() && matches!(token, [b'+' | b'-', ..]) {
        return Err(SyntaxErrorKind::Value);
    }
    if value.is_infinite() && token.iter().any(u8::is_ascii_digit) {
        return Err(SyntaxErrorKind::ValueRange);
    }
    Ok(at + length)
}

fn std(value: &[u8]) -> Option<f64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Clinger's fast path: a mantissa up to 2^53 and a power of ten up to 22 are exact, so that their
/// product or quotient is rounded once, and rightly. Without a power any mantissa is.
#[inline]
fn exact(value: &[u8]) -> Option<f64> {
    let start = usize::from(value.first() == Some(&b'-'));
    let mut mantissa = 0u64;
    let mut end = accumulate(value, start, &mut mantissa);
    let mut count = end - start;
    let mut exponent = 0;
    if value.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = accumulate(value, fraction, &mut mantissa);
        count += end - fraction;
        exponent = fraction as i32 - end as i32;
    }
    if count == 0 || count > 19 {
        return None;
    }
    if let Some(b'e' | b'E') = value.get(end) {
        exponent += small_exponent(&value[end + 1..])?;
        end = value.len();
    }
    if end != value.len() {
        return None;
    }
    let magnitude = match exponent {
        0 => mantissa as f64,
        _ if mantissa > 1 << 53 => return None,
        ..0 => mantissa as f64 / POWERS.get(exponent.unsigned_abs() as usize)?,
        1.. => mantissa as f64 * POWERS.get(exponent as usize)?,
    };
    Some(if start == 1 { -magnitude } else { magnitude })
}

/// Takes up digits; says where they end. More than 19 wrap around.
#[inline]
fn accumulate(value: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(digit @ b'0'..=b'9') = value.get(at) {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    at
}

fn small_exponent(written: &[u8]) -> Option<i32> {
    let (sign, digits) = match written {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, written),
    };
    match digits {
        [a @ b'0'..=b'9'] => Some(sign * i32::from(a - b'0')),
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(sign * i32::from((a - b'0') * 10 + (b - b'0'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: &[(&str, f64)] = &[
        ("0", 0.0),
        ("-0", -0.0),
        ("1", 1.0),
        ("+1", 1.0),
        ("007", 7.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.e2", 100.0),
        ("1E5", 1e5),
        ("1e+05", 1e5),
        ("1e005", 1e5),
        ("2.5e-3", 0.0025),
        ("123456789012345678", 123456789012345678.0),
        ("18446744073709551615", 18446744073709551615.0),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("0e999999999999", 0.0),
        ("Inf", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("+Inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("iNfInItY", f64::INFINITY),
        ("NaN", f64::NAN),
        ("nan", f64::NAN),
        ("NAN", f64::NAN),
    ];

    const REFUSED: &[(&str, SyntaxErrorKind)] = &[
        ("", SyntaxErrorKind::MissingValue),
        ("+NaN", SyntaxErrorKind::Value),
        ("-nan", SyntaxErrorKind::Value),
        ("1e400", SyntaxErrorKind::ValueRange),
        ("-1e400", SyntaxErrorKind::ValueRange),
        ("1.8e308", SyntaxErrorKind::ValueRange),
        ("1e99999999999999999999", SyntaxErrorKind::ValueRange),
        ("0x1p4", SyntaxErrorKind::Value),
        ("0x10", SyntaxErrorKind::Value),
        ("1_0", SyntaxErrorKind::Value),
        ("1,5", SyntaxErrorKind::Value),
        ("1e", SyntaxErrorKind::Value),
        ("1e+", SyntaxErrorKind::Value),
        ("e5", SyntaxErrorKind::Value),
        (".", SyntaxErrorKind::Value),
        ("-", SyntaxErrorKind::Value),
        (".e5", SyntaxErrorKind::Value),
        ("--1", SyntaxErrorKind::Value),
        ("infi", SyntaxErrorKind::Value),
        ("nano", SyntaxErrorKind::Value),
        ("١", SyntaxErrorKind::Value),
        ("1\r", SyntaxErrorKind::CarriageReturn),
        ("1\0", SyntaxErrorKind::Nul),
    ];

    #[test]
    fn reads_what_prometheus_reads() {
        for &(written, value) in READ {
            assert_eq!(check(written.as_bytes(), 0), Ok(written.len()), "{written}");
            let read = parse(written.as_bytes());
            assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan(), "{written} gives {read}");
        }
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for &(written, why) in REFUSED {
            assert_eq!(check(written.as_bytes(), 0), Err(why), "{written:?}");
        }
    }

    #[test]
    fn a_number_with_too_many_digits_is_out_of_range() {
        let digits = "9".repeat(400);
        assert_eq!(check(digits.as_bytes(), 0), Err(SyntaxErrorKind::ValueRange));
        let small = format!("0.{}1e300", "0".repeat(400));
        assert_eq!(check(small.as_bytes(), 0), Ok(small.len()));
        assert_eq!(parse(small.as_bytes()), 1e-101);
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(written in "[-+]?[0-9]{0,25}([.][0-9]{0,25})?([eE][-+]?[0-9]{1,3})?") {
            match written.parse::<f64>() {
                Ok(value) if value.is_finite() => {
                    prop_assert_eq!(check(written.as_bytes(), 0), Ok(written.len()));
                    prop_assert_eq!(parse(written.as_bytes()).to_bits(), value.to_bits());
                }
                _ => prop_assert!(check(written.as_bytes(), 0).is_err()),
            }
        }

        #[test]
        fn the_fast_path_is_exact(mantissa: u64, point in 0usize..20, exponent in -30i32..30) {
            let digits = mantissa.to_string();
            let (whole, fraction) = digits.split_at(point.min(digits.len()));
            for written in [format!("{whole}.{fraction}"), format!("-{whole}.{fraction}e{exponent}")] {
                prop_assert_eq!(parse(written.as_bytes()).to_bits(), written.parse::<f64>().unwrap().to_bits());
            }
        }
    }
}
