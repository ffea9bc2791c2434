//! The guard's own port behind a `web.config_file`: TLS, client certificates, users, headers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BODY;
use super::support::client::{Answer, Client};
use super::support::exporter::Exporter;
use super::support::guard::{Guard, settings, target, url};
use cardinality_guard::engine::policy::Policies;
use cardinality_guard::settings::{Flag, Loader, Settings, WebFile};
use cardinality_guard::state::Config;

/// An authority and what it signed, as PEM files: `ca.pem`, `server.pem`, `server.key`, and for two
/// clients `good.*` (for the name `prometheus`) and `other.*`; `foreign.*` is signed by itself.
fn certificates() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", authority.pem());
    for (file, name) in [("server", "127.0.0.1"), ("good", "prometheus"), ("other", "somebody")] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.into()]).unwrap().signed_by(&key, &authority).unwrap();
        write(&format!("{file}.pem"), certificate.pem());
        write(&format!("{file}.key"), key.serialize_pem());
    }
    let key = KeyPair::generate().unwrap();
    let foreign = CertificateParams::new(vec!["prometheus".into()]).unwrap().self_signed(&key).unwrap();
    write("foreign.pem", foreign.pem());
    write("foreign.key", key.serialize_pem());
    dir
}

const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

fn verified(more: &str) -> String {
    format!(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
         client_auth_type: RequireAndVerifyClientCert\n{more}"
    )
}

/// What the file says, or what is wrong with it.
fn web_file(dir: &Path, text: &str) -> Result<WebFile, String> {
    let path = dir.join("web.yaml");
    std::fs::write(&path, text).unwrap();
    let flag = Flag { name: "--web.config.file", key: "web.config_file", values: vec![path.display().to_string()] };
    let loader = Loader { config_file: None, environment: Some([].into()), flags: vec![flag] };
    loader.load().map(|loaded| loaded.settings.web.file).map_err(|error| error.to_string())
}

fn protected(exporter: &Exporter, dir: &Path, text: &str) -> Settings {
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    settings.web.file = web_file(dir, text).unwrap();
    settings
}

async fn guard(exporter: &Exporter, dir: &Path, text: &str) -> Guard {
    Guard::with(protected(exporter, dir, text)).await
}

/// A TLS connection, with this client's certificate if any.
async fn connect(
    address: SocketAddr,
    dir: &Path,
    who: Option<&str>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match who {
        Some(who) => {
            let certificate = CertificateDer::from_pem_file(dir.join(format!("{who}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(dir.join(format!("{who}.key"))).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

/// `/scrape/app` over TLS; `None` when there is no answer to be had. With TLS 1.3 a client learns
/// that its certificate was refused when it reads.
async fn scrape(guard: &Guard, dir: &Path, who: Option<&str>) -> Option<Answer> {
    let stream = connect(guard.address, dir, who, &["h2", "http/1.1"]).await.ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Client::over(stream);
    client.try_say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await.ok()?;
    client.answer().await
}

fn basic(pair: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn users(pairs: &[(&str, &str)]) -> String {
    let line = |(user, password): &(&str, &str)| format!("  {user}: {}\n", bcrypt::hash(password, 4).unwrap());
    format!("basic_auth_users:\n{}", pairs.iter().map(line).collect::<String>())
}

#[tokio::test]
async fn the_port_speaks_tls_and_http_1_1_and_nothing_else() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let guard = guard(&exporter, dir.path(), TLS).await;
    let answer = scrape(&guard, dir.path(), None).await.expect("an answer");
    assert_eq!((answer.version.as_str(), answer.status, answer.text()), ("HTTP/1.1", 200, BODY.into()));

    assert!(connect(guard.address, dir.path(), None, &["h2"]).await.is_err(), "HTTP/2 has no reason phrase");
    let mut plain = guard.client().await;
    plain.say("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n\r\n").await;
    assert!(plain.is_closed_without("HTTP/").await);
    assert_eq!(exporter.requests().len(), 1);
}

#[tokio::test]
async fn a_failure_after_output_has_begun_cuts_tls_too() {
    let lines: String = (0..20_000).map(|i| format!("m{{x=\"{i}\"}} 1\n")).collect();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{lines}", lines.len() + 9);
    let exporter = Exporter::says_and_closes(head).await;
    let dir = certificates();
    let mut settings = protected(&exporter, dir.path(), TLS);
    settings.scrape.hold_output = 1000;
    settings.scrape.endpoint_series_limit = 0;
    let guard = Guard::with(settings).await;
    let answer = scrape(&guard, dir.path(), None).await.expect("a head");
    assert_eq!((answer.status, answer.end), (200, super::support::client::End::Cut));
}

#[tokio::test]
async fn a_certificate_is_wanted_where_the_file_says_so() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let by_name = verified("  client_allowed_sans: [prometheus]\n");
    let one = |kind: &str| TLS.replace('}', &format!(", client_auth_type: {kind}}}"));
    let if_given = verified("").replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven");
    for (text, admitted, refused) in [
        (verified(""), vec![Some("good"), Some("other")], vec![None, Some("foreign")]),
        (by_name, vec![Some("good")], vec![None, Some("other"), Some("foreign")]),
        (if_given, vec![None, Some("good")], vec![Some("foreign")]),
        (one("RequireAnyClientCert"), vec![Some("good"), Some("foreign")], vec![None]),
        (one("RequestClientCert"), vec![None, Some("foreign")], vec![]),
    ] {
        let guard = guard(&exporter, dir.path(), &text).await;
        for who in admitted {
            assert_eq!(scrape(&guard, dir.path(), who).await.map(|a| a.status), Some(200), "{who:?}\n{text}");
        }
        let before = exporter.requests().len();
        for who in refused {
            assert!(scrape(&guard, dir.path(), who).await.is_none(), "{who:?}\n{text}");
        }
        assert_eq!(exporter.requests().len(), before, "who is refused asks nobody");
    }
}

#[tokio::test]
async fn a_silent_handshake_does_not_keep_the_guard_from_ending() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let guard = guard(&exporter, dir.path(), TLS).await;
    let _silent = guard.client().await;
    assert_eq!(scrape(&guard, dir.path(), None).await.map(|a| a.status), Some(200));
    guard.stopped().await;
}

#[tokio::test]
async fn users_show_who_they_are_and_no_exporter_sees_it() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let guard = guard(&exporter, dir.path(), &users(&[("prom", "secret"), ("app", "other")])).await;
    let shown = |pair: &str| format!("Authorization: {}\r\n", basic(pair));
    for headers in [
        "",
        "Authorization: Bearer x\r\n",
        &shown("prom:wrong"),
        &shown("prom:"),
        &shown("nobody:secret"),
        &shown("prom"),
    ] {
        for place in ["/scrape/app", "/metrics", "/-/reload", "/"] {
            let answer = guard.get(place, headers).await;
            assert_eq!((answer.status, answer.header("www-authenticate").is_some()), (401, true), "{place} {headers}");
        }
    }
    let wrong = guard.get("/scrape/app", &format!("Proxy-{}", shown("prom:secret"))).await;
    assert_eq!(wrong.status, 401, "a request to the guard itself says it in Authorization");
    assert!(exporter.requests().is_empty());
    for _ in 0..2 {
        assert_eq!(guard.get("/scrape/app", &shown("prom:secret")).await.text(), BODY);
    }
    assert_eq!(guard.get("/metrics", &shown("app:other")).await.text(), "local /metrics");
    assert_eq!(exporter.requests().len(), 2);
    assert!(exporter.requests().iter().all(|head| !head.to_ascii_lowercase().contains("authorization")));
}

/// `Authorization` is for the exporter here; the proxy is told in its own header.
#[tokio::test]
async fn through_a_proxy_url_each_side_has_its_own_credentials() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let guard = guard(&exporter, dir.path(), &users(&[("prom", "secret"), ("app", "other")])).await;
    let (url, for_it) = (exporter.url(), "Authorization: Basic Zm9yOml0\r\n");
    for headers in [for_it.to_owned(), format!("{for_it}Proxy-Authorization: {}\r\n", basic("prom:no"))] {
        let answer = guard.get(&url, &headers).await;
        assert_eq!((answer.status, answer.header("proxy-authenticate").is_some()), (407, true));
    }
    let mut tunnel = guard.client().await;
    tunnel.say(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", exporter.address)).await;
    assert_eq!(tunnel.answer().await.map(|a| a.status), Some(407));
    assert!(exporter.requests().is_empty());

    for user in ["prom:secret", "app:other"] {
        let answer = guard.get(&url, &format!("{for_it}Proxy-Authorization: {}\r\n", basic(user))).await;
        assert_eq!((answer.status, answer.text()), (200, BODY.into()), "{user}: {}", answer.reason);
    }
    let heads = exporter.requests();
    assert!(heads.iter().all(|head| head.contains("Basic Zm9yOml0") && !head.to_ascii_lowercase().contains("proxy-")));
}

#[tokio::test]
async fn a_reload_changes_certificates_users_and_headers_for_who_comes_next() {
    let (exporter, dir) = (Exporter::of(BODY).await, certificates());
    let guard = guard(&exporter, dir.path(), &users(&[("prom", "secret")])).await;
    let shown = format!("Authorization: {}\r\n", basic("prom:secret"));
    assert_eq!(guard.get("/scrape/app", &shown).await.status, 200);

    let put =
        |text: &str| guard.shared.replace(Config::new(protected(&exporter, dir.path(), text), Policies::default()));
    put(&users(&[("prom", "changed")]));
    assert_eq!(guard.get("/scrape/app", &shown).await.status, 401, "what was right is not remembered beyond its hash");
    put("http_server_config: {headers: {X-Frame-Options: deny}}\n");
    for (place, status) in [("/scrape/app", 200), ("/scrape/nobody", 404), ("/x", 200)] {
        let answer = guard.get(place, "").await;
        assert_eq!((answer.status, answer.header("x-frame-options")), (status, Some("deny")), "{place}");
    }
    put(TLS);
    assert_eq!(scrape(&guard, dir.path(), None).await.map(|a| a.status), Some(200));
}

#[test]
fn mistakes_in_the_file_are_told_all_at_once() {
    let dir = certificates();
    for (text, words) in [
        ("tls_server_config: {cert_file: server.pem}\n", "`key_file` is missing"),
        ("tls_server_config: {key_file: server.key}\n", "`cert_file` is missing"),
        ("tls_server_config: {cert_file: no.pem, key_file: server.key}\n", "cannot read"),
        ("tls_server_config: {cert_file: server.key, key_file: server.key}\n", "there is no certificate in PEM here"),
        ("tls_server_config: {cert_file: server.pem, key_file: server.pem}\n", "there is no private key in PEM here"),
        ("tls_server_config: {cert_file: server.pem, key_file: good.key}\n", "no TLS server can be made of this"),
        (&TLS.replace('}', ", client_ca_file: ca.pem}"), "nobody's certificate is verified"),
        (&TLS.replace('}', ", client_auth_type: RequireAndVerifyClientCert}"), "`client_ca_file` is missing"),
        (&TLS.replace('}', ", min_version: TLS13, max_version: TLS12}"), "`min_version` is above `max_version`"),
        (&TLS.replace('}', ", max_version: TLS11}"), "unknown version `TLS11`"),
        (&TLS.replace('}', ", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}"), "unknown cipher suite"),
        (&TLS.replace('}', ", curve_preferences: [CurveP25]}"), "did you mean `CurveP256`"),
        ("basic_auth_users: {a: plain}\n", "this is no bcrypt hash"),
        ("basic_auth_users: [a]\n", "a mapping is wanted here"),
        ("http_server_config: {headers: {Server: x}}\n", "unknown key `Server`"),
        ("tls_server_confg: {}\n", "did you mean `tls_server_config`"),
    ] {
        let said = web_file(dir.path(), text).map(drop).unwrap_err();
        assert!(said.contains(words) && said.contains("web.yaml:"), "{text}{said}");
    }
    let two = web_file(dir.path(), "tls_server_config: {}\nbasic_auth_users: {a: plain}\n").map(drop).unwrap_err();
    assert_eq!(two.lines().count(), 3, "{two}");
    for good in
        ["", "basic_auth_users:\n", &TLS.replace('}', ", cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}")]
    {
        assert!(web_file(dir.path(), good).is_ok(), "{good}");
    }
}
