//! Samples as bytes: the inverse of reading.

use std::io::{self, Write};

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
    write_escaped(out, value);
    out.push(b'"');
}

/// Appends what stands between the quotes of a label value.
pub fn write_escaped(out: &mut Vec<u8>, value: &str) {
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
        write_whole(out, value)
    } else if (1e-2..1e15).contains(&value.abs()) {
        // No exponent makes it shorter.
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    if out[start..].contains(&b'e') {
        prefer_plain(out, start, value);
    }
}

/// Nearly all of them are counts: what an integer knows of itself is found sooner than what a fraction
/// does.
fn write_whole(out: &mut Vec<u8>, value: f64) -> io::Result<()> {
    match value == 0.0 && value.is_sign_negative() {
        true => out.write_all(b"-0"),
        false => write!(out, "{}", value as i64),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Step, SyntaxLimits, Tokens, number};
    use super::*;
    use crate::engine::model::{Format, LabelSet};

    fn written(name: &str, labels: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        write_name_and_labels(&mut out, name, labels.iter().copied());
        String::from_utf8(out).unwrap()
    }

    fn number(value: f64) -> String {
        let mut out = b"a ".to_vec();
        write_number(&mut out, value);
        String::from_utf8(out.split_off(2)).unwrap()
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, labels, want) in [
            ("a:b", &[][..], "a:b"),
            ("a", &[("x", "1"), ("y", "")], r#"a{x="1",y=""}"#),
            ("näme", &[], r#"{"näme"}"#),
            ("  a", &[("x", "1")], r#"{"  a",x="1"}"#),
            ("", &[], r#"{""}"#),
            ("a", &[("x y", "1"), ("x:y", "2"), ("1", "3")], r#"a{"x y"="1","x:y"="2","1"="3"}"#),
            ("a\"b", &[("c\\", "\n")], r#"{"a\"b","c\\"="\n"}"#),
        ] {
            assert_eq!(written(name, labels), want);
        }
    }

    #[test]
    fn numbers_are_short_and_integers_are_plain() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1000.0, "-1000"),
            (1e6, "1000000"),
            (123456789012345.0, "123456789012345"),
            (1e15, "1e15"),
            (1234567890123456.0, "1234567890123456"),
            (1e300, "1e300"),
            (0.5, "0.5"),
            (0.001, "1e-3"),
            (0.012345, "0.012345"),
            (-1.5e-9, "-1.5e-9"),
            (1760000000.25, "1760000000.25"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), want);
        }
    }

    /// Text that a body can carry: what stands between quotes, hostile bytes among it.
    fn texts() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![
                prop::sample::select(&["\"", "\\", "\n", "n", "{", "}", ",", "=", " ", "#", "# EOF\n", "} 1\nb 2"][..])
                    .prop_map(str::to_owned),
                "[a-zA-Z0-9_:]{1,5}",
                any::<char>().prop_map(String::from),
            ],
            0..6,
        )
        .prop_map(|pieces| pieces.concat())
    }

    /// NUL may stand in label values only; an empty name is no name.
    fn names() -> impl Strategy<Value = String> {
        texts().prop_filter("a name", |name| !name.is_empty() && !name.contains('\0') && name != "__name__")
    }

    proptest! {
        #[test]
        fn the_shorter_spelling_is_written(digits in 1u64..1_000_000_000, power in -12i32..12) {
            let value = digits as f64 * 10f64.powi(power);
            let (plain, short) = (format!("{value}"), format!("{value:e}"));
            let is_count = value.trunc() == value && value < 1e15;
            let shorter = if is_count || plain.len() <= short.len() { plain } else { short };
            prop_assert_eq!(number(value), shorter);
        }

        #[test]
        fn what_is_written_is_read_again(
            name in names(),
            labels in prop::collection::btree_map(names(), texts(), 0..5),
            bits: u64,
        ) {
            let value = f64::from_bits(bits);
            let labels: LabelSet = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let mut line = Vec::new();
            write_name_and_labels(&mut line, &name, labels.iter());
            line.push(b' ');
            write_number(&mut line, value);
            line.push(b'\n');
            for format in [Format::Text, Format::OpenMetrics] {
                let mut tokens = Tokens::new(format, SyntaxLimits { sample_size: 0, labels: 0 });
                let Ok(Step::Sample(sample)) = tokens.next(&line, false) else {
                    return Err(TestCaseError::fail(format!("no sample: {}", line.escape_ascii())));
                };
                prop_assert_eq!(tokens.name(), &name);
                prop_assert_eq!(tokens.labels(), &labels);
                let read = number::parse(&line[sample.tail.value]);
                prop_assert!(read.to_bits() == bits || read.is_nan() && value.is_nan());
                prop_assert_eq!(sample.tail.end, line.len());
            }
        }

        #[test]
        fn no_spelling_of_a_number_is_shorter(value in prop_oneof![any::<f64>(), -1e20..1e20, -1.0..1.0]) {
            prop_assume!(value.is_finite() && !(value.abs() < 1e15 && value.trunc() == value));
            prop_assert_eq!(number(value).len(), format!("{value}").len().min(format!("{value:e}").len()));
        }
    }
}
