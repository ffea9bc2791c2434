//! Samples as bytes: the inverse of reading.

use std::io::Write;

/// Appends `name{a="b",…}`, or `{"näme",…}` for a name that needs quotes; no braces without labels.
pub fn write_name_and_labels<'a>(out: &mut Vec<u8>, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    let _ = (out, name, labels.count());
    todo!()
}

/// Appends a label value between quotes, with `\`, `"` and newline escaped.
pub fn write_label_value(out: &mut Vec<u8>, value: &str) {
    let _ = (out, value);
    todo!()
}

/// Appends a value in a spelling that Prometheus reads back to the same bits, shortest first:
/// integers without a point, exponents where they are shorter, `NaN`, `+Inf`, `-Inf`.
pub fn write_number(out: &mut Vec<u8>, value: f64) {
    let _ = write!(out, "{value}");
}
