//! What to write into a policy file, to go by what the endpoints of a target have shown.

use super::deeds::Stage;
use super::metrics::{Label, Metric};
use crate::advice::{Edit, Evidence, MANY, Normalizer, Step, Touched, Why, are_ids, count, policy_file};
use crate::engine::model::TRIED_LAST;
use crate::engine::policy::{Action, Manner, Shape};
use crate::telemetry::Printable;

/// Series a metric of one endpoint may have where no policy says how many: as the command `suggest` has it.
const BUDGET: u64 = 10_000;
/// So many values are nothing to speak of.
const FEW: u64 = 10;

/// Bytes of a name that anybody would write into a file.
const LONGEST: usize = 500;

/// The steps to propose.
pub(super) fn steps(metrics: &[Metric]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut normalizer = Normalizer::new();
    for metric in metrics.iter().filter(|metric| metric.name.len() <= LONGEST) {
        let mut spoken_to = metric.labels.iter().any(is_planned);
        for label in &metric.labels {
            if let Some((edit, why)) = against(label, &mut normalizer) {
                spoken_to = true;
                propose(&mut steps, metric, label, edit, why);
            }
        }
        if metric.demand > metric.limit.unwrap_or(BUDGET * metric.endpoints)
            && !spoken_to
            && let Some(label) = to_cut(metric)
        {
            propose(&mut steps, metric, label, Edit::Drop, Why::Budget);
        }
    }
    steps
}

/// The policy file, as the command `suggest` would write it.
pub(super) fn text(target: &str, metrics: &[Metric], steps: &[Step]) -> String {
    let target = Printable(target);
    let series: u64 = metrics.iter().map(|metric| metric.demand.max(metric.received)).sum();
    let remark = match steps.is_empty() {
        true => format!("{} series of {target}: nothing has to go.", count(series)),
        false => format!(
            "Suggested for {target}, from what its {} series have shown. Read it before you use it: what a label is good \
             for, no exporter says. Sums, rates and quantiles over the labels that stay are those of the series \
             together.",
            count(series)
        ),
    };
    policy_file(&[remark], steps)
}

/// The label without which the fewest series would be left.
fn to_cut(metric: &Metric) -> Option<&Label> {
    let is_free =
        |label: &&Label| label.name.len() <= LONGEST && label.count() > FEW && !TRIED_LAST.contains(&&*label.name);
    let free = metric.labels.iter().filter(is_free);
    free.min_by_key(|label| label.leaves.map_or(u64::MAX, |leaves| leaves.value))
}

/// What is to be said against a label, as it is treated now.
fn against(label: &Label, normalizer: &mut Normalizer) -> Option<(Edit, Why)> {
    if is_planned(label) || label.name.len() > LONGEST {
        return None;
    }
    match label.deed.as_ref().filter(|deed| deed.stage == Stage::Acting) {
        Some(deed) if deed.manner == Manner::Enforced => return Some((Edit::Drop, Why::Folded)),
        Some(_) => return Some((Edit::Drop, Why::Budget)),
        None => {}
    }
    if are_ids(&label.name, label.count(), label.shape) {
        return Some((Edit::Drop, Why::Evidence(Evidence::Ids)));
    }
    let few_shown = label.samples.len() < 2 || label.count() <= MANY;
    if few_shown || matches!(label.shape, Some(Shape::Int | Shape::Ip)) {
        return None;
    }
    let left = normalizer.left(label.samples.iter().map(|sample| &**sample));
    (left == 1).then_some((Edit::Normalize, Why::Evidence(Evidence::IdsInside { left: None })))
}

/// Whether a step that somebody has written for it acts already, or shows what it would do.
fn is_planned(label: &Label) -> bool {
    let acts = label.deed.as_ref().filter(|deed| deed.stage == Stage::Acting);
    acts.is_some_and(|deed| deed.action == Action::Limit || !deed.action.is_budget())
}

fn propose(steps: &mut Vec<Step>, metric: &Metric, label: &Label, edit: Edit, why: Why) {
    let family = Touched { name: metric.name.to_string(), kind: metric.kind };
    let same = |step: &&mut Step| *step.label == *label.name && step.edit == edit && step.why == why;
    if let Some(step) = steps.iter_mut().find(same) {
        step.families.push(family);
        step.values = step.values.max(label.count());
        return;
    }
    steps.push(Step {
        label: label.name.to_string(),
        edit,
        why,
        families: vec![family],
        values: label.count(),
        look: label.shape.map_or("mixed", Shape::as_str),
        samples: label.samples.iter().map(ToString::to_string).collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cardinality::{Count, Estimated};
    use crate::engine::model::Kind;

    fn label(name: &str, values: u64, leaves: u64) -> Label {
        let count = |value| Some(Count { value, estimated: Estimated::No });
        Label {
            name: name.into(),
            values: count(values),
            shape: Some(Shape::Text),
            samples: vec!["a".into(), "b".into()],
            leaves: count(leaves),
            deed: None,
        }
    }

    fn metric(series: u64, limit: Option<u64>, endpoints: u64) -> Metric {
        let labels = vec![label("queue", 20, 5), label("zone", 300, 20), label("color", 12, 900)];
        Metric { limit, demand: series, received: series, endpoints, labels, ..Metric::new(&"m".into(), Kind::Counter) }
    }

    #[test]
    fn a_fleet_may_have_what_its_endpoints_may_have() {
        let proposed = |series, limit, endpoints| -> Vec<String> {
            steps(&[metric(series, limit, endpoints)]).into_iter().map(|step| step.label).collect()
        };
        assert_eq!(proposed(20_000, Some(2_000_000), 200), [""; 0], "a hundred at each of two hundred");
        assert_eq!(proposed(20_000, None, 2), [""; 0]);
        assert_eq!(proposed(20_001, None, 2), ["zone"], "not queue, which goes last, nor color, which saves less");
        assert_eq!(proposed(101, Some(100), 1), ["zone"]);
    }
}
