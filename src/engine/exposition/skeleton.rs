//! What series of one make have in common: every byte but those of their label values. A line that
//! has a known skeleton, and values without anything to unescape, is read by comparing.

use std::ops::Range;

/// `name{a="`, `",b="`, `"}`: a series part without its values.
#[derive(Debug)]
pub struct Skeleton {
    text: Box<[u8]>,
    /// Where each piece ends.
    ends: Box<[usize]>,
    /// The label names in `text`.
    names: Box<[Range<usize>]>,
}

/// A value's place in the line.
pub type Span = Range<usize>;

impl Skeleton {
    /// The skeleton of a series part that was read whole, if it is written as most exporters do:
    /// no blanks, no quoted names, no empty values, nothing to unescape.
    pub fn of(series: &[u8]) -> Option<Skeleton> {
        let (mut text, mut ends, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 1 + memchr::memchr(b'{', series).filter(|&brace| is_word(&series[..brace]))?;
        text.extend_from_slice(&series[..at]);
        loop {
            let name = memchr::memchr(b'=', &series[at..]).filter(|&len| is_word(&series[at..at + len]))?;
            names.push(text.len()..text.len() + name);
            let value = at + name + 2;
            text.extend_from_slice(series.get(at..value).filter(|piece| piece.ends_with(b"\""))?);
            ends.push(text.len());
            let end = value + plain_value(&series[value..])?;
            let (piece, next) = match &series[end..] {
                b"\"}" | b"\",}" => (&series[end..], None),
                [b'"', b',', ..] => (&series[end..end + 2], Some(end + 2)),
                _ => return None,
            };
            text.extend_from_slice(piece);
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        ends.push(text.len());
        Some(Skeleton { text: text.into(), ends: ends.into(), names: names.into() })
    }

    /// Label names in the order in which they are written.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|range| std::str::from_utf8(&self.text[range.clone()]).unwrap_or_default())
    }

    /// What is written before each value, and after the last.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }

    /// Where the series part ends that `input` begins with, when it has this skeleton; `values`
    /// tells where its values are.
    #[inline]
    pub fn fit(&self, input: &[u8], values: &mut Vec<Span>) -> Option<usize> {
        values.clear();
        let (mut at, mut from) = (0, 0);
        for &end in &self.ends {
            if from > 0 {
                let value = plain_value(input.get(at..)?)?;
                values.push(at..at + value);
                at += value;
            }
            let piece = &self.text[from..end];
            input.get(at..)?.starts_with(piece).then_some(())?;
            at += piece.len();
            from = end;
        }
        Some(at)
    }
}

/// Where a series part ends, if one of the usual spelling stands here, on one line. Says nothing about
/// whether it is any good.
pub fn series_end(input: &[u8]) -> Option<usize> {
    let mut at = memchr::memchr3(b'{', b' ', b'\n', input)?;
    if input[at] != b'{' {
        return (input[at] == b' ').then_some(at + 1);
    }
    loop {
        at += 1 + memchr::memchr2(b'"', b'}', input.get(at + 1..)?)?;
        if input[at] == b'}' {
            return Some(at + 1);
        }
        at += 1;
        while input.get(at).is_some_and(|&b| b != b'"') {
            at += memchr::memchr3(b'"', b'\\', b'\n', &input[at..])?;
            at += match input[at] {
                b'"' => 0,
                b'\\' => 2,
                _ => return None,
            };
        }
    }
}

/// The length of the value that begins here, if it is not empty and all ASCII, and stands for itself.
#[inline]
pub fn plain_value(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < SHORT
        && let Some(word) = input.get(at..).and_then(|rest| rest.first_chunk())
    {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            at += marks.trailing_zeros() as usize / 8;
            return (at > 0 && input[at] == b'"').then_some(at);
        }
        at += 8;
    }
    let rest = input.get(at..)?;
    let ends = memchr::memchr3(b'"', b'\\', b'\n', rest)?;
    (rest[ends] == b'"' && rest[..ends].is_ascii() && at + ends > 0).then_some(at + ends)
}

/// Values up to so many bytes are looked at eight at a time.
const SHORT: usize = 48;

/// Marks the first byte that is not plain, and none before it.
#[inline]
const fn marks(word: u64) -> u64 {
    equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n') | word & HIGH
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// Marks the bytes that are `byte`; above the lowest mark there may be false ones.
#[inline]
const fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (LOW * byte as u64);
    zero.wrapping_sub(LOW) & !zero & HIGH
}

fn is_word(name: &[u8]) -> bool {
    let is_first = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
    name.first().is_some_and(is_first) && name.iter().all(|b| is_first(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::{Step, SyntaxLimits, Tokens, plain};
    use super::*;
    use crate::engine::model::Format;
    use proptest::prelude::*;

    fn values(skeleton: &Skeleton, line: &str) -> Option<Vec<String>> {
        let mut spans = Vec::new();
        skeleton.fit(line.as_bytes(), &mut spans)?;
        Some(spans.into_iter().map(|span| line[span].to_owned()).collect())
    }

    #[test]
    fn alike_but_for_the_values() {
        let skeleton = Skeleton::of(b"a_total{x=\"1\",yy=\"a longer value\"}").unwrap();
        assert_eq!(skeleton.names().collect::<Vec<_>>(), ["x", "yy"]);
        let same = values(&skeleton, "a_total{x=\"other\",yy=\"{}, =\"} 1\n");
        assert_eq!(same, Some(vec!["other".to_owned(), "{}, =".to_owned()]));
        for other in [
            "a_total{x=\"\",yy=\"1\"} 1\n",
            "a_total{x=\"\\\\\",yy=\"1\"} 1\n",
            "a_total{x=\"\u{fc}\",yy=\"1\"} 1\n",
            "a_total{x=\"1\n\",yy=\"1\"} 1\n",
            "a_total{x=\"1\",yy=\"1\",} 1\n",
            "a_total{x=\"1\",y=\"1\"} 1\n",
            "b_total{x=\"1\",yy=\"1\"} 1\n",
            "a_total{x=\"1\",yy=\"1",
        ] {
            assert_eq!(values(&skeleton, other), None, "{other:?}");
        }
    }

    #[test]
    fn unusual_spellings_have_none() {
        for series in [
            "a ",
            "a{}",
            "a{x = \"1\"}",
            "a{x=\"\"}",
            "a{x=\"\\n\"}",
            "{\"a\",x=\"1\"}",
            "a{\"x\"=\"1\"}",
            "a {x=\"1\"}",
        ] {
            assert!(Skeleton::of(series.as_bytes()).is_none(), "{series:?}");
        }
    }

    #[test]
    fn a_series_ends_behind_its_braces_or_the_blank() {
        for (line, end) in [("a 1\n", 2), ("a{} 1\n", 3), ("a{x=\"}\\\"}\"} 1\n", 11), ("a{x=\"1\",y=\"2\",} 1\n", 15)]
        {
            assert_eq!(series_end(line.as_bytes()), Some(end), "{line:?}");
            for cut in 0..end {
                assert_eq!(series_end(&line.as_bytes()[..cut]), None, "{line:?} cut at {cut}");
            }
        }
        for line in ["a\n", "a", "a{x=\"1", "a{x=\"1\\", "a{x=\"1\"", "\n a 1\n", "a{x=\"1\n\"} 1\n"] {
            assert_eq!(series_end(line.as_bytes()), None, "{line:?}");
        }
    }

    fn read(format: Format, line: &str) -> Option<(usize, Vec<(String, String)>)> {
        let mut tokens = Tokens::new(format, SyntaxLimits { sample_size: 0, labels: 0 });
        let Ok(Step::Sample(sample)) = tokens.next(line.as_bytes(), true) else { return None };
        let labels = tokens.labels().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Some((sample.series_end, labels))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// The law the short way lives by: what has the skeleton of a good line is a good line, with
        /// these values.
        #[test]
        fn what_fits_is_what_the_parser_reads(
            a in "[ -~]{0,3}", b in "[ -~]{0,20}", c in "[\\PC\n]{0,10}", d in "[a-z\"\\\\}]{0,4}", close in "(\"}|\",}) 1\n",
        ) {
            let line = |x: &str, y: &str| format!("m{{b=\"{x}\",a=\"{y}{close}");
            let (first, second) = (line(&a, &b), line(&c, &d));
            for format in [Format::Text, Format::OpenMetrics] {
                let Some((end, _)) = read(format, &first) else { continue };
                let Some(skeleton) = Skeleton::of(&first.as_bytes()[..end]) else { continue };
                for line in [&first, &second] {
                    let mut spans = Vec::new();
                    let Some(end) = skeleton.fit(line.as_bytes(), &mut spans) else { continue };
                    // Nobody takes a line for good whose value is not.
                    let whole = format!("{line}a 1\na_line_behind_it 1\n");
                    if plain(whole.as_bytes(), end).is_none() {
                        continue;
                    }
                    let Some((read_end, labels)) = read(format, line) else { panic!("{line:?} fits and is bad") };
                    prop_assert_eq!(end, read_end);
                    let values: Vec<_> = spans.iter().rev().map(|s| &line[s.clone()]).collect();
                    prop_assert_eq!(labels.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>(), values);
                    prop_assert_eq!(series_end(line.as_bytes()), Some(end));
                }
            }
        }
    }
}
