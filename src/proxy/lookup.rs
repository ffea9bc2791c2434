//! Host name -> addresses, once a scrape.

use std::net::SocketAddr;

use tokio::net::lookup_host;
use tokio::time::timeout_at;

use super::deadline::Deadline;
use super::failure::{Failure, Stage, UpstreamError};
use super::host::{Host, plain};

/// Asks the system's resolver, within the scrape's deadline.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    pub deadline: Deadline,
}

impl Lookup {
    /// Never empty when it is `Ok`.
    pub async fn find(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let name = match host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name,
        };
        let answer = timeout_at(self.deadline.exporter(), lookup_host((name.as_str(), port)));
        let found = answer.await.map_err(|_| self.deadline.passed(Stage::Lookup))?;
        let found = found.map_err(|_| UpstreamError::NameNotFound)?;
        let addresses: Vec<_> = found.map(|address| SocketAddr::new(plain(address.ip()), port)).collect();
        match addresses.is_empty() {
            true => Err(UpstreamError::NameNotFound.into()),
            false => Ok(addresses),
        }
    }
}
