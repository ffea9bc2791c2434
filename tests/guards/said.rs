//! An exporter that says what the test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Said {
    pub address: SocketAddr,
    body: Arc<Mutex<String>>,
}

impl Said {
    pub fn start() -> Said {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let body: Arc<Mutex<String>> = Arc::default();
        let said = Said { address, body: body.clone() };
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                BufReader::new(&stream)
                    .lines()
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .for_each(drop);
                let body = body.lock().unwrap().clone();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        said
    }

    pub fn says(&self, body: &str) {
        body.clone_into(&mut self.body.lock().unwrap());
    }

    /// So much of each job.
    pub fn has(&self, jobs: &[(&str, u64)]) {
        let line = |(job, n): &(&str, u64)| format!("jobs_total{{job_id=\"{job}\"}} {n}\n");
        self.says(&("# TYPE jobs_total counter\n".to_owned() + &jobs.iter().map(line).collect::<String>()));
    }
}
