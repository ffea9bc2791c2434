//! A connection to the store, whatever form the store has.

use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionInfo, Pipeline, RedisError, RedisFuture,
    RedisResult, TlsCertificates, TlsMode, Value,
};

use crate::settings::{StorageUrl, StoreForm, StoreTls};

/// Where the store is, and how it is spoken to.
pub struct Address {
    pub url: StorageUrl,
    pub tls: StoreTls,
}

/// A connection, shared by all who ask.
#[derive(Clone)]
pub enum Open {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// To whom the user and the password belong beside the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sentinels {
    AskForNothing,
    AskTheSame,
}

/// Whoever reads one of these knows what to look at.
const HINTS: [(&str, &str); 8] = [
    ("UnknownIssuer", UNTRUSTED),
    // Signed by somebody of the same name.
    ("BadSignature", UNTRUSTED),
    ("not valid for name", "the store's certificate is for another name than the one in storage.url"),
    ("expired", "the store's certificate has expired"),
    ("CertificateRequired", "the store wants a certificate: storage.cert_file and storage.key_file"),
    ("UnknownCA", "the store does not know who signed storage.cert_file"),
    ("NOAUTH", "the store wants a password in storage.url"),
    ("AuthenticationFailed", "the store knows no such user and password as in storage.url"),
];
const UNTRUSTED: &str =
    "the store's certificate is signed by nobody in storage.ca_file (the system's roots without it)";

/// Why the store cannot be asked, in words for whoever can change it.
pub fn why(error: &RedisError) -> String {
    let words = error.to_string();
    match HINTS.iter().find(|(sign, _)| words.contains(sign)) {
        Some((_, hint)) => format!("{hint} ({words})"),
        None => words,
    }
}

impl Address {
    /// Waits so long for the connection, and so long for each answer.
    pub async fn connect(&self, patience: Duration, answer: Duration) -> RedisResult<Open> {
        let certificates = self.certificates().await?;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(patience)).set_response_timeout(Some(answer));
        match &self.url.form {
            StoreForm::One => {
                let node = self.url.nodes[0].0.as_str();
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(node, certificates)?,
                    None => Client::open(node)?,
                };
                Ok(Open::One(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
            StoreForm::Cluster => {
                let nodes = self.url.nodes.iter().map(|node| node.0.as_str());
                let mut client = ClusterClient::builder(nodes).connection_timeout(patience).response_timeout(answer);
                if let Some(certificates) = certificates {
                    client = client.certs(certificates);
                }
                Ok(Open::Cluster(client.retries(1).build()?.get_async_connection().await?))
            }
            StoreForm::Sentinel { master } => {
                let by = |who| sentinels(&self.url, master, certificates.clone(), who);
                let mut client = by(Sentinels::AskForNothing)?.build()?;
                match client.get_async_connection_with_config(&config).await {
                    Err(error) if error.to_string().contains("NOAUTH") => {
                        let mut client = by(Sentinels::AskTheSame)?.build()?;
                        Ok(Open::One(client.get_async_connection_with_config(&config).await?))
                    }
                    connection => Ok(Open::One(connection?)),
                }
            }
        }
    }

    /// What the files say now; `None`: the system's roots are trusted, and nothing is shown.
    async fn certificates(&self) -> RedisResult<Option<TlsCertificates>> {
        let StoreTls { ca_file, cert_file, key_file } = &self.tls;
        if !self.url.is_tls() || (ca_file.is_none() && cert_file.is_none()) {
            return Ok(None);
        }
        let root_cert = match ca_file {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let client_tls = match (cert_file, key_file) {
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(cert).await?, client_key: read(key).await? })
            }
            _ => None,
        };
        Ok(Some(TlsCertificates { client_tls, root_cert }))
    }
}

async fn read(path: &Path) -> RedisResult<Vec<u8>> {
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    Ok(tokio::fs::read(path).await.map_err(named)?)
}

/// User, password and database are those of the store; where its sentinels ask for some as well, they
/// are mostly the same.
fn sentinels(
    url: &StorageUrl,
    master: &str,
    certificates: Option<TlsCertificates>,
    asking: Sentinels,
) -> RedisResult<SentinelClientBuilder> {
    let infos: Vec<ConnectionInfo> = url.infos()?;
    let addresses = infos.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?;
    if url.is_tls() {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.set_client_to_redis_certificates(certificates.clone());
        builder = builder.set_client_to_sentinel_certificates(certificates);
    }
    let Some(info) = infos.first() else { return Ok(builder) };
    let settings = info.redis_settings();
    builder = builder.set_client_to_redis_db(settings.db());
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_redis_username(user);
        if asking == Sentinels::AskTheSame {
            builder = builder.set_client_to_sentinel_username(user);
        }
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
        if asking == Sentinels::AskTheSame {
            builder = builder.set_client_to_sentinel_password(password);
        }
    }
    Ok(builder)
}

impl ConnectionLike for Open {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Open::One(one) => one.req_packed_command(cmd),
            Open::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Open::One(one) => one.req_packed_commands(cmd, offset, count),
            Open::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Open::One(one) => one.get_db(),
            Open::Cluster(cluster) => cluster.get_db(),
        }
    }
}
