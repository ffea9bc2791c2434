//! Every action, on labels as an exporter exposes them.

use proptest::prelude::*;
use rstest::rstest;

use super::super::{Action, Boundless, Builtin, Decision, FamilyRef, Mode, Outcome, Policies, SeriesRef, Source};
use crate::engine::model::{Kind, LabelSet};

fn relabel(rules: &str, reserved: Option<(&str, &str)>, labels: &[(&str, &str)]) -> (Decision, LabelSet) {
    let text = format!("policies: [{{name: a, metric_relabel_configs: [{rules}]}}]");
    let source = Source { name: "p".into(), text: text.clone() };
    let (policies, _) =
        Policies::compile(&[source], Builtin::Excluded, None).unwrap_or_else(|f| panic!("{text}: {f:?}"));
    let names = ["x_seconds", "x_seconds_bucket"];
    let family = FamilyRef { name: names[0], kind: Kind::Histogram, names: &names };
    let labels: LabelSet = labels.iter().copied().collect();
    let mut out = LabelSet::default();
    let series = SeriesRef { name: "x_seconds_bucket", reserved, labels: &labels };
    let decision = policies.plan(None, Mode::Enforce).family(family).decide(series, &mut out, &mut Boundless);
    (decision, out)
}

fn leaves(rules: &str) -> String {
    let (decision, out) = relabel(rules, Some(("le", "0.5")), &[("a", "foo"), ("b", "Bar"), ("c", "foo")]);
    let shown: Vec<String> = out.iter().map(|(name, value)| format!("{name}={value}")).collect();
    match decision.outcome {
        Outcome::Dropped(cause) => {
            assert_eq!((cause.action, &*cause.label), (Action::Relabel, ""));
            "dropped".to_owned()
        }
        Outcome::Unchanged | Outcome::Pass => {
            assert_eq!(shown.join(","), "a=foo,b=Bar,c=foo");
            "same".to_owned()
        }
        Outcome::Changed(cause) => {
            assert_eq!(cause.action, Action::Relabel);
            shown.join(",")
        }
    }
}

#[rstest]
#[case::replace("{source_labels: [a, b], target_label: d}", "a=foo,b=Bar,c=foo,d=foo;Bar")]
#[case::separator("{source_labels: [a, b], separator: '', target_label: d}", "a=foo,b=Bar,c=foo,d=fooBar")]
#[case::groups(
    "{source_labels: [a, b], regex: 'f(.+);(.)ar', target_label: d, replacement: '${2}x$1$$'}",
    "a=foo,b=Bar,c=foo,d=Bxoo$"
)]
#[case::anchored("{source_labels: [a], regex: o, target_label: d}", "same")]
#[case::constant("{target_label: env, replacement: prod}", "a=foo,b=Bar,c=foo,env=prod")]
#[case::empty_removes("{source_labels: [a], regex: foo, target_label: b, replacement: ''}", "a=foo,c=foo")]
#[case::absent_source("{source_labels: [nope], target_label: b}", "a=foo,c=foo")]
#[case::templated_target(
    "{source_labels: [a], regex: 'f(.+)', target_label: 'x_$1', replacement: '1'}",
    "a=foo,b=Bar,c=foo,x_oo=1"
)]
#[case::templated_target_reserved(
    "{source_labels: [a], regex: '(f).+', target_label: '${1}', replacement: '1'}",
    "a=foo,b=Bar,c=foo,f=1"
)]
#[case::never_le("{source_labels: [a], regex: '(x?)f(x?).+', target_label: 'l${1}${2}e', replacement: '1'}", "same")]
#[case::reads_name(
    "{source_labels: [__name__], regex: 'x_(.+)_bucket', target_label: d}",
    "a=foo,b=Bar,c=foo,d=seconds"
)]
#[case::reads_le("{source_labels: [le], target_label: d}", "a=foo,b=Bar,c=foo,d=0.5")]
#[case::same_value("{source_labels: [a], target_label: c}", "same")]
#[case::keep("{action: keep, source_labels: [a], regex: foo}", "same")]
#[case::keep_else("{action: keep, source_labels: [a], regex: fo}", "dropped")]
#[case::drop("{action: drop, source_labels: [a, b], regex: 'foo;Bar'}", "dropped")]
#[case::drop_else("{action: drop, source_labels: [a], regex: bar}", "same")]
#[case::keepequal("{action: keepequal, source_labels: [a], target_label: c}", "same")]
#[case::keepequal_else("{action: keepequal, source_labels: [a], target_label: b}", "dropped")]
#[case::dropequal("{action: dropequal, source_labels: [a], target_label: c}", "dropped")]
#[case::dropequal_else("{action: dropequal, source_labels: [a], target_label: b}", "same")]
// md5("foo") = acbd18db4cc2f85cedef654fccc4a4d8; 0xedef654fccc4a4d8 % 1000
#[case::hashmod("{action: hashmod, source_labels: [a], target_label: d, modulus: 1000}", "a=foo,b=Bar,c=foo,d=696")]
#[case::lowercase("{action: lowercase, source_labels: [b], target_label: b}", "a=foo,b=bar,c=foo")]
#[case::uppercase("{action: uppercase, source_labels: [b], target_label: d}", "a=foo,b=Bar,c=foo,d=BAR")]
#[case::labelmap("{action: labelmap, regex: '([ab])', replacement: 'x_$1'}", "a=foo,b=Bar,c=foo,x_a=foo,x_b=Bar")]
#[case::labelmap_name(
    "{action: labelmap, regex: __name__, replacement: metric}",
    "a=foo,b=Bar,c=foo,metric=x_seconds_bucket"
)]
#[case::labelmap_never_le("{action: labelmap, regex: '(a)', replacement: 'l${2}e'}", "same")]
#[case::labeldrop("{action: labeldrop, regex: 'a|b'}", "c=foo")]
#[case::labeldrop_all("{action: labeldrop, regex: '.+'}", "")]
#[case::labelkeep("{action: labelkeep, regex: 'a|nope'}", "a=foo")]
#[case::in_order(
    "{target_label: a, replacement: x}, {source_labels: [a], target_label: b}, {action: labeldrop, regex: c}",
    "a=x,b=x"
)]
#[case::there_and_back("{target_label: a, replacement: x}, {target_label: a, replacement: foo}", "same")]
#[case::case_of_action("{action: LabelDrop, regex: 'a|b'}", "c=foo")]
fn does_what_prometheus_does(#[case] rules: &str, #[case] want: &str) {
    assert_eq!(leaves(rules), want);
}

#[test]
fn steps_see_what_rules_of_an_earlier_policy_made() {
    let text = "policies: [{name: a, metric_relabel_configs: [{source_labels: [q], target_label: job_id}]}, \
                {name: b, labels: [{label: job_id, action: normalize}, {label: q, action: drop}]}]";
    let source = Source { name: "p".into(), text: text.into() };
    let (policies, _) = Policies::compile(&[source], Builtin::Excluded, None).expect("compiles");
    let mut family =
        policies.plan(None, Mode::Enforce).family(FamilyRef { name: "x", kind: Kind::Gauge, names: &["x"] });
    let labels: LabelSet = [("a", "1"), ("q", "job-4711"), ("z", "2")].into_iter().collect();
    let mut out = LabelSet::default();
    let decision = family.decide(SeriesRef { name: "x", reserved: None, labels: &labels }, &mut out, &mut Boundless);
    let want: LabelSet = [("a", "1"), ("job_id", "job-:int"), ("z", "2")].into_iter().collect();
    assert_eq!(out, want);
    let Outcome::Changed(cause) = decision.outcome else { panic!("changed") };
    assert_eq!((&*cause.policy, &*cause.label, cause.action), ("a", "job_id", Action::Relabel));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// (`le` is spoken for.) Copying a label onto itself, dropping what is not there, keeping everything.
    #[test]
    fn identities_change_nothing(labels in proptest::collection::btree_map("[a-km-z][a-z]{0,3}", "\\PC{1,9}", 0..6)) {
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let first = pairs.first().map_or("zz", |(name, _)| name);
        let rules = format!(
            "{{source_labels: ['{first}'], target_label: '{first}'}}, {{action: labeldrop, regex: 'A.*'}}, \
             {{action: labelkeep}}, {{action: labelmap, regex: '([a-z]+)'}}, {{action: keep}}"
        );
        let (decision, out) = relabel(&rules, Some(("le", "1")), &pairs);
        prop_assert_eq!(decision.outcome, Outcome::Unchanged);
        let want: LabelSet = pairs.iter().copied().collect();
        prop_assert_eq!(out, want);
    }
}
