//! A state that takes its time on the way from the store, and what it costs others.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::exporter::Exporter;
use crate::replicas::{Replica, Shown};
use crate::stage::POLICY;
use crate::store::Store;

const MEMBERS: u64 = 60_000;
/// Bytes of a connection to the store in a hundredth of a second: far more than a scrape of little needs.
const PACE: usize = 4 << 10;

/// A way to the store on which every connection is this slow.
pub fn slow_way(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for here in listener.incoming().flatten() {
            // Nobody there, nobody here.
            let Ok(there) = TcpStream::connect(to) else { continue };
            let (from, to) = (here.try_clone().unwrap(), there.try_clone().unwrap());
            thread::spawn(move || carry(from, to));
            thread::spawn(move || carry(there, here));
        }
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; PACE];
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Each body moves every counter by one.
fn large_exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (turn, mut stream) in (0_u64..).zip(listener.incoming().flatten()) {
            BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let mut body = "# TYPE jobs_total counter\n".to_owned();
            for at in 0..MEMBERS {
                let _ = writeln!(body, "jobs_total{{job_id=\"{at}\"}} {}", at * at % 100_000 + turn);
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

#[test]
fn a_large_state_is_read_and_takes_the_store_away_from_nobody() {
    let (store, large, small) = (Store::start(), large_exporter(), Exporter::start());
    let settings = format!(
        "storage: {{url: 'redis://{}'}}\nbuiltin_policy: false\nscrape: {{timeout: 60s}}\n\
         targets: [{{name: large, url: 'http://{large}/metrics'}}, {{name: app, url: 'http://{}/metrics'}}]\n",
        slow_way(store.address),
        small.address
    );
    let guards: Vec<Replica> = (0..2).map(|_| Replica::start(&settings, POLICY)).collect();
    assert_eq!(guards[0].scrape("large"), Shown::Counter(0));
    assert_eq!(guards[0].scrape("app"), Shown::Counter(small.increments()));
    // The second one reads all of it, while the small one goes to and fro.
    thread::scope(|scope| {
        let reading = scope.spawn(|| guards[1].scrape("large"));
        for _ in 0..20 {
            assert_eq!(guards[1].scrape("app"), Shown::Counter(small.increments()));
        }
        assert_eq!(reading.join().unwrap(), Shown::Counter(MEMBERS));
    });
    for guard in &guards {
        assert_eq!(guard.metric("cardinality_guard_state_store_up"), 1.0);
        assert_eq!(guard.metric("cardinality_guard_state_write_errors_total{reason=\"slow\"}"), 0.0);
    }
    let state = store.info("memory", "used_memory_dataset");
    assert!(state > 20 * PACE as u64, "a state of {state} bytes takes no time");
}
