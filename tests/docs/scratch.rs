//! Where a page is followed: a directory with the files that its commands speak of, an exporter
//! and a guard.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};

use crate::exporter::{Exporter, Framing, TEXT};
use crate::guard::Guard;
use crate::markdown::root;

/// A worker whose jobs have a series each.
const BODY: &str = "\
# HELP worker_jobs_total Jobs that were done.
# TYPE worker_jobs_total counter
worker_jobs_total{queue=\"emails\",status=\"ok\",job_id=\"c386bbc4-cd61-4b0c-9f0e-0a1b2c3d4e5f\"} 1
worker_jobs_total{queue=\"emails\",status=\"ok\",job_id=\"35bf992d-c9e9-4d3a-8f6e-1a2b3c4d5e6f\"} 2
worker_jobs_total{queue=\"reports\",status=\"ok\",job_id=\"008a05a6-a6c4-4e1b-9c7d-2a3b4c5d6e7f\"} 1
# HELP worker_queue_depth Jobs that wait.
# TYPE worker_queue_depth gauge
worker_queue_depth{queue=\"emails\"} 3
# HELP celery_task_sent_total Tasks that were sent.
# TYPE celery_task_sent_total counter
celery_task_sent_total{name=\"mail.send\",hostname=\"web-7d4b9c6f5d-x2x9k\"} 12
celery_task_sent_total{name=\"mail.send\",hostname=\"web-7d4b9c6f5d-q8r7s\"} 5
";

/// The files that pages name without showing them: from here, to there.
const FILES: [(&str, &str); 5] = [
    ("examples/guard.yaml", "guard.yaml"),
    ("examples/policy.yaml", "policy.yaml"),
    ("mixin/alerts.yaml", "rules/alerts.yml"),
    ("mixin/dashboard.json", "dashboards/dashboard.json"),
    ("policies/celery.yaml", "policies/celery.yaml"),
];

pub(crate) struct Scratch {
    dir: tempfile::TempDir,
    pub exporter: Exporter,
    pub guard: Guard,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        for (from, to) in FILES {
            copy(&root().join(from), &dir.path().join(to));
        }
        // Named before it is shown.
        fs::write(dir.path().join("web.yaml"), "basic_auth_users: {}\n").unwrap();
        certificates(dir.path());
        let exporter = Exporter::start();
        exporter.say(TEXT, BODY.as_bytes(), Framing::ContentLength);
        let settings = format!(
            "targets:\n  - {{name: celery, url: 'http://{0}/metrics'}}\n  - {{name: workers, address: '{0}', mode: observe}}\n",
            exporter.address
        );
        let policy = fs::read_to_string(root().join("examples/policy.yaml")).unwrap();
        let guard = Guard::start(&settings, &policy);
        assert_eq!(guard.scrape("celery").status, 200);
        Scratch { dir, exporter, guard }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// As shipped, whatever a command before has done to it.
    pub(crate) fn fresh_mixin(&self) {
        for folder in ["mixin", "mixin/tests"] {
            for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
                if entry.file_type().unwrap().is_file() {
                    copy(&entry.path(), &self.path(folder).join(entry.file_name()));
                }
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// Those that SECURITY.md and docs/scaling.md name.
fn certificates(directory: &Path) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["guard".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(directory.join("guard.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("clients.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("store-ca.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("guard.key"), key.serialize_pem()).unwrap();
}
