//! The census against tables and against a naive count.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::engine::cardinality::distinct::Estimated;
use crate::engine::cardinality::label::Look;
use crate::engine::cardinality::responsible::Responsible;
use crate::engine::model::Rank;

type Series = Vec<(String, String)>;

fn census_of(series: &[Series], bounds: Bounds) -> Census<usize> {
    let mut census = Census::new(bounds);
    add_all(&mut census, series);
    census
}

fn add_all(census: &mut Census<usize>, series: &[Series]) {
    let seed = Seed::new(7);
    for labels in series {
        census.add(&set(labels), &seed, str::len);
    }
}

fn set(labels: &Series) -> LabelSet {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// `a=1 b=2` per series.
fn series(texts: &[&str]) -> Vec<Series> {
    let label = |text: &str| text.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
    texts.iter().map(|text| text.split_whitespace().map(label).collect()).collect()
}

/// Every combination of so many values of each label.
fn product(labels: &[(&str, usize)]) -> Vec<Series> {
    labels.iter().fold(vec![Vec::new()], |all, (name, count)| {
        let with = |series: &Series, i: usize| [series.clone(), vec![((*name).to_owned(), i.to_string())]].concat();
        all.iter().flat_map(|series| (0..*count).map(move |i| with(series, i))).collect()
    })
}

fn exact(value: u64) -> Count {
    Count { value, estimated: Estimated::No }
}

/// What a census should say: per label values, series left without it, and series that have it.
fn naive(series: &[Series]) -> (usize, BTreeMap<String, [usize; 3]>) {
    let all: BTreeSet<BTreeMap<&str, &str>> =
        series.iter().map(|labels| labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()).collect();
    let names: BTreeSet<&str> = all.iter().flat_map(|labels| labels.keys().copied()).collect();
    let about = |name: &str| {
        let values: BTreeSet<&str> = all.iter().filter_map(|labels| labels.get(name).copied()).collect();
        let without = |labels: &BTreeMap<&str, &str>| -> Vec<(String, String)> {
            let kept = labels.iter().filter(|(n, _)| **n != name);
            kept.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let left: BTreeSet<_> = all.iter().map(without).collect();
        [values.len(), left.len(), all.iter().filter(|labels| labels.contains_key(name)).count()]
    };
    (all.len(), names.iter().map(|name| ((*name).to_owned(), about(name))).collect())
}

fn counted(census: &Census<usize>) -> (usize, BTreeMap<String, [usize; 3]>) {
    let about = |label: &Label<usize>| {
        let counts = [label.values(), label.leaves()];
        assert!(counts.iter().all(|count| count.estimated == Estimated::No));
        [counts[0].value as usize, counts[1].value as usize, label.carriers() as usize]
    };
    let labels = census.labels().iter().map(|label| (label.name().to_owned(), about(label)));
    (census.series().value as usize, labels.collect())
}

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let one = prop::collection::btree_map("[abcd]", "[xyz]{1,2}", 0..4).prop_map(|map| map.into_iter().collect());
    prop::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn it_agrees_with_a_naive_count(series in any_series()) {
        prop_assert_eq!(counted(&census_of(&series, Bounds::default())), naive(&series));
    }

    #[test]
    fn two_generations_count_as_one(first in any_series(), second in any_series(), third in any_series()) {
        let mut census = census_of(&first, Bounds::default());
        census.turn();
        add_all(&mut census, &second);
        prop_assert_eq!(counted(&census), naive(&[first, second.clone()].concat()));
        census.turn();
        add_all(&mut census, &third);
        prop_assert_eq!(counted(&census), naive(&[second, third].concat()));
        census.turn();
        census.turn();
        prop_assert_eq!(counted(&census), (0, BTreeMap::new()));
    }
}

#[rstest]
#[case::the_id_and_not_the_queue(&[("job_id", 40), ("queue", 3)], Some(("job_id", 3)))]
#[case::the_better_of_two_that_multiply(&[("a", 30), ("b", 20)], Some(("a", 20)))]
#[case::a_tie_goes_to_the_name(&[("b", 20), ("a", 20)], Some(("a", 20)))]
#[case::one_value_helps_nobody(&[("a", 1), ("b", 1)], None)]
fn the_label_whose_removal_leaves_the_fewest(#[case] labels: &[(&str, usize)], #[case] want: Option<(&str, u64)>) {
    let got = census_of(&product(labels), Bounds::default()).responsible(|_| Rank::Free);
    let of = exact(labels.iter().map(|(_, count)| *count as u64).product());
    let want = want.map(|(label, leaves)| Responsible { label: label.into(), leaves: exact(leaves), of });
    assert_eq!(got, want);
}

#[test]
fn ties_go_to_the_label_with_more_values() {
    let census = census_of(&series(&["a=1 b=1", "a=2 b=2", "a=1 b=3", "a=2 b=1", "b=2"]), Bounds::default());
    let [a, b] = census.labels() else { panic!("{:?}", census.labels()) };
    assert_eq!((a.leaves(), b.leaves()), (exact(3), exact(3)));
    assert_eq!((a.values(), b.values()), (exact(2), exact(3)));
    assert_eq!(census.responsible(|_| Rank::Free).map(|r| r.label).as_deref(), Some("b"));
}

#[test]
fn ranks_are_kept() {
    let census = census_of(&product(&[("job_id", 40), ("queue", 3), ("zone", 2)]), Bounds::default());
    let label = |rank: &dyn Fn(&str) -> Rank| census.responsible(rank).map(|r| r.label);
    assert_eq!(label(&|n| if n == "job_id" { Rank::Last } else { Rank::Free }).as_deref(), Some("queue"));
    assert_eq!(label(&|n| if n == "job_id" { Rank::Last } else { Rank::Never }).as_deref(), Some("job_id"));
    assert_eq!(label(&|n| if n == "job_id" { Rank::Never } else { Rank::Last }).as_deref(), Some("queue"));
    assert_eq!(label(&|_| Rank::Never), None);
    let dependent = census_of(&series(&["id=1 url=/1", "id=2 url=/2", "id=3 url=/3"]), Bounds::default());
    assert_eq!(dependent.responsible(|_| Rank::Free), None, "neither alone tells fewer series apart");
}

#[test]
fn estimates_name_the_same_label() {
    let bounds = Bounds { exact_values: 1_000, exact_sets: 100, labels: 64 };
    let census = census_of(&product(&[("job_id", 3_000), ("queue", 3), ("task", 4)]), bounds);
    let Responsible { label, leaves, of } = census.responsible(|_| Rank::Free).unwrap();
    assert_eq!((&*label, leaves), ("job_id", exact(12)));
    assert!(of.estimated == Estimated::Yes && of.value.abs_diff(36_000) < 2_400, "{of:?}");
    let dependent: Vec<Series> =
        (0..5_000).map(|i| vec![("id".into(), i.to_string()), ("url".into(), format!("/{i}"))]).collect();
    assert_eq!(census_of(&dependent, bounds).responsible(|_| Rank::Free), None, "noise is no help");
}

#[test]
fn values_that_change_places_are_other_series() {
    let census = census_of(&series(&["a=x b=y", "a=y b=x", "a=x b=x", "a=xy", "a=x", ""]), Bounds::default());
    assert_eq!(census.series(), exact(6));
}

#[test]
fn samples_and_looks_are_of_the_values() {
    let census = census_of(&product(&[("job_id", 150), ("queue", 2)]), Bounds::default());
    let job_id = &census.labels()[0];
    assert_eq!(job_id.samples().collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(job_id.look(), Some(Look::Mixed), "one, two and three digits");
    assert_eq!(census.labels()[1].look(), Some(Look::Alike(1)));
    let mostly = census_of(&product(&[("job_id", 2_000)])[990..], Bounds::default());
    assert_eq!(mostly.labels()[0].look(), Some(Look::Alike(4)));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let bounds = Bounds { exact_values: 1_000, exact_sets: 1_000, labels: 8 };
    let wide: Vec<Series> =
        (0..3_000).map(|i| (0..20).map(|l| (format!("l{l}_{}", i % 7), format!("{i:0>1000}"))).collect()).collect();
    let mut census = census_of(&wide, bounds);
    census.turn();
    census.weigh();
    let before = census.memory();
    add_all(&mut census, &wide);
    assert_eq!((census.labels().len(), census.uncounted()), (8, 3_000));
    assert_eq!(census.memory(), before, "nobody has counted yet");
    census.weigh();
    assert!(census.memory() > before && before > 8 * 4 * 1_000, "{before}");
    assert!(census.memory() < 8 * (4 * 5_000 + 6 * 200) + 20_000, "{}", census.memory());
}

#[test]
fn carriers_do_not_add_up_over_generations() {
    let bounds = Bounds { exact_values: 100, ..Bounds::default() };
    let all = product(&[("job_id", 300)]);
    let mut census = census_of(&all, bounds);
    for _ in 0..3 {
        census.turn();
        add_all(&mut census, &all);
        assert_eq!(census.labels()[0].carriers(), 300);
    }
}

#[test]
fn samples_and_looks_outlive_generations_of_too_many_values() {
    let all = product(&[("job_id", 300)]);
    let mut census = census_of(&all, Bounds { exact_values: 100, ..Bounds::default() });
    for _ in 0..3 {
        census.turn();
        add_all(&mut census, &all);
    }
    assert_eq!(census.labels()[0].samples().collect::<Vec<_>>(), ["0", "1", "2"]);
    assert!(census.labels()[0].look().is_some());
}

#[test]
fn a_label_that_had_no_place_gets_one_when_another_is_gone() {
    let mut census = census_of(&series(&["a=1", "b=1", "b=2"]), Bounds { labels: 1, ..Bounds::default() });
    for _ in 0..3 {
        census.turn();
        add_all(&mut census, &series(&["b=1", "b=2"]));
    }
    assert_eq!(counted(&census), (2, BTreeMap::from([("b".to_owned(), [2, 1, 2])])));
}

#[test]
fn two_seeds_give_other_hashes_and_the_same_counts() {
    let labels = set(&vec![("a".into(), "x".into())]);
    let hash = |seed| label_hash("a", "x", &Seed::new(seed));
    assert_ne!(hash(1), hash(2));
    let mut census: Census<usize> = Census::new(Bounds::default());
    assert_eq!(census.add(&labels, &Seed::new(1), str::len), Arrival::New);
    assert_eq!(census.add(&labels, &Seed::new(1), str::len), Arrival::Known);
}

#[test]
fn what_nobody_brings_any_more_weighs_nothing_when_it_is_forgotten() {
    let mut census = census_of(&product(&[("job_id", 2_000)]), Bounds::default());
    census.weigh();
    let full = census.memory();
    census.turn();
    census.turn();
    assert!(full > 16_000 && census.memory() < full / 4, "{full}, then {}", census.memory());
}
