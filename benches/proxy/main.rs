//! What a scrape costs the whole process, beside others that stand in the same place.
//!
//! ```sh
//! cargo bench --bench proxy            # every comparison
//! cargo bench --bench proxy -- gzip    # those whose name has this word
//! ```
//!
//! CPU time is the kernel's account of the process, user and system. All take turns in every
//! round, get the same body and have their answers checked; a ratio is the median of the ratios
//! within a round. nginx (`apt-get install nginx-light`) and vmagent are taken from the PATH, or from where `NGINX` and `VMAGENT` say; without
//! them what needs them is skipped by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod agent;
mod client;
#[path = "../fleet/mod.rs"]
mod fleet;
mod packed;
mod peers;
mod process;
mod rows;
mod upstream;

use rows::{Beside, Check, Figure, Page, Row, compare};
use tempfile::TempDir;
use upstream::{Coding, Upstream};

struct Bench {
    place: TempDir,
    upstream: Upstream,
}

/// Prints one comparison.
type Table = fn(&Bench);

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| name.contains(word.as_str()));
    let bench = Bench { place: tempfile::tempdir().unwrap(), upstream: Upstream::start() };
    let tables: [(&str, Table); 5] = [
        ("identity: 100,000 series", Bench::identity),
        ("gzip: 100,000 series, compressed by the exporter, taken compressed", Bench::gzip),
        ("storage: 100,000 members, every value changed", Bench::storage),
        ("latency: 1,000 series", Bench::latency),
        ("vmagent: 100,000 series, limited to 200,000", Bench::vmagent),
    ];
    for (name, run) in tables.into_iter().filter(|(name, _)| wanted(name)) {
        println!("{name}");
        run(&bench);
        println!();
    }
}

impl Bench {
    fn identity(&self) {
        let Some(nginx) = self.nginx("nginx", Page::Twenty, Beside::Nothing) else { return };
        compare(&self.upstream, self.guards(nginx), Coding::Identity, Figure::Cpu);
    }

    fn gzip(&self) {
        let Some(nginx) = self.nginx("inflate + nginx", Page::Twenty, Beside::Inflating) else { return };
        compare(&self.upstream, self.guards(nginx), Coding::Gzip, Figure::Cpu);
    }

    fn storage(&self) {
        let kept = self.place.path().join("kept");
        let rows = vec![
            self.guard("job_id folded", &self.folding(""), Page::Jobs, Check::Queues),
            self.guard("with storage.path", &self.folding(&kept.display().to_string()), Page::Jobs, Check::Queues),
        ];
        compare(&self.upstream, rows, Coding::Identity, Figure::Cpu);
    }

    fn latency(&self) {
        let Some(nginx) = self.nginx("nginx", Page::Small, Beside::Nothing) else { return };
        let rows = vec![nginx, self.guard("untouched", "", Page::Small, Check::Annotated)];
        compare(&self.upstream, rows, Coding::Identity, Figure::Latency);
    }

    fn vmagent(&self) {
        let guard = self.guard("untouched", peers::BARE, Page::Twenty, Check::Annotated);
        agent::compare(&self.upstream, || peers::vmagent(self.place.path(), self.upstream.address, agent::PATH), guard);
    }

    /// Beside the first.
    fn guards(&self, first: Row) -> Vec<Row> {
        vec![
            first,
            self.guard("untouched, no limits", peers::BARE, Page::Twenty, Check::Annotated),
            self.guard("untouched, as shipped", "", Page::Twenty, Check::Annotated),
            self.guard("job_id folded, in memory", &self.folding(""), Page::Jobs, Check::Queues),
        ]
    }

    fn guard(&self, name: &'static str, settings: &str, page: Page, check: Check) -> Row {
        let url = format!("http://{}{}", self.upstream.address, page.path());
        Row::guard(name, peers::guard(self.place.path(), settings, &url), page, check)
    }

    fn nginx(&self, name: &'static str, page: Page, beside: Beside) -> Option<Row> {
        let peer = peers::nginx(self.place.path(), self.upstream.address);
        if peer.is_none() {
            println!("  skipped: nginx is not installed");
        }
        Some(Row::nginx(name, peer?, page, beside))
    }

    /// Settings that fold `job_id`, kept in `storage` or, without it, in memory only.
    fn folding(&self, storage: &str) -> String {
        let file = self.place.path().join("drop.yaml");
        std::fs::write(&file, fleet::DROP).unwrap();
        format!("{}policy_files: ['{}']\nstorage: {{path: '{storage}'}}\n", peers::BARE, file.display())
    }
}
