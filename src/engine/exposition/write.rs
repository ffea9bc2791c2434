//! Samples as bytes: the inverse of reading.

use std::io::Write;

use super::cursor::{is_label_name, is_metric_name};

/// Appends `name{a="b",…}`, or `{"näme",…}` for a name that needs quotes; no braces without labels.
pub fn write_name_and_labels<'a>(out: &mut Vec<u8>, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut opener: &[u8] = b"{";
    let mut closer: &[u8] = b"";
    if is_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'{');
        write_label_value(out, name);
        (opener, closer) = (b",", b"}");
    }
    for (label, value) in labels {
        out.extend_from_slice(opener);
        write_label_name(out, label);
        out.push(b'=');
        write_label_value(out, value);
        (opener, closer) = (b",", b"}");
    }
    out.extend_from_slice(closer);
}

/// Appends a label value between quotes, with `\`, `"` and newline escaped.
pub fn write_label_value(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(i) = memchr::memchr3(b'\\', b'"', b'\n', rest) {
        out.extend_from_slice(&rest[..i]);
        out.extend_from_slice(match rest[i] {
            b'\\' => br"\\",
            b'"' => br#"\""#,
            _ => br"\n",
        });
        rest = &rest[i + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends a value in a spelling that Prometheus reads back to the same bits: integers up to 15
/// digits without a point, else the shorter of the spellings with and without an exponent; `NaN`,
/// `+Inf`, `-Inf`.
pub fn write_number(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    // Writing to a vector cannot fail.
    let _ = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if value.abs() < 1e15 && value.trunc() == value {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    if out[start..].contains(&b'e') {
        prefer_plain(out, start, value);
    }
}

/// Takes back an exponent where the plain spelling is no longer.
fn prefer_plain(out: &mut Vec<u8>, start: usize, value: f64) {
    // A spelling has at most 17 digits, so beyond these magnitudes zeros make the plain one longer.
    if !(1e-7..1e22).contains(&value.abs()) {
        return;
    }
    let middle = out.len();
    let _ = write!(out, "{value}");
    if out.len() - middle <= middle - start {
        out.drain(start..middle);
    } else {
        out.truncate(middle);
    }
}

fn write_label_name(out: &mut Vec<u8>, name: &str) {
    if is_label_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_label_value(out, name);
    }
}
