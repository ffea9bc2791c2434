//! The plain tail: a decimal and its newline, nothing else. Nearly every sample ends so, and such
//! an end is read sixteen bytes at a time; whatever else a line may end in is left to the formats.

/// The bytes a number is looked for in.
const WINDOW: usize = 16;
/// What stands around them at most: the byte before the tail, a blank, a sign.
const AROUND: usize = 3;

/// A tail that was read whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plain {
    /// Where the value begins.
    pub start: usize,
    /// Behind the newline.
    pub end: usize,
    shape: Shape,
    /// The first digits, the first one lowest.
    word: u64,
    sign: Sign,
}

/// Digits before the point, and bytes from the point on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    whole: u32,
    fraction: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

/// Reads `-digits[.digits]\n` behind a series part that ends at `from`: behind a `}` after one
/// blank, which the series part of a bare name has already. `None` decides nothing.
#[inline(always)]
pub fn plain(input: &[u8], from: usize) -> Option<Plain> {
    let before = from.checked_sub(1)?;
    match input.get(before..before + AROUND + WINDOW) {
        Some(around) => plain_in(around.try_into().ok()?, from),
        None => plain_at_end(input.get(before..)?, from),
    }
}

/// Near the input's end: nothing that could be part of a number stands behind it.
#[cold]
fn plain_at_end(rest: &[u8], from: usize) -> Option<Plain> {
    let mut around = [0; AROUND + WINDOW];
    around.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    plain_in(&around, from)
}

#[inline(always)]
fn plain_in(around: &[u8; AROUND + WINDOW], from: usize) -> Option<Plain> {
    let blanks = match (around[0], around[1]) {
        (b'}', b' ') => 1,
        (b' ', _) => 0,
        _ => return None,
    };
    let sign = if around[1 + blanks] == b'-' { Sign::Minus } else { Sign::Plus };
    let signs = usize::from(sign == Sign::Minus);
    let window: &[u8; WINDOW] = around.get(1 + blanks + signs..)?.first_chunk()?;
    let word = u64::from_le_bytes(*window.first_chunk()?);
    let shape = Shape::of(window, word)?;
    let start = from + blanks;
    Some(Plain { start, end: start + signs + shape.len() + 1, shape, word, sign })
}

impl Shape {
    /// The shape of the number that fills the window up to its first newline.
    #[inline(always)]
    fn of(window: &[u8; WINDOW], word: u64) -> Option<Shape> {
        let marks = marks(word);
        let (first, second) = (marks.trailing_zeros() / 8, (marks & marks.wrapping_sub(1)).trailing_zeros() / 8);
        // Short numbers stand in the first half.
        if second < 8 { Shape::between(window, first, second) } else { Shape::of_long(window) }
    }

    fn of_long(window: &[u8; WINDOW]) -> Option<Shape> {
        let others = others(window);
        Shape::between(window, others.trailing_zeros(), (others & others.wrapping_sub(1)).trailing_zeros())
    }

    /// Whether what stands at the first place that holds no digit, and at the second, makes a number.
    #[inline(always)]
    fn between(window: &[u8; WINDOW], first: u32, second: u32) -> Option<Shape> {
        match *window.get(first as usize)? {
            b'\n' if first > 0 => Some(Shape { whole: first, fraction: 0 }),
            b'.' if first > 0 && *window.get(second as usize)? == b'\n' => {
                Some(Shape { whole: first, fraction: second - first })
            }
            _ => None,
        }
    }

    #[inline]
    const fn len(self) -> usize {
        (self.whole + self.fraction) as usize
    }
}

impl Plain {
    /// The value, to the last bit what [`super::number::parse`] makes of it: at most 8 digits and a
    /// power of ten are exact, and rounded once.
    #[inline(always)]
    pub fn value(&self, input: &[u8]) -> f64 {
        let (word, Shape { whole, fraction }) = (self.word, self.shape);
        if whole + fraction > 8 {
            return long_value(&input[self.start..self.end - 1]);
        }
        let magnitude = match fraction {
            0 | 1 => number_of(word, whole),
            // Python writes counts so, and a division takes longer than all the rest.
            2 if (word >> (8 * whole + 8)) as u8 == b'0' => number_of(word, whole),
            _ => {
                let before_point = (1u64 << (8 * whole)) - 1;
                let digits = word & before_point | (word >> 8) & !before_point;
                number_of(digits, whole + fraction - 1) / POWERS[fraction as usize - 1]
            }
        };
        if self.sign == Sign::Minus { -magnitude } else { magnitude }
    }
}

#[inline(never)]
fn long_value(value: &[u8]) -> f64 {
    super::number::parse(value)
}

const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The number that the first bytes of a word are: one to eight digits, the first one lowest.
#[inline]
fn number_of(word: u64, digits: u32) -> f64 {
    // Zeros come in before the first digit.
    let word = (word & 0x0f0f_0f0f_0f0f_0f0f) << (64 - 8 * digits);
    let pairs = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours * 10_000 + (fours >> 32)) as u32).into()
}

/// A bit for each byte that is no digit.
#[inline]
fn others(window: &[u8; WINDOW]) -> u32 {
    let (low, high) = window.split_at(8);
    let word = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
    others_of(word(low)) | others_of(word(high)) << 8
}

#[inline]
fn others_of(word: u64) -> u32 {
    // Gathers the high bits.
    ((marks(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// The high bit of each byte that is no digit, and no other.
#[inline]
fn marks(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let word = word ^ 0x3030_3030_3030_3030;
    // A byte's high bit is set when it is above 9; no carry leaves its byte.
    (((word & LOW) + 0x7676_7676_7676_7676) | word) & !LOW
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::number;
    use super::*;

    /// What follows a line.
    const REST: &str = "another_series{and=\"labels\"} 1\n";

    fn read(series: &str, tail: &str) -> Option<(f64, usize)> {
        let read = |input: String| {
            let plain = plain(input.as_bytes(), series.len())?;
            Some((plain.value(input.as_bytes()), plain.end - series.len()))
        };
        let at_the_end = read(format!("{series}{tail}"));
        assert_eq!(at_the_end, read(format!("{series}{tail}{REST}")), "wherever it stands");
        at_the_end
    }

    #[test]
    fn what_is_plain() {
        for (tail, value) in [
            ("1\n", 1.0),
            ("-1\n", -1.0),
            ("0.0\n", 0.0),
            ("5.\n", 5.0),
            ("007\n", 7.0),
            ("12345678.5\n", 12_345_678.5),
            ("123456789012345\n", 123_456_789_012_345.0),
            ("0.12345678901\n", 0.123_456_789_01),
        ] {
            assert_eq!(read("a ", tail), Some((value, tail.len())), "{tail:?}");
            assert_eq!(read("a{}", &format!(" {tail}")), Some((value, tail.len() + 1)), "{tail:?}");
        }
        let (zero, _) = read("a ", "-0\n").unwrap();
        assert!(zero.is_sign_negative());
    }

    #[test]
    fn what_is_left_to_the_formats() {
        for tail in [
            "\n",
            ".\n",
            ".5\n",
            "-\n",
            "-.5\n",
            "1.2.3\n",
            "1e5\n",
            "+1\n",
            "NaN\n",
            "1 5\n",
            "1\t\n",
            "1 # {} 1\n",
            " 1\n",
            "1234567890123456\n",
            "1\r\n",
            "1\0\n",
            "1\u{1b2}\n",
            "/\n",
            ":\n",
            "{x=\"1\"} 1\n",
        ] {
            assert_eq!(read("a ", tail), None, "{tail:?}");
        }
        for tail in ["1\n", "  1\n", "\t1\n", "{} 1\n"] {
            assert_eq!(read("a{}", tail), None, "{tail:?}");
        }
        for cut in ["a 1", "a ", "a{} ", "a{} 1.", ""] {
            assert_eq!(plain(cut.as_bytes(), cut.len().min(2)), None, "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_way_of_all_numbers(tail in "[-+]?[0-9]{0,10}[.]?[0-9]{0,10}[ e5\t]?\n") {
            let input = format!("a {tail}{REST}");
            let end = number::check(input.as_bytes(), 2).ok().filter(|&end| input.as_bytes()[end] == b'\n');
            if let Some(plain) = plain(input.as_bytes(), 2) {
                prop_assert_eq!(Some(plain.end - 1), end);
                let value = number::parse(&input.as_bytes()[2..plain.end - 1]);
                prop_assert_eq!(plain.value(input.as_bytes()).to_bits(), value.to_bits());
            }
        }

        #[test]
        fn every_byte_is_a_digit_or_none(window: [u8; WINDOW]) {
            for (at, byte) in window.iter().enumerate() {
                prop_assert_eq!(others(&window) >> at & 1 == 1, !byte.is_ascii_digit());
            }
        }
    }
}
