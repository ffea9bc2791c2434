//! What guards tell each other about a target, as it is written down.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::guard::{Learned, Origin, Release};
use crate::engine::policy::{Manner, StepKey};
use crate::state::commons::Word;

#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    /// The guard that says so.
    pub by: u64,
    pub word: WordRow,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum WordRow {
    Learned(LearnedRow),
    Released { metric: Option<String>, number: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
pub struct LearnedRow {
    metric: String,
    label: String,
    policy: String,
    /// `None`: by a limit on series.
    step: Option<u64>,
    observed: bool,
    fingerprint: u64,
}

impl From<&Word> for WordRow {
    fn from(word: &Word) -> WordRow {
        match word {
            Word::Released(Release { metric, number }) => {
                WordRow::Released { metric: metric.as_deref().map(str::to_owned), number: *number }
            }
            Word::Learned(learned) => WordRow::Learned(LearnedRow {
                metric: learned.metric.to_string(),
                label: learned.label.to_string(),
                policy: learned.policy.to_string(),
                step: match learned.origin {
                    Origin::Step(key) => Some(key.0),
                    Origin::Series => None,
                },
                observed: learned.manner == Manner::Observed,
                fingerprint: learned.fingerprint,
            }),
        }
    }
}

impl From<WordRow> for Word {
    fn from(row: WordRow) -> Word {
        match row {
            WordRow::Released { metric, number } => Word::Released(Release { metric: metric.map(Arc::from), number }),
            WordRow::Learned(row) => Word::Learned(Learned {
                metric: row.metric.into(),
                label: row.label.into(),
                policy: row.policy.into(),
                origin: row.step.map_or(Origin::Series, |key| Origin::Step(StepKey(key))),
                manner: if row.observed { Manner::Observed } else { Manner::Enforced },
                fingerprint: row.fingerprint,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_heard() {
        let learned = |origin, manner| {
            Word::Learned(Learned {
                metric: "m".into(),
                label: "l".into(),
                policy: "p".into(),
                origin,
                manner,
                fingerprint: u64::MAX,
            })
        };
        let words = [
            learned(Origin::Step(StepKey(u64::MAX - 1)), Manner::Enforced),
            learned(Origin::Series, Manner::Observed),
            Word::Released(Release { metric: None, number: 1 }),
            Word::Released(Release { metric: Some("m".into()), number: u64::MAX }),
        ];
        for word in words {
            let written = serde_json::to_string(&Written { by: 7, word: WordRow::from(&word) }).unwrap();
            let read: Written = serde_json::from_str(&written).unwrap();
            assert_eq!((read.by, Word::from(read.word)), (7, word));
        }
    }
}
