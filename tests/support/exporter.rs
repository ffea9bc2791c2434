//! An exporter that answers with exactly the bytes it is told to, and notes what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One thing an exporter does.
#[derive(Clone)]
pub enum Act {
    Write(Vec<u8>),
    /// The same bytes until nobody takes them any more.
    Forever(Vec<u8>),
    Sleep(Duration),
    /// Goes on when the test says so.
    Wait(Arc<Notify>),
    /// Tells the test that it came this far.
    Tell(Arc<Notify>),
    Close,
    Reset,
}

pub struct Exporter {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// `script`: number of the request (from 0) and its head -> what to do.
    pub async fn start(script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static) -> Exporter {
        Exporter::start_over(None, script).await
    }

    /// The same over TLS.
    pub async fn start_over(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let script = Arc::new(script);
        let (noted, counted) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (tls, script, noted) = (tls.clone(), script.clone(), noted.clone());
                tokio::spawn(async move {
                    let wire = match tls {
                        None => Wire::Plain(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Wire::Tls(Box::new(stream)),
                            Err(_) => return,
                        },
                    };
                    converse(wire, script, noted).await;
                });
            }
        });
        Exporter { address, requests, connections, task }
    }

    /// Answers every request with these bytes.
    pub async fn says(answer: impl Into<Vec<u8>>) -> Exporter {
        let answer = answer.into();
        Exporter::start(move |_, _| vec![Act::Write(answer.clone())]).await
    }

    /// Answers, then closes.
    pub async fn says_and_closes(answer: impl Into<Vec<u8>>) -> Exporter {
        let answer = answer.into();
        Exporter::start(move |_, _| vec![Act::Write(answer.clone()), Act::Close]).await
    }

    /// A well-behaved exporter of this body.
    pub async fn of(body: &str) -> Exporter {
        Exporter::says(ok("text/plain; version=0.0.4", body.as_bytes())).await
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A framed 200.
pub fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    response(&format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len()), body)
}

/// A 200 with these header lines.
pub fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// One chunk of a chunked body; none of nothing: that would end it.
pub fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = cardinality_guard::engine::coding::Gzip::new();
    let mut out = Vec::new();
    gzip.push(body, &mut out);
    gzip.finish(&mut out);
    out
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    async fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(piece).await,
            Wire::Tls(stream) => stream.read(piece).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.write_all(bytes).await,
            Wire::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn close(&mut self) {
        let _ = match self {
            Wire::Plain(stream) => stream.shutdown().await,
            Wire::Tls(stream) => stream.shutdown().await,
        };
    }

    /// Dropping it now resets the connection (over TLS: cuts it without a word).
    fn arm_reset(&self) {
        if let Wire::Plain(stream) = self {
            let _ = stream.set_zero_linger();
        }
    }
}

type Script = dyn Fn(usize, &str) -> Vec<Act> + Send + Sync;

async fn converse(mut stream: Wire, script: Arc<Script>, requests: Arc<Mutex<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await else { return };
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(head.clone());
            requests.len() - 1
        };
        for act in script(number, &head) {
            let gone = match act {
                Act::Write(bytes) => stream.write(&bytes).await.is_err(),
                Act::Forever(bytes) => {
                    while stream.write(&bytes).await.is_ok() {}
                    true
                }
                Act::Sleep(time) => {
                    tokio::time::sleep(time).await;
                    false
                }
                Act::Wait(notify) => {
                    notify.notified().await;
                    false
                }
                Act::Tell(notify) => {
                    notify.notify_one();
                    false
                }
                Act::Close => {
                    stream.close().await;
                    true
                }
                Act::Reset => {
                    stream.arm_reset();
                    true
                }
            };
            if gone {
                return;
            }
        }
    }
}

async fn read_head(stream: &mut Wire, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end + 2]).into_owned();
            buffer.drain(..end + 4);
            return Some(head);
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => buffer.extend_from_slice(&piece[..n]),
        }
    }
}
