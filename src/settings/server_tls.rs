//! `tls_server_config` -> what a TLS server is made of. Certificates are read when settings are
//! loaded, so that a broken one is refused as any other mistake is, and the old one stays.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::client_certificates::{AnyCertificate, NamedCertificate, Names};
use super::read::Reader;
use crate::engine::policy::yaml::{Fields, Mark, Node};

/// A checked TLS configuration of the guard's own port.
#[derive(Clone)]
pub struct ServerTls(pub Arc<ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

const KEYS: [&str; 14] = [
    "cert",
    "cert_file",
    "key",
    "key_file",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "session_tickets_disabled",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientAuth {
    NotAsked,
    Asked,
    Any,
    VerifiedIfGiven,
    Verified,
}

const CLIENT_AUTH: [(&str, ClientAuth); 5] = [
    ("NoClientCert", ClientAuth::NotAsked),
    ("RequestClientCert", ClientAuth::Asked),
    ("RequireAnyClientCert", ClientAuth::Any),
    ("VerifyClientCertIfGiven", ClientAuth::VerifiedIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::Verified),
];

/// The older two are not spoken; as a minimum they mean the least there is.
const MIN_VERSION: [(&str, u8); 4] = [("TLS10", 2), ("TLS11", 2), ("TLS12", 2), ("TLS13", 3)];
const MAX_VERSION: [(&str, u8); 2] = [("TLS12", 2), ("TLS13", 3)];

const CURVES: [(&str, rustls::NamedGroup); 3] = [
    ("X25519", rustls::NamedGroup::X25519),
    ("CurveP256", rustls::NamedGroup::secp256r1),
    ("CurveP384", rustls::NamedGroup::secp384r1),
];

/// `None` when it cannot be used, which has been said.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<ServerTls> {
    let fields = reader.check.fields(node, &KEYS)?;
    reader.bool(fields, "prefer_server_cipher_suites", &mut false);
    reader.bool(fields, "session_tickets_disabled", &mut false);
    let chain = certificates(reader, fields, "cert", "cert_file");
    let key = key(reader, fields);
    let provider = provider(reader, fields);
    let versions = versions(reader, fields)?;
    let verifier = client_verifier(reader, fields, &provider)?;
    let (Some((_, chain)), Some(key)) = (chain, key) else { return None };
    let built = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).map(|builder| {
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        builder.with_single_cert(chain, key)
    });
    match built {
        Ok(Ok(mut config)) => {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some(ServerTls(Arc::new(config)))
        }
        Ok(Err(error)) | Err(error) => {
            reader.check.error(node.at, format!("no TLS server can be made of this: {error}"));
            None
        }
    }
}

/// Text from the file itself or from a file of its own; `None` without either, or with a mistake.
fn pem(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str, file_key: &str) -> Option<(Mark, Vec<u8>)> {
    if let (Some(_), Some(second)) = (fields.get(key), fields.entry(file_key)) {
        reader.check.error(second.at, format!("`{key}` and `{file_key}` exclude each other"));
        return None;
    }
    if let Some(node) = fields.get(key) {
        return reader.check.text(node).map(|text| (node.at, text.as_bytes().to_vec()));
    }
    let node = fields.get(file_key)?;
    let text = reader.check.text(node)?;
    let path = reader.resolve(text);
    reader.files.push(path.clone());
    match std::fs::read(&path) {
        Ok(bytes) => Some((node.at, bytes)),
        Err(error) => {
            reader.check.error(node.at, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

fn certificates(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    key: &str,
    file_key: &str,
) -> Option<(Mark, Vec<CertificateDer<'static>>)> {
    if fields.get(key).is_none() && fields.get(file_key).is_none() {
        reader.check.error(fields.at(), format!("`{file_key}` is missing"));
        return None;
    }
    let (at, bytes) = pem(reader, fields, key, file_key)?;
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Some((at, found)),
        _ => {
            reader.check.error(at, "there is no certificate in PEM here");
            None
        }
    }
}

fn key(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<PrivateKeyDer<'static>> {
    if fields.get("key").is_none() && fields.get("key_file").is_none() {
        reader.check.error(fields.at(), "`key_file` is missing");
        return None;
    }
    let (at, bytes) = pem(reader, fields, "key", "key_file")?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
    if key.is_none() {
        reader.check.error(at, "there is no private key in PEM here");
    }
    key
}

/// `cipher_suites` narrows TLS 1.2 alone, as in Go; both lists use Go's names.
fn provider(reader: &mut Reader<'_>, fields: Fields<'_>) -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    let is_12 = |suite: &rustls::SupportedCipherSuite| suite.version().version == version::TLS12.version;
    let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    if let Some(wanted) = fields.get("cipher_suites").and_then(|node| reader.check.texts(node)) {
        let known: Vec<String> =
            provider.cipher_suites.iter().map(|suite| name(suite).replace("TLS13_", "TLS_")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for (at, word) in wanted.iter().filter(|(_, word)| !known.contains(word)) {
            reader.check.unknown(*at, "cipher suite", word, &known);
        }
        provider.cipher_suites.retain(|suite| !is_12(suite) || wanted.iter().any(|(_, word)| *word == name(suite)));
    }
    if let Some(items) = fields.get("curve_preferences").and_then(|node| reader.check.list(node)) {
        let wanted: Vec<_> = items.iter().filter_map(|item| reader.check.word(item, "curve", &CURVES)).collect();
        let all = std::mem::take(&mut provider.kx_groups);
        let of = |group: &rustls::NamedGroup| all.iter().find(|found| found.name() == *group).copied();
        provider.kx_groups = wanted.iter().filter_map(of).collect();
    }
    Arc::new(provider)
}

fn versions(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let min = fields.get("min_version").map_or(Some(2), |node| reader.check.word(node, "version", &MIN_VERSION))?;
    let max = fields.get("max_version").map_or(Some(3), |node| reader.check.word(node, "version", &MAX_VERSION))?;
    if min > max {
        reader.check.error(fields.at(), "`min_version` is above `max_version`");
        return None;
    }
    let all = [(2, &version::TLS12), (3, &version::TLS13)];
    Some(all.into_iter().filter(|(n, _)| (min..=max).contains(n)).map(|(_, version)| version).collect())
}

/// `Some(None)`: nobody is asked for a certificate.
#[allow(clippy::option_option, reason = "the outer one is the house's way to say: a mistake, which has been told")]
fn client_verifier(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    provider: &Arc<CryptoProvider>,
) -> Option<Option<Arc<dyn ClientCertVerifier>>> {
    let auth = match fields.get("client_auth_type") {
        Some(node) => reader.check.word(node, "client_auth_type", &CLIENT_AUTH)?,
        None => ClientAuth::NotAsked,
    };
    let ca = fields.entry("client_ca").or(fields.entry("client_ca_file"));
    let names = names(reader, fields)?;
    let verifies = matches!(auth, ClientAuth::VerifiedIfGiven | ClientAuth::Verified);
    if !verifies {
        if let Some(entry) = ca.or(fields.entry("client_allowed_sans")) {
            let help = "client_auth_type: RequireAndVerifyClientCert";
            reader.check.error_with_help(entry.at, "nobody's certificate is verified, so this has no effect", help);
            return None;
        }
        let any = |mandatory| -> Arc<dyn ClientCertVerifier> {
            Arc::new(AnyCertificate { provider: provider.clone(), mandatory })
        };
        return Some(match auth {
            ClientAuth::Any => Some(any(true)),
            ClientAuth::Asked => Some(any(false)),
            _ => None,
        });
    }
    let (at, certificates) = certificates(reader, fields, "client_ca", "client_ca_file")?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if auth == ClientAuth::Verified { builder } else { builder.allow_unauthenticated() };
    match builder.build() {
        Ok(verifier) if added > 0 && names.is_empty() => Some(Some(verifier)),
        Ok(verifier) if added > 0 => Some(Some(Arc::new(NamedCertificate { verifier, names }))),
        _ => {
            reader.check.error(at, "no client can be verified with this");
            None
        }
    }
}

fn names(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Names> {
    let mut names = Names::new();
    for (at, text) in fields.get("client_allowed_sans").map_or(Some(vec![]), |node| reader.check.texts(node))? {
        match text.to_owned().try_into() {
            Ok(name) => names.push(name),
            Err(_) => {
                reader.check.error(at, format!("`{text}` is neither a DNS name nor an IP address"));
                return None;
            }
        }
    }
    Some(names)
}
