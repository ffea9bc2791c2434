//! Any bytes are read or refused, and how they were cut changes nothing.

use cardinality_guard::engine::exposition::{Step, SyntaxError, SyntaxLimits, Tokens};
use cardinality_guard::engine::model::Format;

use super::bytes::Bytes;

pub fn hold(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let format = if bytes.byte() & 1 == 0 { Format::Text } else { Format::OpenMetrics };
    let limits = SyntaxLimits { sample_size: 4 * bytes.below(64), labels: bytes.below(8) };
    let chunk = 1 + bytes.below(64);
    let body = bytes.rest();
    let whole = read(format, limits, body, body.len().max(1));
    for chunk in [1, chunk] {
        assert_eq!(read(format, limits, body, chunk), whole, "{chunk} at a time: {}", body.escape_ascii());
    }
}

/// Every step that was taken, with the name and labels it was about.
fn read(format: Format, limits: SyntaxLimits, body: &[u8], chunk: usize) -> Result<Vec<String>, SyntaxError> {
    let mut tokens = Tokens::new(format, limits);
    let mut steps = Vec::new();
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
                assert_eq!(start, body.len(), "the end is the end");
                return Ok(steps);
            }
            _ => {
                assert!(step.end() > 0 && step.end() <= input.len(), "a step is of what there is");
                let about = match &step {
                    Step::Sample(_) => format!("{} {:?}", tokens.name(), tokens.labels()),
                    _ => String::new(),
                };
                steps.push(format!("{} {step:?} {about}", tokens.line()));
                start += step.end();
            }
        }
    }
}
