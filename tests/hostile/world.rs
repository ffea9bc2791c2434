//! Exporters without number behind one listener that is at home on all of 127.0.0.0/8: what each
//! does is told by its address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an exporter does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Tells the truth: one job more each time.
    Healthy,
    /// Takes the request and never says a word.
    BlackHole,
    Cut,
    Reset,
    Drip,
    Endless,
    BadGzip,
    TwoLengths,
    Failing,
    LoginPage,
    /// Crashes some releases of Prometheus.
    BareIdentifier,
    LongLine,
    Late,
    Liar,
}

pub(crate) const FAULTS: [Nature; 13] = [
    Nature::BlackHole,
    Nature::Cut,
    Nature::Reset,
    Nature::Drip,
    Nature::Endless,
    Nature::BadGzip,
    Nature::TwoLengths,
    Nature::Failing,
    Nature::LoginPage,
    Nature::BareIdentifier,
    Nature::LongLine,
    Nature::Late,
    Nature::Liar,
];

pub(crate) struct World {
    pub port: u16,
    /// Scrapes that each healthy exporter has answered: that many jobs it has done.
    done: Arc<Mutex<HashMap<IpAddr, u64>>>,
}

impl World {
    pub(crate) async fn of(nature: impl Fn(IpAddr) -> Nature + Send + Sync + 'static) -> World {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let done: Arc<Mutex<HashMap<IpAddr, u64>>> = Arc::default();
        let counted = done.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let Ok(here) = stream.local_addr() else { continue };
                tokio::spawn(converse(stream, here, nature(here.ip()), counted.clone()));
            }
        });
        World { port, done }
    }

    /// Jobs done by the healthy exporter at this address.
    pub(crate) fn done(&self, ip: IpAddr) -> u64 {
        self.done.lock().unwrap().get(&ip).copied().unwrap_or(0)
    }

    pub(crate) fn place(&self, ip: IpAddr) -> String {
        format!("/scrape?target={ip}:{}", self.port)
    }
}

/// The n-th address.
pub(crate) fn ip(n: usize) -> IpAddr {
    IpAddr::from([127, 1, (n / 200) as u8, (n % 200 + 1) as u8])
}

async fn converse(mut stream: TcpStream, here: SocketAddr, nature: Nature, done: Arc<Mutex<HashMap<IpAddr, u64>>>) {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0; 1024];
            match stream.read(&mut byte).await {
                Ok(0) | Err(_) => return,
                Ok(n) => head.extend_from_slice(&byte[..n]),
            }
        }
        if answer(&mut stream, here, nature, &done).await.is_none() {
            return;
        }
    }
}

/// `None`: the connection is over.
async fn answer(
    stream: &mut TcpStream,
    here: SocketAddr,
    nature: Nature,
    done: &Mutex<HashMap<IpAddr, u64>>,
) -> Option<()> {
    let framed = |headers: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut forever: Option<(&[u8], Duration)> = None;
    let text = match nature {
        Nature::Healthy => {
            let jobs = {
                let mut done = done.lock().unwrap();
                let jobs = done.entry(here.ip()).or_default();
                *jobs += 1;
                *jobs
            };
            // The last few jobs are still there; those before them have gone.
            let line = |job: u64| format!("jobs_total{{q=\"a\",job_id=\"{job}\"}} 1\n");
            let jobs: String = (jobs.saturating_sub(9).max(1)..=jobs).map(line).collect();
            framed("", &format!("# TYPE jobs_total counter\n{jobs}up_since{{q=\"a\"}} 7\n"))
        }
        Nature::BlackHole => {
            forever = Some((b"", Duration::from_secs(3600)));
            String::new()
        }
        Nature::Cut => "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\njobs_total 1".into(),
        Nature::Reset => {
            stream.set_zero_linger().ok()?;
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\njobs".into()
        }
        Nature::Drip => {
            forever = Some((b"a", Duration::from_millis(300)));
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n".into()
        }
        Nature::Endless => {
            forever = Some((b"fa0\r\n", Duration::ZERO));
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".into()
        }
        Nature::BadGzip => framed("Content-Encoding: gzip\r\n", "this is no gzip at all"),
        Nature::TwoLengths => framed("Content-Length: 3\r\n", "a 1\n"),
        Nature::Failing => "HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n".into(),
        Nature::LoginPage => framed("", "<html>log in</html>\n"),
        Nature::BareIdentifier => framed("", "{a} 1\n"),
        Nature::LongLine => framed("", &format!("a{{x=\"{}\"}} 1\n", "x".repeat(3 << 20))),
        Nature::Late => {
            forever = Some((b"", Duration::from_secs(3600)));
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n".into()
        }
        Nature::Liar => framed("", "jobs_total{q=\"a\"} 5\njobs_total{q=\"a\",q=\"b\"} 1e400\n"),
    };
    stream.write_all(text.as_bytes()).await.ok()?;
    while let Some((bytes, rest)) = forever {
        stream.write_all(bytes).await.ok()?;
        if nature == Nature::Endless {
            stream.write_all("a 1\n".repeat(1000).as_bytes()).await.ok()?;
            stream.write_all(b"\r\n").await.ok()?;
        } else {
            // Whoever has left is not waited for.
            let mut byte = [0];
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = stream.read(&mut byte) => return None,
            }
        }
    }
    matches!(nature, Nature::Healthy | Nature::LoginPage | Nature::BareIdentifier).then_some(())
}
