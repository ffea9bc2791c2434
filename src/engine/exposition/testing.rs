//! Reads whole bodies for the tests of this room.

use super::{Keyword, Meta, Step, SyntaxError, SyntaxErrorKind, SyntaxLimits, Tokens, number};
use crate::engine::model::Format;

pub(super) const NO_LIMITS: SyntaxLimits = SyntaxLimits { sample_size: 0, labels: 0 };

/// Reads a body that arrives `chunk` bytes at a time; a row for each line that says something.
pub(super) fn read(
    format: Format,
    limits: SyntaxLimits,
    body: &[u8],
    chunk: usize,
) -> Result<Vec<String>, SyntaxError> {
    let mut tokens = Tokens::new(format, limits);
    let mut rows = Vec::new();
    let (mut start, mut arrived) = (0, 0);
    loop {
        let input = &body[start..arrived];
        let step = tokens.next(input, arrived == body.len())?;
        match &step {
            Step::NeedMore => {
                assert!(arrived < body.len(), "more is asked for than there is");
                arrived = (arrived + chunk).min(body.len());
            }
            Step::End => {
                assert_eq!(start, body.len());
                return Ok(rows);
            }
            _ => {
                assert!(step.end() > 0 && step.end() <= input.len());
                rows.extend(row(&tokens, &step, input));
                start += step.end();
            }
        }
    }
}

/// Reads a body whole, one byte at a time and in between: the answer must be one.
pub(super) fn read_any(format: Format, body: &[u8]) -> Result<Vec<String>, SyntaxErrorKind> {
    let whole = read(format, NO_LIMITS, body, body.len().max(1));
    for chunk in [1, 2, 3, 7] {
        assert_eq!(read(format, NO_LIMITS, body, chunk), whole, "{chunk} at a time: {}", body.escape_ascii());
    }
    whole.map_err(|error| error.kind)
}

fn row(tokens: &Tokens, step: &Step, input: &[u8]) -> Option<String> {
    let text = |range: &std::ops::Range<usize>| String::from_utf8_lossy(&input[range.clone()]).into_owned();
    match step {
        Step::Meta(Meta { keyword: Keyword::Type, kind: Some(kind), .. }) => {
            Some(format!("TYPE {} {kind}", tokens.name()))
        }
        Step::Meta(meta) => Some(format!("{:?} {} [{}]", meta.keyword, tokens.name(), text(&meta.text))),
        Step::Sample(sample) => {
            let labels: Vec<String> = tokens.labels().iter().map(|(n, v)| format!("{n}={v}")).collect();
            let mut row = format!("{}{labels:?} {}", tokens.name(), number::parse(&input[sample.tail.value.clone()]));
            if let Some(timestamp) = sample.tail.timestamp {
                row += &format!(" @{timestamp}");
            }
            if let Some(exemplar) = &sample.tail.exemplar {
                row += &format!(" {}", text(exemplar));
            }
            Some(row.replace('"', ""))
        }
        Step::Eof { .. } => Some("EOF".to_owned()),
        _ => None,
    }
}
