//! The policies that come with the guard compile without a doubt, and keep what they promise.

use std::collections::BTreeSet;

use super::{Boundless, Builtin, FamilyRef, Mode, Outcome, Plan, Policies, SeriesRef, Source};
use crate::engine::model::{Kind, LabelSet};
use rstest::rstest;

const SHIPPED: [(&str, &str); 5] = [
    ("default", include_str!("../../../policies/default.yaml")),
    ("celery", include_str!("../../../policies/celery.yaml")),
    ("bullmq", include_str!("../../../policies/bullmq.yaml")),
    ("sidekiq", include_str!("../../../policies/sidekiq.yaml")),
    ("prometheus-client", include_str!("../../../policies/prometheus-client.yaml")),
];

fn source(name: &str) -> Source {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).expect(name);
    Source { name: format!("{name}.yaml"), text: (*text).to_owned() }
}

fn plan(name: &str) -> Plan {
    let (policies, findings) = Policies::compile(&[source(name)], Builtin::Excluded, None).expect(name);
    assert!(findings.is_empty(), "{findings:?}");
    policies.plan(None, Mode::Enforce)
}

fn leaves(plan: &Plan, name: &str, labels: &[(&str, &str)]) -> String {
    let labels: LabelSet = labels.iter().copied().collect();
    let names = [name];
    let mut family = plan.family(FamilyRef { name, kind: Kind::Counter, names: &names });
    let mut out = LabelSet::default();
    let decision = family.decide(SeriesRef { name, reserved: None, labels: &labels }, &mut out, &mut Boundless);
    assert!(!matches!(decision.outcome, Outcome::Dropped(_)));
    out.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

#[test]
fn all_of_them_go_together() {
    let sources: Vec<Source> = SHIPPED.iter().skip(1).map(|(name, _)| source(name)).collect();
    let (_, findings) = Policies::compile(&sources, Builtin::Included, None).expect("together");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn every_file_in_the_folder_is_tested() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let files = std::fs::read_dir(folder).expect("policies").map(|entry| entry.expect("entry").file_name());
    let yaml: BTreeSet<String> = files.filter_map(|f| f.to_str()?.strip_suffix(".yaml").map(str::to_owned)).collect();
    assert_eq!(yaml, SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[rstest]
#[case::default_few("default", "worker_jobs_total", &[("job_id", "1"), ("trace_id", "2"), ("queue", "q")], "job_id=1,queue=q,trace_id=2")]
#[case::default_knows_names_only("default", "x", &[("job", "a"), ("id", "1"), ("pod", "p"), ("path", "/1")], "id=1,job=a,path=/1,pod=p")]
#[case::celery("celery", "celery_task_sent_total", &[("hostname", "nightly-sync-29481060-f6a7e"), ("name", "n"), ("queue_name", "q")], "name=n,queue_name=q")]
#[case::celery_hosts_that_matter("celery", "celery_worker_up", &[("hostname", "worker-7d9f8b6c5-x2k4j")], "hostname=worker-7d9f8b6c5-x2k4j")]
#[case::celery_queues("celery", "celery_queue_length", &[("queue_name", "amq.gen-JzTY20BRgKO")], "queue_name=amq.gen")]
#[case::celery_pidbox("celery", "celery_queue_length", &[("queue_name", "celery@w-1.celery.pidbox")], "queue_name=celery.pidbox")]
#[case::celery_replies("celery", "celery_queue_length", &[("queue_name", "550e8400-e29b-41d4-a716-446655440000")], "queue_name=:uuid")]
#[case::celery_elsewhere("celery", "other_total", &[("hostname", "a")], "hostname=a")]
#[case::bullmq("bullmq", "bullmq_jobs_finished_total", &[("job_id", "3"), ("job_name", "images:user-2"), ("queue", "images"), ("status", "completed")], "job_name=images:user-:int,queue=images,status=completed")]
#[case::bullmq_own("bullmq", "bullmq_job_count", &[("queue", "images"), ("state", "waiting-children")], "queue=images,state=waiting-children")]
#[case::sidekiq("sidekiq", "sidekiq_jobs_executed_total", &[("jid", "b4a577edbccf1d805744efa9"), ("queue", "default"), ("worker", "ImportJob")], "queue=default,worker=ImportJob")]
#[case::sidekiq_tenant_ids("sidekiq", "sidekiq_jobs_executed_total", &[("tenant", "17")], "tenant=59/64")]
#[case::sidekiq_tenant_names("sidekiq", "sidekiq_jobs_executed_total", &[("tenant", "acme")], "tenant=acme")]
#[case::python("prometheus-client", "worker_jobs_total", &[("job_id", "1"), ("queue", "q"), ("task", "t")], "queue=q,task=t")]
#[case::python_pids("prometheus-client", "worker_inflight_jobs", &[("pid", "1461"), ("queue", "q")], "queue=q")]
fn keeps_what_it_promises(
    #[case] policy: &str,
    #[case] name: &str,
    #[case] labels: &[(&str, &str)],
    #[case] want: &str,
) {
    assert_eq!(leaves(&plan(policy), name, labels), want);
}
