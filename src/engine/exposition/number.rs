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

/// Clinger's fast path: a mantissa below 2^53 and a power of ten up to 22 are exact, so that their
/// product or quotient is rounded once, and rightly.
#[inline]
fn exact(value: &[u8]) -> Option<f64> {
    let (negative, digits) = match value {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, value),
    };
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut fraction = None;
    let mut exponent = 0i32;
    for (i, b) in digits.iter().enumerate() {
        match b {
            b'0'..=b'9' => mantissa = mantissa.checked_mul(10)?.checked_add(u64::from(b - b'0'))?,
            b'.' if fraction.is_none() => fraction = Some(i + 1),
            b'e' | b'E' if i > 0 => {
                exponent = small_exponent(&digits[i + 1..])?;
                exponent -= fraction.map_or(0, |f| (i - f) as i32);
                fraction = Some(digits.len());
                break;
            }
            _ => return None,
        }
    }
    let exponent = exponent - fraction.map_or(0, |f| (digits.len() - f) as i32);
    if mantissa > 1 << 53 || digits == b"." {
        return None;
    }
    let power = POWERS.get(exponent.unsigned_abs() as usize)?;
    let magnitude = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    Some(if negative { -magnitude } else { magnitude })
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
