//! The fleet over HTTP, with the faults that exporters have.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::work::Fleet;

/// How often a fleet at work takes a step.
const STEP: Duration = Duration::from_millis(100);

/// A fleet that answers on `/metrics` (with any query: each is a reader of its own) and tells
/// the truth about a reader on `/truth?<the reader's request target>`.
pub struct FleetServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    fleet: Mutex<Fleet>,
    ways: Mutex<Ways>,
}

/// How it behaves at the moment.
struct Ways {
    life: Life,
    steps_left: u64,
    /// So many answers to come are cut short.
    cut: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Listening,
    /// Connections are refused; the work goes on.
    Refusing,
    Ended,
}

impl FleetServer {
    /// Idle, with some work behind it.
    pub fn start(seed: u64) -> FleetServer {
        let ways = Ways { life: Life::Listening, steps_left: 0, cut: 0 };
        let shared = Arc::new(Shared { fleet: Mutex::new(Fleet::new(seed)), ways: Mutex::new(ways) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (accepting, working) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || accept(listener, address, &accepting));
        thread::spawn(move || work(&working));
        FleetServer { address, shared }
    }

    pub fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.shared.fleet.lock().unwrap()
    }

    /// Takes as many steps as fit into this time, then rests.
    pub fn work_for(&self, time: Duration) {
        self.ways().steps_left = (time.as_millis() / STEP.as_millis()) as u64;
        while self.ways().steps_left > 0 {
            thread::sleep(STEP / 2);
        }
    }

    /// Works for so long while nobody can connect.
    pub fn outage(&self, time: Duration) {
        self.ways().life = Life::Refusing;
        self.work_for(time);
        self.ways().life = Life::Listening;
    }

    /// Cuts the next answers in the middle, their Content-Length promising the whole.
    pub fn cut(&self, answers: u32) {
        self.ways().cut = answers;
    }

    /// Whether all cuts that were asked for have been made.
    pub fn has_cut_all(&self) -> bool {
        self.ways().cut == 0
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.shared.ways.lock().unwrap()
    }
}

impl Drop for FleetServer {
    fn drop(&mut self) {
        self.ways().life = Life::Ended;
    }
}

impl Shared {
    fn life(&self) -> Life {
        self.ways.lock().unwrap().life
    }

    /// The body, and how much of it is to be sent. A whole one counts as shown.
    fn body(&self, reader: &str) -> (String, usize) {
        let mut fleet = self.fleet.lock().unwrap();
        let mut ways = self.ways.lock().unwrap();
        let body = fleet.expose();
        let sent = match ways.cut {
            0 => body.len(),
            left => {
                ways.cut = left - 1;
                body.len() - body.len() / 3
            }
        };
        if sent == body.len() {
            fleet.shown(reader);
        }
        (body, sent)
    }

    fn truth(&self, reader: &str) -> String {
        let truth = self.fleet.lock().unwrap().truth(reader);
        format!("{:#}\n", json!({"happened": truth.happened, "lost": truth.lost}))
    }
}

fn work(shared: &Shared) {
    while shared.life() != Life::Ended {
        thread::sleep(STEP);
        if shared.ways.lock().unwrap().steps_left > 0 {
            shared.fleet.lock().unwrap().step();
            shared.ways.lock().unwrap().steps_left -= 1;
        }
    }
}

fn accept(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    loop {
        match shared.life() {
            Life::Ended => return,
            Life::Refusing => listener = None,
            // Somebody's outgoing connection may have the port for a moment.
            Life::Listening => listener = listener.or_else(|| TcpListener::bind(address).ok()),
        }
        let accepted = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).unwrap();
            match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                accepted => Some(accepted.unwrap().0),
            }
        });
        match accepted {
            Some(stream) => {
                let shared = Arc::clone(shared);
                thread::spawn(move || serve(&stream, &shared));
            }
            None => thread::sleep(Duration::from_millis(3)),
        }
    }
}

/// One request, one answer, and the connection is closed.
fn serve(mut stream: &TcpStream, shared: &Shared) {
    stream.set_nonblocking(false).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(target) = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())) else { return };
    lines.for_each(drop);
    let (body, sent) = match target.strip_prefix("/truth?") {
        Some(reader) => {
            let truth = shared.truth(reader);
            let length = truth.len();
            (truth, length)
        }
        None => shared.body(&target),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // Who asked may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body.as_bytes()[..sent]));
}
