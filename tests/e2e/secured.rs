//! The guard behind TLS, client certificates and users, asked by curl and by a real Prometheus.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::process::{Process, eventually, free_address};
use crate::prometheus::Prometheus;
use crate::worker::Worker;

struct Secured {
    address: SocketAddr,
    files: tempfile::TempDir,
    _process: Process,
}

impl Secured {
    fn before(worker: &Worker) -> Secured {
        let (files, address) = (tempfile::tempdir().unwrap(), free_address());
        certificates(files.path());
        let write = |name: &str, text: String| std::fs::write(files.path().join(name), text).unwrap();
        write(
            "guard.yaml",
            format!(
                "web: {{listen_address: ['{address}'], config_file: web.yaml}}\nstorage: {{path: ''}}\n\
                 targets: [{{name: worker, url: 'http://{}/metrics'}}]\n",
                worker.address
            ),
        );
        write(
            "web.yaml",
            format!(
                "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
                 client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users: {{prom: {}}}\n",
                bcrypt::hash("secret", 10).unwrap()
            ),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
        command.args(["serve", "--config.file=guard.yaml", "--log.level=warn"]).current_dir(&files).env_clear();
        let process = Process::start(&mut command, "the binary under test");
        let secured = Secured { address, files, _process: process };
        eventually("the guard is ready", &"200".to_owned(), || secured.curl("/-/ready", &WITH_ALL));
        secured
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The status that curl sees; `000` when there is no answer.
    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]).args(arguments);
        curl.arg(format!("https://{}{path}", self.address)).current_dir(&self.files);
        let output = curl.output().expect("no curl on the PATH: run make setup");
        String::from_utf8(output.stdout).unwrap()
    }
}

const WITH_ALL: [&str; 8] =
    ["--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key", "--user", "prom:secret"];

/// `ca.pem`, and what it signed for the server and for a client.
fn certificates(files: &Path) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    // With one name for all of them, OpenSSL takes what the authority signed for signed by itself.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(files.join("ca.pem"), authority.pem()).unwrap();
    for (file, name) in [("server", "127.0.0.1"), ("client", "prometheus")] {
        let key = KeyPair::generate().unwrap();
        let mut certificate = CertificateParams::new(vec![name.into()]).unwrap();
        certificate.distinguished_name.push(DnType::CommonName, name);
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        std::fs::write(files.join(format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(files.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn curl_and_prometheus_get_in_with_certificate_and_password_and_not_without() {
    let worker = Worker::start();
    let guard = Secured::before(&worker);
    assert_eq!(guard.curl("/scrape/worker", &WITH_ALL), "200");
    assert_eq!(guard.curl("/scrape/worker", &WITH_ALL[..6]), "401", "no password");
    assert_eq!(guard.curl("/scrape/worker", &[&WITH_ALL[..6], &["--user", "prom:other"]].concat()), "401");
    assert_eq!(guard.curl("/scrape/worker", &[&WITH_ALL[..2], &WITH_ALL[6..]].concat()), "000", "no certificate");
    assert_eq!(guard.curl("/scrape/worker", &WITH_ALL[2..]), "000", "an authority that curl does not know");
    assert_eq!(guard.curl("/scrape/worker", &[&WITH_ALL[..], &["--http2"]].concat()), "200", "over HTTP/1.1");

    let file = |name| guard.file(name).display().to_string();
    let tls = format!(
        "{{ca_file: '{}', cert_file: '{}', key_file: '{}'}}",
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    let job = |name: &str, password: &str| {
        format!(
            "
  - job_name: {name}
    scheme: https
    metrics_path: /scrape/worker
    basic_auth: {{username: prom, password: {password}}}
    tls_config: {tls}
    static_configs: [{{targets: ['{}']}}]
",
            guard.address
        )
    };
    let proxied = format!(
        "
  - job_name: by-proxy
    proxy_url: https://prom:secret@{}
    tls_config: {tls}
    static_configs: [{{targets: ['{}']}}]
",
        guard.address, worker.address
    );
    let jobs = [job("named", "secret"), job("stranger", "guessed"), proxied].concat();
    let prometheus = Prometheus::start(&jobs, "groups: []");
    for (name, up) in [("named", 1.0), ("by-proxy", 1.0), ("stranger", 0.0)] {
        let expression = format!("up{{job=\"{name}\"}}");
        eventually(&expression, &Some(up), || prometheus.value(&expression));
    }
    assert!(prometheus.last_error("stranger").contains("401"), "{}", prometheus.last_error("stranger"));
}
