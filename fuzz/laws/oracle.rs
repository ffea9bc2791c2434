//! Whatever is counted, the naive oracle of `tests/oracle` counts the same.

use cardinality_guard::engine::guard::Limits;

use super::bytes::Bytes;
use crate::naive::{Engine, FAMILIES, LABELS, Oracle, Policy, Series, Step, body, read, yaml};

pub fn hold(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (mixed, late_types, chunk) = (bytes.below(2) == 1, bytes.below(2) == 1, 1 + bytes.below(64));
    let policies: Vec<Policy> = (0..bytes.below(3)).map(|_| policy(&mut bytes)).collect();
    let text = yaml(&policies);
    let mut engine = Engine::new(&text, Limits::default());
    let mut oracle = Oracle::of(policies);
    for _ in 0..5 {
        let scrape: Vec<Series> = (0..bytes.below(14)).map(|_| series(&mut bytes)).collect();
        let body = body(&scrape, mixed, late_types);
        let got = engine.scrape(&body, chunk);
        assert_eq!(read(&got), oracle.scrape(&scrape), "{text}\n{body}\nanswered\n{got}");
        if bytes.is_empty() {
            return;
        }
    }
}

fn policy(bytes: &mut Bytes<'_>) -> Policy {
    let wanted = 1 + bytes.below(15);
    let families = (0..FAMILIES.len()).filter(|i| wanted >> i & 1 == 1).map(|i| FAMILIES[i].0).collect();
    let steps = (0..=bytes.below(2)).map(|_| {
        let (label, value) = (LABELS[bytes.below(LABELS.len())], ["v1", "v2"][bytes.below(2)]);
        match bytes.below(3) {
            0 => Step::Drop(label),
            1 => Step::Keep(label, value),
            _ => Step::Replace(label),
        }
    });
    let steps = steps.collect();
    Policy { families, steps }
}

fn series(bytes: &mut Bytes<'_>) -> Series {
    let mut labels = vec![("q", bytes.below(3) as u8), ("user", bytes.below(3) as u8)];
    if bytes.below(2) == 1 {
        labels.insert(0, ("job_id", bytes.below(4) as u8));
    }
    Series { family: bytes.below(FAMILIES.len()), labels, value: u16::from(bytes.byte()) % 50 }
}
