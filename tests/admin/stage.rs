//! An exporter and a guard in front of it, and bodies that explode.

use crate::exporter::{Exporter, Framing, TEXT};
use crate::guard::Guard;
use crate::http::{self, Answer};

use serde_json::Value;

pub struct Stage {
    pub exporter: Exporter,
    pub guard: Guard,
}

impl Stage {
    /// The built-in policy and nothing else; an exporter `worker`, and `gone`, where nobody listens.
    pub fn set() -> Stage {
        Stage::with("")
    }

    pub fn with(policies: &str) -> Stage {
        let exporter = Exporter::start();
        let settings = format!(
            "targets:\n  - {{name: worker, url: 'http://{}/metrics'}}\n  - {{name: gone, url: 'http://{}/metrics'}}\n",
            exporter.address,
            crate::process::free_address()
        );
        Stage { exporter, guard: Guard::start(&settings, policies) }
    }

    /// Scrapes a body, which goes well.
    pub fn scrape(&self, body: &str) -> Answer {
        self.exporter.say(TEXT, body.as_bytes(), Framing::ContentLength);
        let answer = self.guard.scrape("worker");
        assert_eq!(answer.status, 200, "{}", answer.reason);
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        http::get(self.guard.address, path)
    }

    pub fn post(&self, path: &str) -> Answer {
        http::request(self.guard.address, "POST", path, &[("Content-Length", "0")])
    }

    /// The data of a good answer.
    pub fn data(&self, path: &str) -> Value {
        data(path, &self.get(path))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.guard.address)
    }
}

pub fn data(path: &str, answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["status"], "success", "{path}: {json}");
    json["data"].take()
}

/// A worker that behaves.
pub fn calm(n: u64) -> String {
    let mut body = String::from("# TYPE jobs_total counter\n");
    for queue in ["emails", "reports", "exports"] {
        for status in ["ok", "failed"] {
            body += &format!("jobs_total{{queue=\"{queue}\",status=\"{status}\"}} {n}\n");
        }
    }
    body + "# TYPE queue_depth gauge\nqueue_depth{queue=\"emails\"} 3\nqueue_depth{queue=\"reports\"} 0\n"
}

/// The same worker with a label too much: so many orders, each with a series of its own.
pub fn exploding(label: &str, orders: u64) -> String {
    let mut body = String::from("# TYPE jobs_total counter\n");
    for order in 0..orders {
        let (queue, id) = (["emails", "reports", "exports"][(order % 3) as usize], uuid(order));
        body += &format!("jobs_total{{queue=\"{queue}\",status=\"ok\",{label}=\"{id}\"}} {}\n", 1 + order % 7);
    }
    body + "# TYPE queue_depth gauge\nqueue_depth{queue=\"emails\"} 3\nqueue_depth{queue=\"reports\"} 0\n"
}

/// One for each number, none like the other.
fn uuid(n: u64) -> String {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (a, b) = ((mixed >> 32) as u32, mixed as u16);
    format!("{a:08x}-{b:04x}-4{:03x}-a{:03x}-{:012x}", n % 4096, (n * 7) % 4096, mixed & 0xffff_ffff_ffff)
}
