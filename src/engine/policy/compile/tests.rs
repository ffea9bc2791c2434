//! What a file must not say, where the finding stands and what it offers.

use rstest::rstest;

use super::super::{Builtin, Finding, Policies, Source};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.into(), text: text.into() }
}

fn findings(text: &str) -> Vec<Finding> {
    match Policies::compile(&[source("p.yaml", text)], Builtin::Excluded, Some(&["celery".into(), "workers".into()])) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

/// `line:column severity message (help)`.
fn shown(text: &str) -> Vec<String> {
    let show = |f: Finding| {
        let help = f.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {} {}{help}", f.line, f.column, f.severity.as_str(), f.message)
    };
    findings(text).into_iter().map(show).collect()
}

/// The single finding about a policy with this step.
fn step(step: &str) -> String {
    let text = format!("policies: [{{name: a, labels: [{{{step}}}]}}]");
    let mut all = shown(&text);
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all.remove(0)
}

fn rule(rule: &str) -> Vec<String> {
    shown(&format!("policies: [{{name: a, metric_relabel_configs: [{{{rule}}}]}}]"))
}

#[test]
fn five_mistakes_are_five_findings() {
    let text = "\
policies:
  - name: job-ids
    match: '{__name__=~\"worker_(\"}'
    labls: []
    labels:
      - {label: job_id, acton: drop}
      - {label: user_id, action: hsh, buckets: 64}
      - {label: 'path[', action: normalize}
";
    assert_eq!(
        shown(text),
        [
            "3:12 error the pattern of `__name__` is wrong: unclosed group (character 2 of the selector)",
            "4:5 error unknown key `labls` (did you mean `labels`?)",
            "6:9 error `action` is missing",
            "6:25 error unknown key `acton` (did you mean `action`?)",
            "7:34 error unknown action `hsh` (did you mean `hash`?)",
            "8:17 error the pattern `path[` is wrong: unclosed character class",
        ]
    );
}

#[test]
fn all_files_are_reported() {
    let files = [source("a", "policies: [{name: x, mod: 1}]"), source("b", "a: ["), source("c", "polices: []")];
    let findings = Policies::compile(&files, Builtin::Included, None).expect_err("mistakes");
    let files: Vec<&str> = findings.iter().map(|f| f.file.as_str()).collect();
    assert_eq!(files, ["a", "b", "c", "c"]);
}

#[rstest]
#[case("", "0:0 error the file is empty (write `policies: []` if it is to hold none)")]
#[case("x", "1:1 error a mapping is wanted here, this is text")]
#[case("policies: 1", "1:11 error a list is wanted here, this is a number")]
#[case("policies: [1]", "1:12 error a mapping is wanted here, this is a number")]
#[case("policies: [{action: drop}]", "1:12 error `name` is missing")]
#[case("policies: [{name: '', action: drop}]", "1:19 error a policy needs a name")]
#[case("policies: [{name: [a], action: drop}]", "1:19 error text is wanted here, this is a list")]
#[case(
    "policies: [{name: a, action: drop}, {name: a, action: drop}]",
    "1:44 error two policies are named `a` (the first one is p.yaml:1:19; `explain` and the metrics tell them apart by name)"
)]
#[case(
    "policies: [{name: a, action: drop, match: []}]",
    "1:43 error an empty list selects nothing (leave `match` out to select every series)"
)]
#[case(
    "policies: [{name: a, action: drop, match: [x, 'y{job=\"z\"}']}]",
    "1:47 error a selector cannot read `job` (character 3 of the selector) (Prometheus adds target labels after the guard has answered: bind the policy with `targets:` instead)"
)]
#[case(
    "policies: [{name: a, action: drop, targets: [celery, workrs]}]",
    "1:54 error unknown target `workrs` (did you mean `workers`?)"
)]
#[case(
    "policies: [{name: a, action: drop, targets: []}]",
    "1:45 error an empty list binds the policy to nothing (leave `targets` out to bind it to all)"
)]
#[case(
    "policies: [{name: a, mode: pass, action: drop}]",
    "1:28 error unknown mode of a policy `pass` (one of enforce, observe)"
)]
#[case("policies: [{name: a, action: dorp}]", "1:30 error unknown action of a policy `dorp` (did you mean `drop`?)")]
#[case(
    "policies: [{name: a, action: pass, labels: [{label: x, action: drop}]}]",
    "1:30 error `action` is about the series as a whole: `labels` and `metric_relabel_configs` would never run (make it two policies)"
)]
#[case(
    "policies: [{name: a, action: pass, hold: 1m}]",
    "1:30 warning `action` leaves nothing to fold: the keys about folding have no effect (move them to the policy whose steps fold)"
)]
#[case(
    "policies: [{name: a, action: pass, mode: observe}]",
    "1:12 warning a policy that passes and only observes does nothing (take `mode: observe` out)"
)]
#[case(
    "policies: [{name: a}]",
    "1:12 warning the policy does nothing (it has neither steps (`labels`), rules, an `action` nor keys about folding or limits)"
)]
#[case(
    "policies: [{name: a, hold: 30}]",
    "1:28 error `30` is no duration (a number and a unit, as in 30s, 1h30m, 500ms (units: y w d h m s ms))"
)]
#[case("policies: [{name: a, histogram_buckets: [1, 0.5]}]", "1:41 error the boundaries must ascend")]
#[case("policies: [{name: a, histogram_buckets: [1, x]}]", "1:45 error a number is wanted here, this is text")]
#[case(
    "policies: [{name: a, aggregate: [{type: counter, with: max}]}]",
    "1:56 error counters, histograms and summaries always add up what their members counted (`aggregate` is for gauges: write `type: gauge` or leave `type` out)"
)]
#[case(
    "policies: [{name: a, aggregate: [{type: gage, with: max}]}]",
    "1:41 error unknown type `gage` (did you mean `gauge`?)"
)]
#[case("policies: [{name: a, aggregate: [{with: maxx}]}]", "1:41 error unknown aggregate `maxx` (did you mean `max`?)")]
#[case("policies: [{name: a, aggregate: [{type: gauge}]}]", "1:34 error `with` is missing")]
#[case(
    "policies: [{name: a, aggregate: [{metric: '(', with: max}]}]",
    "1:43 error the pattern `(` is wrong: unclosed group"
)]
fn policies_are_checked(#[case] text: &str, #[case] want: &str) {
    assert_eq!(shown(text), [want]);
}

#[rstest]
#[case("action: drop", "1:31 error `label` is missing")]
#[case(
    "label: le|quantile, action: drop",
    "1:39 error no step may touch `le|quantile` (`__name__`, `le` and `quantile` make a sample what it is; \
     `action: drop` of a policy leaves series out, `histogram_buckets` thins boundaries)"
)]
#[case("label: '', action: drop", "1:39 error an empty pattern fits no label")]
#[case(
    "label: x, action: drop, buckets: 5",
    "1:56 error `buckets` says nothing to `drop` (`drop` takes `when` and nothing else)"
)]
#[case(
    "label: x, action: hash, buckets: 5, regex: a",
    "1:68 error `regex` says nothing to `hash` (`hash` takes buckets)"
)]
#[case("label: x, action: hash", "1:50 error `hash` needs `buckets`")]
#[case("label: x, action: hash, buckets: 0", "1:65 error there must be at least one bucket")]
#[case(
    "label: x, action: hash, buckets: -1",
    "1:65 error a whole number, not negative, is wanted here, this is a number"
)]
#[case("label: x, action: replace, regex: a", "1:50 error `replace` needs `replacement`")]
#[case("label: x, action: replace, replacement: a", "1:50 error `replace` needs `regex`")]
#[case(
    "label: x, action: replace, regex: '(a)', replacement: $2",
    "1:86 warning the regex has no group `2` (it becomes empty; `${1}x` keeps a group apart from what follows, `$$` is a dollar)"
)]
#[case("label: x, action: keep", "1:31 error `keep` keeps nothing (give it `values`, a `regex`, or both)")]
#[case("label: x, action: keep, regex: '['", "1:63 error the pattern `[` is wrong: unclosed character class")]
#[case("label: x, action: drop, when: {shape: [uid]}", "1:71 error unknown shape `uid` (did you mean `uuid`?)")]
#[case("label: x, action: drop, when: {shape: []}", "1:70 error an empty list fits nothing")]
#[case("label: x, action: drop, when: {}", "1:62 error `shape` is missing")]
#[case(
    "label: x, action: drop, when: {shap: int, shape: int}",
    "1:63 error unknown key `shap` (did you mean `shape`?)"
)]
fn steps_are_checked(#[case] text: &str, #[case] want: &str) {
    assert_eq!(step(text), want);
}

#[rstest]
#[case(
    "policies: [{name: a, action: drop, series_limit: 1}]",
    "`action` leaves nothing to count: the keys about limits have no effect"
)]
#[case("policies: [{name: a, series_limit_action: faill}]", "unknown series_limit_action `faill`")]
#[case("policies: [{name: a, series_limt: 1}]", "unknown key `series_limt`")]
#[case("policies: [{name: a, labels: [{label: x, action: limit}]}]", "`limit` needs `limit`")]
#[case("policies: [{name: a, labels: [{label: x, action: collapse}]}]", "`collapse` needs `limit`")]
#[case("policies: [{name: a, labels: [{label: x, action: limit, limit: 0}]}]", "a limit of 0 leaves no value a place")]
#[case("policies: [{name: a, labels: [{label: x, action: drop, limit: 5}]}]", "`limit` says nothing to `drop`")]
#[case(
    "policies: [{name: a, labels: [{label: x, action: collapse, limit: 5, overflow: y}]}]",
    "`overflow` says nothing to `collapse`"
)]
fn budgets_are_checked(#[case] text: &str, #[case] want: &str) {
    let found = findings(text);
    assert!(found.first().is_some_and(|f| f.message.contains(want)), "{found:?}");
}

#[rstest]
#[case("policies: [{name: a, series_limit: 1, series_limit_total: 0, series_limit_action: fail, series_ttl: 1h}]")]
#[case("policies: [{name: a, labels: [{label: x, action: limit, limit: 5, values: [a], overflow: z}]}]")]
#[case("policies: [{name: a, labels: [{label: x, action: collapse, limit: 5, when: {shape: uuid}}]}]")]
fn budgets_are_accepted(#[case] text: &str) {
    assert_eq!(shown(text), [""; 0]);
}

#[rstest]
#[case("action: labldrop, regex: x", "unknown relabel action `labldrop` (did you mean `labeldrop`?)")]
#[case("source_labels: [a]", "`replace` needs `target_label`")]
#[case("source_labels: [a], target_label: ''", "`replace` needs `target_label`")]
#[case("action: hashmod, source_labels: [a], target_label: b", "`hashmod` needs `modulus`")]
#[case("action: hashmod, source_labels: [a], target_label: b, modulus: 0", "the modulus must not be 0")]
#[case("action: keepequal, source_labels: [a]", "`keepequal` needs `target_label`")]
#[case("action: keepequal, source_labels: [a], target_label: b, regex: x", "`regex` says nothing to `keepequal`")]
#[case("action: labeldrop, regex: x, source_labels: [a]", "`source_labels` says nothing to `labeldrop`")]
#[case(
    "action: lowercase, source_labels: [a], target_label: b, replacement: x",
    "`replacement` says nothing to `lowercase`"
)]
#[case("action: labelmap, regex: x, replacement: ''", "`labelmap` needs a label name as `replacement`")]
#[case("target_label: le, replacement: x", "a rule may not write or remove `le`")]
#[case("target_label: __name__, replacement: x", "a rule may not write or remove `__name__`")]
#[case("action: labeldrop, regex: le|x", "a rule may not write or remove `le`")]
#[case("action: labelmap, regex: x, replacement: quantile", "a rule may not write or remove `quantile`")]
#[case("source_labels: [job], target_label: x", "a rule cannot read `job`")]
#[case("source_labels: [a, __address__], target_label: x", "a rule cannot read `__address__`")]
#[case("action: dropequal, source_labels: [a], target_label: instance", "a rule cannot read `instance`")]
#[case("action: labeldrop, regex: instance", "a rule cannot read `instance`")]
#[case("action: labelmap, regex: '(', replacement: x", "the pattern `(` is wrong: unclosed group")]
#[case("target_label: 'x_$2', source_labels: [a], replacement: b", "the regex has no group `2`")]
fn rules_are_checked(#[case] text: &str, #[case] want: &str) {
    let got = rule(text);
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(got[0].contains(want), "{got:?}");
}

#[rstest]
#[case("action: LabelDrop, regex: 'pod_.+'")]
#[case("action: labeldrop, regex: '.+'")]
#[case("action: labelkeep, regex: 'queue|status'")]
#[case("source_labels: [__name__, le], separator: '', regex: 'x(.*)', target_label: __tmp_x")]
#[case("source_labels: [__tmp_x], target_label: y")]
#[case("source_labels: [instance], target_label: y, exposed: true")]
#[case("action: drop, source_labels: queue, regex: debug")]
#[case("target_label: env, replacement: prod")]
#[case("source_labels: [a], regex: a, target_label: b, replacement: ''")]
fn rules_of_prometheus_are_accepted(#[case] text: &str) {
    assert_eq!(rule(text), [""; 0]);
}

#[test]
fn builtin_names_are_taken() {
    let copy = source("mine.yaml", "policies: [{name: default-job-ids, action: drop}]");
    let findings = Policies::compile(&[copy], Builtin::Included, None).expect_err("twice");
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.contains("two policies are named `default-job-ids`"), "{findings:?}");
}

#[test]
fn every_finding_stands_in_its_line() {
    let text = "policies:\n  - name: a\n    labels:\n      - {label: x, action: dorp}\n";
    let shown = findings(text)[0].render(text, false);
    let want = "p.yaml:4:28: error: unknown action `dorp`\n 4 |       - {label: x, action: dorp}\n   |                            ^^^^\n   help: did you mean `drop`?\n";
    assert_eq!(shown, want);
}

#[test]
fn files_from_windows_are_files() {
    let text = "policies:\r\n  - name: a\r\n    labels:\r\n      - {label: x, action: dorp}\r\n";
    assert_eq!(shown(text), ["4:28 error unknown action `dorp` (did you mean `drop`?)"]);
    let shown = findings(text)[0].render(text, false);
    assert!(!shown.contains('\u{fffd}') && !shown.contains('\r'), "{shown:?}");
}

#[test]
fn a_byte_order_mark_is_no_key() {
    assert_eq!(shown("\u{feff}policies: [{name: a, action: drop}]\n"), [""; 0]);
}
