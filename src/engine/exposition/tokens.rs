//! One line at a time, in any chunks.

use super::cursor::{Cursor, Parsed};
use super::error::{SyntaxError, SyntaxErrorKind};
use super::framing::{Frame, Framing};
use super::labels::Series;
use super::step::{Step, Tail};
use super::{openmetrics, text};
use crate::engine::model::{Format, LabelSet};

/// What bounds a single line.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxLimits {
    /// Bytes of one line (a line feed inside quotes does not end it); 0 = no limit.
    pub sample_size: usize,
    /// Labels of one sample; 0 = no limit.
    pub labels: usize,
}

/// Reads lines. One `Tokens` lives as long as one body.
///
/// A line is parsed once, when it is complete. Until then only `Framing` looks at it, and only
/// at what is new, so the answers do not depend on how the body was cut.
#[derive(Debug)]
pub struct Tokens {
    format: Format,
    limits: SyntaxLimits,
    line: u64,
    framing: Framing,
    progress: Progress,
    series: Series,
}

/// How far the body has come: this alone decides whether it may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    Lines,
    Eof,
}

impl Tokens {
    pub fn new(format: Format, limits: SyntaxLimits) -> Tokens {
        Tokens {
            format,
            limits,
            line: 1,
            framing: Framing::default(),
            progress: Progress::Nothing,
            series: Series::default(),
        }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The line the next call reads, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Name of the last sample, or family of the last metadata line, unescaped.
    pub fn name(&self) -> &str {
        &self.series.name
    }

    /// Labels of the last sample, unescaped and normalised.
    pub fn labels(&self) -> &LabelSet {
        &self.series.labels
    }

    /// Reads the line at the start of `input`; `last` says that no byte follows `input`.
    ///
    /// After [`Step::NeedMore`] the next call must bring the same bytes and more behind them.
    pub fn next(&mut self, input: &[u8], last: bool) -> Result<Step, SyntaxError> {
        if input.is_empty() {
            return self.next_of_nothing(last);
        }
        if self.framing.is_fresh() {
            let newline = memchr::memchr(b'\n', input);
            let end = newline.map_or(input.len(), |i| i + 1);
            if (last || newline.is_some())
                && let Ok(step) = self.read_line(Cursor::checked(input, end, last))
            {
                self.consume(&input[..step.end()], newline)?;
                return Ok(self.note(step));
            }
        }
        self.next_framed(input, last)
    }

    /// Reads the rest of a sample whose series part, `input[..from]`, the caller knows already
    /// (from an earlier [`super::Sample::series_end`]). `None`: not complete yet. Does not touch
    /// [`Tokens::name`] and [`Tokens::labels`].
    ///
    /// An error is not the last word: the bytes of a bare name may begin another series (`a ` that
    /// of `a {b="c"} 1`). Ask [`Tokens::next`] for the same line then.
    #[inline]
    pub fn tail(&mut self, input: &[u8], from: usize, last: bool) -> Result<Option<Tail>, SyntaxError> {
        if self.framing.is_fresh()
            && let Ok(tail) = self.read_tail(input, from, last)
        {
            let newline = memchr::memchr(b'\n', &input[..tail.end]);
            self.consume(&input[..tail.end], newline)?;
            return Ok(Some(tail));
        }
        self.tail_framed(input, from, last)
    }

    /// How long a line may be that the caller reads with [`super::plain`] instead, its newline not
    /// counted; `None` when the place at hand needs a closer look.
    #[inline]
    pub fn longest_plain(&self) -> Option<usize> {
        (self.framing.is_fresh() && self.progress != Progress::Eof).then(|| self.longest())
    }

    /// The caller has read so many plain lines, none of which holds another newline.
    #[inline]
    pub fn accept_plain(&mut self, lines: u64) {
        if lines > 0 {
            self.line += lines;
            self.progress = Progress::Lines;
        }
    }

    fn next_of_nothing(&self, last: bool) -> Result<Step, SyntaxError> {
        match (last, self.format, self.progress) {
            (false, ..) => Ok(Step::NeedMore),
            (true, Format::OpenMetrics, Progress::Lines) => Err(self.error(SyntaxErrorKind::MissingEof)),
            (true, ..) => Ok(Step::End),
        }
    }

    /// The way of a line that was cut, or is wrong.
    #[cold]
    fn next_framed(&mut self, input: &[u8], last: bool) -> Result<Step, SyntaxError> {
        let Some(end) = self.frame(input, last)? else { return Ok(Step::NeedMore) };
        self.framing.restart();
        let step = self.read_line(Cursor::checked(&input[..end], end, true)).map_err(|kind| self.error(kind))?;
        self.consume(&input[..end], None)?;
        Ok(self.note(step))
    }

    #[cold]
    fn tail_framed(&mut self, input: &[u8], from: usize, last: bool) -> Result<Option<Tail>, SyntaxError> {
        self.framing.skip_series(from);
        let Some(end) = self.frame(input, last)? else { return Ok(None) };
        self.framing.restart();
        let tail = self.read_tail(&input[..end], from, true).map_err(|kind| self.error(kind))?;
        self.consume(&input[..end], None)?;
        Ok(Some(tail))
    }

    /// The end of the line, once it is complete.
    fn frame(&mut self, input: &[u8], last: bool) -> Result<Option<usize>, SyntaxError> {
        let (end, length) = match self.framing.advance(input, self.format) {
            Frame::Complete(end) => (Some(end), end - 1),
            Frame::Open if last => (Some(input.len()), input.len()),
            Frame::Open => (None, input.len()),
        };
        self.check_length(length)?;
        Ok(end)
    }

    #[inline]
    fn read_line(&mut self, cursor: Cursor<'_>) -> Parsed<Step> {
        match self.format {
            Format::Text => text::line(cursor, &mut self.series, self.limits.labels),
            Format::OpenMetrics if self.progress == Progress::Eof => Err(SyntaxErrorKind::AfterEof),
            Format::OpenMetrics => openmetrics::line(cursor, &mut self.series, self.limits.labels),
        }
    }

    #[inline]
    fn read_tail(&self, input: &[u8], from: usize, last: bool) -> Parsed<Tail> {
        let cursor = Cursor::new(input, from, last);
        match self.format {
            // Without a blank behind it, a bare name may go on differently this time.
            Format::Text if !matches!(cursor.behind(), Some(b'}' | b' ' | b'\t')) => Err(SyntaxErrorKind::ValueBlank),
            Format::Text => text::tail(cursor),
            Format::OpenMetrics if self.progress == Progress::Eof => Err(SyntaxErrorKind::AfterEof),
            Format::OpenMetrics => openmetrics::tail(cursor),
        }
    }

    /// Accepts a line. If the first newline in it is known to end it, there are no others.
    #[inline]
    fn consume(&mut self, line: &[u8], newline: Option<usize>) -> Result<(), SyntaxError> {
        if newline.is_some_and(|i| i + 1 == line.len()) {
            self.check_length(line.len() - 1)?;
            self.line += 1;
        } else {
            self.check_length(line.len() - usize::from(line.ends_with(b"\n")))?;
            self.line += memchr::memchr_iter(b'\n', line).count() as u64;
        }
        self.framing.restart();
        self.progress = Progress::Lines;
        Ok(())
    }

    #[inline]
    fn note(&mut self, step: Step) -> Step {
        if let Step::Eof { .. } = step {
            self.progress = Progress::Eof;
        }
        step
    }

    #[inline]
    fn check_length(&self, length: usize) -> Result<(), SyntaxError> {
        if length > self.longest() { Err(self.error(SyntaxErrorKind::SampleSize)) } else { Ok(()) }
    }

    /// Label positions are 32 bits wide, which bounds a line that nothing else does.
    #[inline]
    fn longest(&self) -> usize {
        if self.limits.sample_size == 0 { u32::MAX as usize } else { self.limits.sample_size }
    }

    #[cold]
    fn error(&self, kind: SyntaxErrorKind) -> SyntaxError {
        SyntaxError { line: self.line, kind }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{NO_LIMITS, read};
    use super::*;

    /// Pieces of which lines are made; most bodies of them are wrong somewhere.
    const PIECES: &[&[u8]] = &[
        b"a",
        b"b_total",
        b"{",
        b"}",
        b"\"",
        b"\"x\"",
        b"\\",
        b"\\\"",
        b"=",
        b",",
        b" ",
        b"\t",
        b"\n",
        b"\n",
        b"\n",
        b"1",
        b" 1\n",
        b"-2.5e3",
        b"NaN",
        b"# HELP ",
        b"# TYPE ",
        b"# UNIT ",
        b"counter",
        b"# EOF",
        b"# EOF\n",
        b"#",
        b" # {",
        b"a{x=\"1\"} 1\n",
        b"a{x=\"\n\"} 1 5\n",
        b"{\"a\n\",y=\"\\\\\"} 1\n",
        b"# HELP \"a\nb\" c\n",
        b"a 1 # {x=\"1\"} 1\n",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"\r",
    ];

    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(PIECES), 0..20).prop_map(|pieces| pieces.concat())
    }

    fn tokens(format: Format, sample_size: usize) -> Tokens {
        Tokens::new(format, SyntaxLimits { sample_size, labels: 0 })
    }

    fn formats() -> impl Strategy<Value = Format> {
        prop::sample::select(&[Format::Text, Format::OpenMetrics][..])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_chunking_gives_the_same_steps(format in formats(), body in bodies(), chunk in 2usize..30, sample_size in 0usize..40) {
            let limits = SyntaxLimits { sample_size, labels: 2 };
            let whole = read(format, limits, &body, body.len().max(1));
            prop_assert_eq!(&read(format, limits, &body, 1), &whole);
            prop_assert_eq!(&read(format, limits, &body, chunk), &whole);
        }

        #[test]
        fn any_bytes_are_read_or_refused(format in formats(), body: Vec<u8>) {
            let whole = read(format, NO_LIMITS, &body, body.len().max(1));
            prop_assert_eq!(read(format, NO_LIMITS, &body, 1), whole);
        }

        #[test]
        fn the_tail_of_a_known_series_is_what_next_reads(format in formats(), body in bodies(), chunk in 1usize..10) {
            let (mut known, mut again) = (tokens(format, 0), tokens(format, 0));
            let mut start = 0;
            while let Ok(step) = known.next(&body[start..], true) {
                let input = &body[start..];
                let (Step::Sample(_) | Step::Skip { .. } | Step::Meta(_)) = &step else { break };
                match &step {
                    // A bare name without a blank behind it may go on differently.
                    Step::Sample(sample) if !matches!(input[sample.series_end - 1], b'}' | b' ' | b'\t') => {
                        prop_assert!(again.tail(input, sample.series_end, true).is_err());
                        prop_assert_eq!(again.next(input, true), Ok(step.clone()));
                    }
                    Step::Sample(sample) => {
                        let tail = tail_in_chunks(&mut again, input, sample.series_end, chunk);
                        prop_assert_eq!(tail, Ok(sample.tail.clone()));
                    }
                    _ => prop_assert_eq!(again.next(input, true), Ok(step.clone())),
                }
                prop_assert_eq!(again.line(), known.line());
                start += step.end();
            }
        }

        #[test]
        fn a_tail_mistaken_for_another_series_leaves_the_last_word_to_next(
            format in formats(), line in bodies(), from in 1usize..10, chunk in 1usize..10,
        ) {
            prop_assume!(from <= line.len());
            let mut mistaken = tokens(format, 0);
            if tail_in_chunks(&mut mistaken, &line, from, chunk).is_err() {
                prop_assert_eq!(mistaken.next(&line, true), tokens(format, 0).next(&line, true));
            }
        }
    }

    fn tail_in_chunks(tokens: &mut Tokens, input: &[u8], from: usize, chunk: usize) -> Result<Tail, SyntaxError> {
        let mut arrived = from;
        loop {
            if let Some(tail) = tokens.tail(&input[..arrived], from, arrived == input.len())? {
                return Ok(tail);
            }
            assert!(arrived < input.len(), "more is asked for than there is");
            arrived = (arrived + chunk).min(input.len());
        }
    }

    #[test]
    fn errors_carry_the_line_where_the_entry_begins() {
        for (format, body, line) in [
            (Format::Text, &b"!"[..], 1),
            (Format::Text, b"a 1\n\n# x\nb\n", 4),
            (Format::Text, b"a{x=\"\n\n\"} 1\nb\n", 4),
            (Format::Text, b"a{x=\"\n\n\"} b\n", 1),
            (Format::Text, b"# HELP \"a\nb\" x\nb\n", 3),
            (Format::OpenMetrics, b"{\"a\nb\"} 1\n!\n# EOF\n", 3),
            (Format::OpenMetrics, b"a 1\n", 2),
            (Format::OpenMetrics, b"# EOF\n# EOF\n", 2),
        ] {
            for chunk in [1, body.len()] {
                let error = read(format, NO_LIMITS, body, chunk).unwrap_err();
                assert_eq!(error.line, line, "{}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn tails_count_the_newlines_of_their_series() {
        let body = b"a{x=\"\n\"} 1\n!\n";
        let mut tokens = tokens(Format::Text, 0);
        let tail = tokens.tail(body, 8, false).unwrap().unwrap();
        assert_eq!((tail.end, tokens.line()), (11, 3));
        assert_eq!(tokens.next(&body[11..], true).unwrap_err().line, 3);
    }

    #[test]
    fn a_body_of_tails_alone_needs_its_eof() {
        let mut tokens = tokens(Format::OpenMetrics, 0);
        assert!(tokens.tail(b"a 1\n", 2, true).unwrap().is_some());
        assert_eq!(tokens.next(b"", true).unwrap_err().kind, SyntaxErrorKind::MissingEof);
    }

    #[test]
    fn nothing_of_a_known_series_may_follow_the_eof() {
        let mut tokens = tokens(Format::OpenMetrics, 0);
        assert_eq!(tokens.next(b"# EOF\n", false), Ok(Step::Eof { end: 6 }));
        assert_eq!(tokens.tail(b"a 1\n", 2, false).unwrap_err().kind, SyntaxErrorKind::AfterEof);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        for (line, limit, fits) in [
            (&b"abc 1\n"[..], 5, true),
            (b"abc 1", 5, true),
            (b"abc 1\n", 4, false),
            (b"abc 1", 4, false),
            (b"a{x=\"\n\"} 1\n", 10, true),
            (b"a{x=\"\n\"} 1\n", 9, false),
            (b"# no sample\n", 5, false),
            (b"# HELP a long\n", 5, false),
        ] {
            for chunk in [1, 3, 100] {
                let limits = SyntaxLimits { sample_size: limit, labels: 0 };
                let got = read(Format::Text, limits, line, chunk).map(drop).map_err(|error| error.kind);
                let want = if fits { Ok(()) } else { Err(SyntaxErrorKind::SampleSize) };
                assert_eq!(got, want, "{}", line.escape_ascii());
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_fails_before_it_is_complete() {
        for start in [&b"a{x=\""[..], b"# ", b"# HELP \"", b" "] {
            let mut tokens = tokens(Format::Text, 100);
            let mut input = start.to_vec();
            input.resize(100, b' ');
            assert_eq!(tokens.next(&input, false), Ok(Step::NeedMore));
            input.push(b' ');
            assert_eq!(tokens.next(&input, false).unwrap_err().kind, SyntaxErrorKind::SampleSize);
        }
        let mut tail = tokens(Format::OpenMetrics, 100);
        let input = [b"a 1 # {x=\"".to_vec(), vec![b'x'; 100]].concat();
        assert_eq!(tail.tail(&input[..100], 2, false), Ok(None));
        assert_eq!(tail.tail(&input, 2, false).unwrap_err().kind, SyntaxErrorKind::SampleSize);
    }

    #[test]
    fn labels_are_counted_as_they_are_written() {
        for (line, limit, want) in [
            (&b"a{x=\"\",y=\"1\"} 1\n"[..], 2, Ok(())),
            (b"a{x=\"\",y=\"1\"} 1\n", 1, Err(SyntaxErrorKind::LabelCount)),
            (b"{\"a\",y=\"1\"} 1\n", 1, Ok(())),
            (b"{x=\"1\",\"a\",y=\"1\"} 1\n", 1, Err(SyntaxErrorKind::LabelCount)),
        ] {
            let limits = SyntaxLimits { sample_size: 0, labels: limit };
            let got = read(Format::Text, limits, line, 1).map(drop).map_err(|error| error.kind);
            assert_eq!(got, want, "{}", line.escape_ascii());
        }
    }

    /// Looking at all of a line again for each byte of it would take hours here.
    #[test]
    fn a_long_line_in_single_bytes_is_looked_at_once() {
        let value = "x\n".repeat(1 << 20);
        let line = format!("a{{x=\"{value}\"}} 1\n");
        assert_eq!(read(Format::Text, NO_LIMITS, line.as_bytes(), 1).map(|rows| rows.len()), Ok(1));
        let blanks = " ".repeat(1 << 20);
        let line = format!("#{blanks}HELP{blanks}a b\n");
        assert_eq!(read(Format::Text, NO_LIMITS, line.as_bytes(), 1), Ok(vec!["Help a [b]".to_owned()]));
        let exemplar = format!("a 1 # {{x=\"{}\"}} 1\n", "x".repeat(1 << 20));
        let tail = tail_in_chunks(&mut tokens(Format::OpenMetrics, 0), exemplar.as_bytes(), 2, 1);
        assert_eq!(tail.map(|tail| tail.end), Ok(exemplar.len()));
    }

    #[test]
    fn many_labels_are_checked_for_duplicates_in_no_time() {
        let labels: String = (0..200_000).rev().map(|i| format!("l{i}=\"\u{e9}\",")).collect();
        let line = format!("a{{{labels}}} 1\n");
        let mut tokens = tokens(Format::Text, 0);
        assert!(matches!(tokens.next(line.as_bytes(), true), Ok(Step::Sample(_))));
        assert_eq!(tokens.labels().len(), 200_000);
    }
}
