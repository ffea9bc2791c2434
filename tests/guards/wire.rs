//! What goes over the wire to the store: what has changed, not what there is.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use crate::replicas::{Replica, Shown};
use crate::stage::{POLICY, Stage};
use crate::store::Store;

const MEMBERS: u64 = 10_000;
/// One in so many moves from one body to the next.
const ONE_IN: u64 = 10;
const SCRAPES: u64 = 200;

/// Every body moves another tenth of the counters, by amounts of all sizes.
fn exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut values: Vec<u64> = (0..MEMBERS).map(|at| at * at % 100_000).collect();
        for (turn, mut stream) in (0_u64..).zip(listener.incoming().flatten()) {
            BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let mut body = "# TYPE jobs_total counter\n".to_owned();
            for (at, value) in (0_u64..).zip(&mut values) {
                if at * 7 % ONE_IN == turn % ONE_IN {
                    *value += 1 + at * turn % 1000;
                }
                let _ = writeln!(body, "jobs_total{{job_id=\"{at}\"}} {value}");
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

#[test]
fn a_scrape_sends_the_store_at_most_25_bytes_for_a_member_that_moved() {
    let (exporter, store) = (exporter(), Store::start());
    let settings = format!(
        "storage: {{url: '{}'}}\nbuiltin_policy: false\ntargets: [{{name: app, url: 'http://{exporter}/metrics'}}]\n",
        store.url()
    );
    let guards: Vec<Replica> = (0..3).map(|_| Replica::start(&settings, POLICY)).collect();
    let scrape = |turn: u64| assert!(matches!(guards[turn as usize % 3].scrape("app"), Shown::Counter(_)));
    // Until every guard has met every series and told its values.
    (0..15).for_each(scrape);
    let traffic = || (store.info("stats", "total_net_input_bytes"), store.info("stats", "total_net_output_bytes"));
    let before = traffic();
    (0..SCRAPES).for_each(scrape);
    let after = traffic();
    let moved = SCRAPES * MEMBERS / ONE_IN;
    let (sent, received) = ((after.0 - before.0) / moved, (after.1 - before.1) / moved);
    println!("a member that moved: {sent} bytes to the store, {received} bytes from it to three guards in turn");
    assert!((1..=25).contains(&sent), "{sent} bytes to the store");
    // Each guard reads what the two others wrote.
    assert!((1..=75).contains(&received), "{received} bytes from the store");
}

#[test]
fn a_scrape_calls_the_store_four_times() {
    let stage = Stage::set(1);
    stage.round(2);
    let calls = || {
        let stats = stage.store.tell("INFO commandstats");
        let said = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        said.unwrap().split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let (before, began) = (calls(), Instant::now());
    stage.round(200);
    // A guard gives a sign of life each second, and a claim is renewed four times.
    let beside = 5 * (began.elapsed().as_secs() + 1);
    let calls = calls() - before;
    assert!((800..=800 + beside).contains(&calls), "{calls} calls, of which at most {beside} are no scrape's");
}
