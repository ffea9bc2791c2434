//! A scraper that is no part of the guard: one GET over a socket of its own, and what a
//! Prometheus would have made of the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// More than the fleet ever says.
const MAX_BODY: usize = 256 << 20;

const DROPPED: &str = "cardinality_guard_scrape_series_dropped";

/// What one scrape brought.
pub struct Reading {
    pub took: Duration,
    pub bytes: usize,
    pub series: usize,
    /// Series left out, as the guard's annotation says; 0 without one.
    pub dropped: usize,
    /// The samples of the job counter: series part to value.
    pub jobs: HashMap<String, f64>,
}

/// Scrapes, and keeps the samples of `counter`. The error is one line for the table.
pub async fn scrape(address: SocketAddr, path: &str, counter: &str) -> Result<Reading, String> {
    let begin = Instant::now();
    let body = get(address, path).await?;
    let took = begin.elapsed();
    let text = std::str::from_utf8(&body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let mut reading = Reading { took, bytes: body.len(), series: 0, dropped: 0, jobs: HashMap::new() };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        reading.series += 1;
        if is_sample_of(line, counter) {
            let (series, value) = split(line)?;
            reading.jobs.insert(series.to_owned(), value);
        } else if is_sample_of(line, DROPPED) {
            reading.dropped = split(line)?.1 as usize;
        }
    }
    Ok(reading)
}

/// The series part and the value; no exporter here sends timestamps.
fn split(line: &str) -> Result<(&str, f64), String> {
    let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("not a sample: {line}"))?;
    Ok((series, value.parse().map_err(|_| format!("not a number: {line}"))?))
}

fn is_sample_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
}

async fn get(address: SocketAddr, path: &str) -> Result<Bytes, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string()).header(ACCEPT, "text/plain;version=0.0.4");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    let body = body.to_bytes();
    match status {
        StatusCode::OK => Ok(body),
        _ => Err(format!("{} {}", status.as_u16(), String::from_utf8_lossy(&body).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_known_by_its_whole_name() {
        assert!(is_sample_of("jobs_total{a=\"b\"} 1", "jobs_total"));
        assert!(is_sample_of("jobs_total 1", "jobs_total"));
        assert!(!is_sample_of("jobs_total_created 1", "jobs_total"));
        assert!(!is_sample_of("other_jobs_total 1", "jobs_total"));
    }
}
