//! A connection to an exporter: look up once, check, connect to exactly what was checked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::settings::Scheme;
use crate::state::{Config, Io, Origin};

use super::allow::Grant;
use super::deadline::Deadline;
use super::failure::{Failure, Stage, UpstreamError};
use super::host::Host;
use super::lookup::Lookup;
use super::own::Own;
use super::tls::TlsConfigs;

/// Makes connections for granted scrapes.
pub struct Connector {
    pub own: Own,
    pub tls: Arc<TlsConfigs>,
}

impl Connector {
    /// The rules a connection made now is bound to.
    pub fn origin(&self, grant: &Grant, config: &Config) -> Origin {
        Origin { generation: config.generation(), target: grant.target.settings.name.clone() }
    }

    pub async fn connect(&self, grant: &Grant, config: &Config, deadline: &Deadline) -> Result<Box<dyn Io>, Failure> {
        let addresses = self.addresses(grant, deadline).await?;
        let by = deadline.exporter().min(Instant::now() + config.settings.scrape.connect_timeout);
        timeout_at(by, async {
            let stream = self.dial(&addresses, by, deadline).await?;
            Ok(match grant.endpoint.scheme {
                Scheme::Http => Box::new(stream) as Box<dyn Io>,
                Scheme::Https => Box::new(self.secure(stream, grant, config).await?),
            })
        })
        .await
        .map_err(|_| deadline.passed(Stage::Connect))?
    }

    /// Where one may connect to, in the order in which the resolver gave it.
    async fn addresses(&self, grant: &Grant, deadline: &Deadline) -> Result<Vec<SocketAddr>, Failure> {
        let found = match &grant.addresses {
            Some(known) => known.clone(),
            None => Lookup { deadline: *deadline }.find(&grant.host, grant.endpoint.port).await?,
        };
        found.iter().try_for_each(|address| self.own.check_address(*address))?;
        let addresses = grant.reach.of(&grant.host, grant.endpoint.port, &found);
        match addresses.is_empty() {
            true => Err(Failure::NotAllowedBy {
                target: grant.target.settings.name.clone(),
                place: format!("where {} leads", grant.host),
            }),
            false => Ok(addresses),
        }
    }

    /// Tries one address after the other; none of them takes the time of those behind it.
    async fn dial(&self, addresses: &[SocketAddr], by: Instant, deadline: &Deadline) -> Result<TcpStream, Failure> {
        let mut failure = UpstreamError::NameNotFound.into();
        for (tried, address) in addresses.iter().enumerate() {
            let left = by.saturating_duration_since(Instant::now());
            let share = left / (addresses.len() - tried) as u32;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.connected(stream),
                Ok(Err(error)) => failure = connect_error(&error).into(),
                Err(_) => failure = deadline.passed(Stage::Connect),
            }
        }
        Err(failure)
    }

    fn connected(&self, stream: TcpStream) -> Result<TcpStream, Failure> {
        // Asked of the socket itself: that an interface's address is ours is only known when both
        // ends have it.
        if let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) {
            self.own.check_connected(local, peer)?;
        }
        // A request is one small write: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn secure(
        &self,
        stream: TcpStream,
        grant: &Grant,
        config: &Config,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
        let (configs, wish, generation) = (self.tls.clone(), grant.target.settings.tls.clone(), config.generation());
        let client = tokio::task::spawn_blocking(move || configs.get(&wish, generation));
        let client = client.await.map_err(|_| Failure::Internal)??;
        let name = match &grant.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| UpstreamError::Tls("host is no name for TLS"))?
            }
        };
        let secured = TlsConnector::from(client).connect(name, stream).await;
        secured.map_err(|error| tls_error(&error).into())
    }
}

fn connect_error(error: &io::Error) -> UpstreamError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => UpstreamError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => UpstreamError::Unreachable,
        io::ErrorKind::ConnectionReset => UpstreamError::Reset,
        _ => UpstreamError::Connect,
    }
}

fn tls_error(error: &io::Error) -> UpstreamError {
    use rustls::{CertificateError, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    UpstreamError::Tls(match inner {
        Some(Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "certificate is for another name"
            }
            // A bad signature is what an issuer of the same name, but with another key, looks like.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => "certificate is from an unknown issuer",
            _ => "certificate is not valid",
        },
        Some(Error::InvalidMessage(_)) => "the other side does not speak it",
        Some(Error::AlertReceived(_)) => "the other side ended the handshake",
        _ => "handshake failed",
    })
}
