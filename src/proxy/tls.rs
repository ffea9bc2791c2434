//! TLS towards exporters: rustls, the system's roots or a file of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::settings::Tls;

use super::failure::UpstreamError;

/// Client configurations, made once and kept until the settings change.
#[derive(Default)]
pub struct TlsConfigs {
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    generation: u64,
    by_wish: HashMap<(Option<PathBuf>, bool), Arc<ClientConfig>>,
}

impl TlsConfigs {
    /// Reads files when it is asked for the first time: call it where blocking is allowed.
    pub fn get(&self, tls: &Tls, generation: u64) -> Result<Arc<ClientConfig>, UpstreamError> {
        let wish = (tls.ca_file.clone(), tls.insecure_skip_verify);
        {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if made.generation != generation {
                *made = Made { generation, by_wish: HashMap::new() };
            }
            if let Some(config) = made.by_wish.get(&wish) {
                return Ok(config.clone());
            }
        }
        let config = Arc::new(configure(tls)?);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.generation == generation {
            made.by_wish.insert(wish, config.clone());
        }
        Ok(config)
    }
}

fn configure(tls: &Tls) -> Result<ClientConfig, UpstreamError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| UpstreamError::Tls("no protocol version in common with ourselves"))?;
    let mut config = match tls.insecure_skip_verify {
        true => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified { provider }))
            .with_no_client_auth(),
        false => builder.with_root_certificates(roots(tls.ca_file.as_deref())?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, UpstreamError> {
    let mut store = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unreadable = UpstreamError::Tls("ca_file cannot be read");
            for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable)? {
                store.add(certificate.map_err(|_| unreadable)?).map_err(|_| unreadable)?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    match store.is_empty() {
        true => Err(UpstreamError::Tls("no root certificates")),
        false => Ok(store),
    }
}

/// Takes any certificate: `insecure_skip_verify`, the operator's explicit wish. Signatures are
/// still checked, so that whoever shows a certificate also holds its key.
#[derive(Debug)]
struct Unverified {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
