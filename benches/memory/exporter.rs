//! An exporter whose bodies are made while they are sent.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Counters of jobs, in four queues.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// The number of the first job.
    pub first: usize,
    pub series: usize,
    pub tick: usize,
}

pub struct Exporter {
    pub address: SocketAddr,
    next: Arc<Mutex<Body>>,
}

const NAME: &str = "worker_jobs_total";
/// Spreads the numbers of jobs over all of their ids.
const SPREAD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

impl Exporter {
    pub fn start() -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let next = Arc::new(Mutex::new(Body::default()));
        let shown = Arc::clone(&next);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shown = Arc::clone(&shown);
                // Who goes away in the middle of an answer is missed by nobody.
                thread::spawn(move || drop(serve(&stream, &shown)));
            }
        });
        Exporter { address, next }
    }

    /// What the next scrape brings.
    pub fn show(&self, body: Body) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = body;
    }
}

fn serve(stream: &TcpStream, shown: &Mutex<Body>) -> io::Result<()> {
    let mut request = BufReader::new(stream);
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if request.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        let body = *shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunks = BufWriter::with_capacity(64 << 10, Chunks(stream));
        (&mut &*stream).write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        body.write(&mut chunks)?;
        chunks.flush()?;
        (&mut &*stream).write_all(b"0\r\n\r\n")?;
    }
}

impl Body {
    fn write(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "# HELP {NAME} Jobs that reached a terminal state\n# TYPE {NAME} counter")?;
        for job in self.first..self.first + self.series {
            let (id, queue, value) = ((job as u128).wrapping_mul(SPREAD), job % 4, self.tick + 1);
            writeln!(
                out,
                "{NAME}{{job_id=\"{id:032x}\",queue=\"queue-{queue}\",status=\"success\",task=\"deliver\"}} {value}.0"
            )?;
        }
        Ok(())
    }
}

/// Each write is a chunk.
struct Chunks<'a>(&'a TcpStream);

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write!(self.0, "{:x}\r\n", bytes.len())?;
        self.0.write_all(bytes)?;
        self.0.write_all(b"\r\n")?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
