//! Stored increments against true ones.

use crate::fleet::truth::{Totals, Truth};

/// What a comparison came to. The sentences name the series that differ.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Everything that happened is stored, but for what died unseen.
    True,
    /// Something is missing; it may yet come.
    Short(String),
    /// Something is stored that did not happen. This never heals.
    Above(String),
}

pub fn judge(stored: &Totals, truth: &Truth) -> Verdict {
    let happened = |series: &str| truth.happened.get(series).copied().unwrap_or_default();
    let above = stored.iter().filter(|(series, stored)| **stored > happened(series));
    let above: Vec<String> =
        above.map(|(series, stored)| format!("{series}: stored {stored}, happened {}", happened(series))).collect();
    if !above.is_empty() {
        return Verdict::Above(above.join("\n"));
    }
    let short: Vec<String> = truth
        .happened
        .iter()
        .filter_map(|(series, happened)| {
            let stored = stored.get(series).copied().unwrap_or_default();
            let lost = truth.lost.get(series).copied().unwrap_or_default();
            (stored + lost < *happened)
                .then(|| format!("{series}: stored {stored}, happened {happened}, of which {lost} died unseen"))
        })
        .collect();
    if short.is_empty() { Verdict::True } else { Verdict::Short(short.join("\n")) }
}

/// As Prometheus interpolates: `buckets` are `(le, how many at most)`, ascending, `+Inf` last.
pub fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
    let rank = q * buckets[buckets.len() - 1].1;
    let at = buckets.iter().position(|(_, at_most)| *at_most >= rank).unwrap();
    if at == buckets.len() - 1 {
        return buckets[at - 1].0;
    }
    let (start, before) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    start + (buckets[at].0 - start) * (rank - before) / (buckets[at].1 - before)
}

#[test]
fn too_much_is_never_forgiven_and_too_little_only_what_died() {
    let of = |value: f64| Totals::from([("a".to_owned(), value)]);
    let truth = Truth { happened: of(10.0), lost: of(2.0) };
    let judged = |value: f64| judge(&of(value), &truth);
    assert_eq!((judged(10.0), judged(8.0)), (Verdict::True, Verdict::True));
    assert!(matches!(judged(7.0), Verdict::Short(_)));
    assert!(matches!(judged(10.5), Verdict::Above(_)));
    let unheard_of = Totals::from([("b".to_owned(), 1.0)]);
    assert!(matches!(judge(&unheard_of, &truth), Verdict::Above(_)));
}

#[test]
fn quantiles_lie_where_promql_puts_them() {
    let buckets = [(1.0, 50.0), (2.0, 90.0), (f64::INFINITY, 100.0)];
    assert_eq!([0.25, 0.5, 0.7, 0.99].map(|q| quantile(q, &buckets)), [0.5, 1.0, 1.5, 2.0]);
}
