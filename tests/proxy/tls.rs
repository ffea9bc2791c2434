//! Exporters over TLS.

use std::sync::Arc;

use super::BODY;
use super::support::exporter::{Act, Exporter, ok, response};
use super::support::guard::{Guard, address, settings, target, url};
use cardinality_guard::settings::{Allow, Scheme, Target, Tls};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An authority, as a file, and an exporter whose certificate it signed for these names.
async fn secured(names: &[&str], acts: Vec<Act>) -> (NamedTempFile, Exporter) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let exporter = Exporter::start_over(Some(TlsAcceptor::from(Arc::new(config))), move |_, _| acts.clone()).await;
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (file, exporter)
}

fn good() -> Vec<Act> {
    vec![Act::Write(ok("text/plain", BODY.as_bytes()))]
}

fn https(exporter: &Exporter, host: &str, tls: Tls) -> Target {
    let mut app = target("app", url(&format!("https://{host}:{}/metrics", exporter.port())));
    app.tls = tls;
    app
}

fn trusting(ca: &NamedTempFile) -> Tls {
    Tls { ca_file: Some(ca.path().to_owned()), insecure_skip_verify: false }
}

#[tokio::test]
async fn a_certificate_of_the_ca_file_is_trusted() {
    let (ca, exporter) = secured(&["127.0.0.1", "localhost"], good()).await;
    let guard = Guard::with(settings(vec![https(&exporter, "127.0.0.1", trusting(&ca))])).await;
    for _ in 0..3 {
        let answer = guard.scrape().await;
        assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{}", answer.reason);
    }
    assert_eq!(exporter.connections(), 1, "the connection is kept");
    let guard = Guard::with(settings(vec![https(&exporter, "localhost", trusting(&ca))])).await;
    assert_eq!(guard.scrape().await.status, 200, "by name too");
}

/// `proxy_url` can only say http: the entry's url says how it is really spoken to.
#[tokio::test]
async fn http_to_an_https_target_is_sent_over_tls() {
    let (ca, exporter) = secured(&["127.0.0.1"], good()).await;
    let mut wide = target("wide", address("127\\.0\\.0\\.1:[0-9]+"));
    wide.allow = match wide.allow {
        Allow::Address { pattern, paths, .. } => Allow::Address { pattern, scheme: Scheme::Https, paths },
        other => other,
    };
    wide.tls = trusting(&ca);
    for entry in [https(&exporter, "127.0.0.1", trusting(&ca)), wide] {
        let guard = Guard::with(settings(vec![entry])).await;
        for scheme in ["http", "https"] {
            let answer = guard.get(&format!("{scheme}://127.0.0.1:{}/metrics", exporter.port()), "").await;
            assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{}", answer.reason);
        }
        let answer = guard.get(&format!("/scrape?target=127.0.0.1:{}", exporter.port()), "").await;
        assert_eq!(answer.status, 200, "{}", answer.reason);
    }
}

#[tokio::test]
async fn what_cannot_be_trusted_fails_and_says_why() {
    let (ca, exporter) = secured(&["other.example"], good()).await;
    let (stranger, _) = secured(&["127.0.0.1"], good()).await;
    let nowhere = Tls { ca_file: Some("/nonexistent/ca.pem".into()), insecure_skip_verify: false };
    for (tls, reason) in [
        (trusting(&ca), "exporter: TLS: certificate is for another name"),
        (trusting(&stranger), "exporter: TLS: certificate is from an unknown issuer"),
        (nowhere, "exporter: TLS: ca_file cannot be read"),
    ] {
        let answer = Guard::with(settings(vec![https(&exporter, "127.0.0.1", tls)])).await.scrape().await;
        assert_eq!((answer.status, answer.reason.as_str()), (502, reason));
    }
    assert!(exporter.requests().is_empty());
}

#[tokio::test]
async fn insecure_skip_verify_takes_anything() {
    let (_, exporter) = secured(&["other.example"], good()).await;
    let tls = Tls { ca_file: None, insecure_skip_verify: true };
    let answer = Guard::with(settings(vec![https(&exporter, "127.0.0.1", tls)])).await.scrape().await;
    assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{}", answer.reason);
}

#[tokio::test]
async fn a_plain_exporter_is_no_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let mut app = target("app", url(&format!("https://127.0.0.1:{port}/metrics")));
    app.tls.insecure_skip_verify = true;
    let answer = Guard::with(settings(vec![app])).await.scrape().await;
    assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: TLS: the other side does not speak it"));
    serve.abort();
}

/// Without the farewell of TLS nobody knows whether a close-delimited body is whole.
#[tokio::test]
async fn a_connection_cut_without_farewell_is_a_failure() {
    let body = response("Content-Type: text/plain\r\n", b"a 1\nb 2\n");
    let (ca, exporter) = secured(&["127.0.0.1"], vec![Act::Write(body.clone()), Act::Reset]).await;
    let answer = Guard::with(settings(vec![https(&exporter, "127.0.0.1", trusting(&ca))])).await.scrape().await;
    assert_eq!(answer.status, 502, "{}", answer.reason);
    let (ca, exporter) = secured(&["127.0.0.1"], vec![Act::Write(body), Act::Close]).await;
    let answer = Guard::with(settings(vec![https(&exporter, "127.0.0.1", trusting(&ca))])).await.scrape().await;
    assert_eq!(answer.status, 200, "{}", answer.reason);
}
