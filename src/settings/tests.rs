//! Whole settings files, read as an operator would write them, well and badly.

use std::collections::HashMap;

use super::*;
use crate::engine::policy::{Finding, Severity};

/// A directory with these files, and a loader for `guard.yaml` in it that sees no other variables.
fn loader(files: &[(&str, &str)]) -> (tempfile::TempDir, Loader) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config_file = Some(dir.path().join("guard.yaml"));
    let loader = Loader { config_file, environment: Some(HashMap::new()), flags: Vec::new() };
    (dir, loader)
}

fn load(text: &str) -> Result<Loaded, LoadError> {
    loader(&[("guard.yaml", text)]).1.load()
}

/// `line:column message (help)` of everything found, errors and warnings.
fn findings(text: &str) -> Vec<String> {
    let found = match load(text) {
        Ok(loaded) => loaded.findings,
        Err(error) => error.findings,
    };
    found.iter().map(show).collect()
}

fn show(finding: &Finding) -> String {
    let sort = match finding.severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
        Severity::Note => "note: ",
    };
    let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}:{} {sort}{}{help}", finding.line, finding.column, finding.message)
}

const FULL: &str = r#"
mode: observe
web:
  listen_address: [127.0.0.1:10900, ":10901"]
  telemetry_path: /own
  max_connections: 10
storage:
  path: ""
  endpoint_ttl: 6h
scrape:
  timeout: 11s
  max_timeout: 3m
  timeout_offset: 250ms
  connect_timeout: 4s
  body_size_limit: 16MB
  sample_size_limit: 2MiB
  label_limit: 100
  endpoint_series_limit: 0
  members_limit: 1000
  memory_limit: 0
  max_endpoints: 7
  max_concurrent: 8
  hold_output: 1048576
  annotate: false
targets:
  - name: celery
    url: http://celery-exporter:9808/metrics?a=b
    fallback_scrape_protocol: PrometheusText0.0.4
    basic_auth: {username: me, password: hunter2}
  - name: workers
    address: 'worker-[0-9]+\.svc:(8000|9394)'
    paths: [/metrics, /m2]
    mode: pass
    authorization: {credentials: sesame}
  - name: pods
    cidr: 10.0.0.0/8
    ports: [8000, 9394]
    scheme: https
    insecure_skip_verify: true
    headers: {X-Scope: [a, b], X-One: c}
builtin_policy: false
"#;

#[test]
fn every_key_is_read() {
    let settings = load(FULL).unwrap().settings;
    assert_eq!(settings.mode, Mode::Observe);
    let listen: Vec<String> = settings.web.listen_address.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:10900", "0.0.0.0:10901"]);
    assert_eq!((settings.web.telemetry_path.as_str(), settings.web.max_connections), ("/own", 10));
    assert_eq!((settings.storage.path, settings.storage.endpoint_ttl), (None, Duration::from_secs(21_600)));
    let scrape = settings.scrape;
    assert_eq!((scrape.timeout, scrape.max_timeout), (Duration::from_secs(11), Duration::from_secs(180)));
    assert_eq!((scrape.timeout_offset, scrape.connect_timeout), (Duration::from_millis(250), Duration::from_secs(4)));
    assert_eq!((scrape.body_size_limit, scrape.sample_size_limit, scrape.label_limit), (16 << 20, 2 << 20, 100));
    assert_eq!((scrape.endpoint_series_limit, scrape.members_limit, scrape.memory_limit), (0, 1000, 0));
    assert_eq!((scrape.max_endpoints, scrape.max_concurrent, scrape.hold_output), (7, 8, 1 << 20));
    assert_eq!((scrape.annotate, settings.builtin_policy), (false, false));
}

#[test]
fn every_kind_of_target_is_read() {
    let targets = load(FULL).unwrap().settings.targets;
    let [celery, workers, pods] = targets.as_slice() else { panic!("{targets:?}") };
    let Allow::Url(url) = &celery.allow else { panic!("{celery:?}") };
    assert_eq!((celery.name.as_str(), url.to_string().as_str()), ("celery", "http://celery-exporter:9808/metrics?a=b"));
    assert_eq!(celery.fallback_scrape_protocol, Some(FallbackProtocol::Text));
    let Credentials::Basic { username, password } = &celery.credentials else { panic!("{celery:?}") };
    assert_eq!((username.as_str(), password.0.as_str()), ("me", "hunter2"));

    let Allow::Address { pattern, scheme, paths } = &workers.allow else { panic!("{workers:?}") };
    assert!(pattern.is_match("worker-17.svc:8000") && !pattern.is_match("worker-17.svc:80001"));
    assert_eq!((*scheme, paths.len(), workers.mode), (Scheme::Http, 2, Mode::Pass));
    let Credentials::Authorization(value) = &workers.credentials else { panic!("{workers:?}") };
    assert_eq!(value.0, "Bearer sesame");

    let Allow::Cidr { net, ports, scheme, paths } = &pods.allow else { panic!("{pods:?}") };
    assert_eq!((net.to_string().as_str(), ports.as_slice(), *scheme), ("10.0.0.0/8", &[8000, 9394][..], Scheme::Https));
    assert!(paths.is_empty() && pods.tls.insecure_skip_verify);
    let headers: Vec<_> = pods.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())).collect();
    assert_eq!(headers, [("X-Scope", "a"), ("X-Scope", "b"), ("X-One", "c")]);
}

#[test]
fn files_for_tls_to_a_store_are_looked_at_and_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    std::fs::write(dir.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    let load = |storage: &str| {
        let file = dir.path().join("guard.yaml");
        std::fs::write(&file, format!("storage: {{{storage}}}\ntargets: [{{name: a, address: a}}]\n")).unwrap();
        let loader = Loader { config_file: Some(file), environment: Some(HashMap::new()), flags: vec![] };
        loader.load().map(|loaded| loaded.settings.storage.tls).map_err(|error| error.to_string())
    };
    let all = load("url: 'rediss://a', ca_file: cert.pem, cert_file: cert.pem, key_file: key.pem").unwrap();
    assert_eq!(all.key_file, Some(dir.path().join("key.pem")));
    assert_eq!(load("url: 'redis://a'"), Ok(StoreTls::default()));
    for (storage, why) in [
        ("url: 'rediss://a', ca_file: missing.pem", "cannot read"),
        ("url: 'rediss://a', ca_file: key.pem", "there is no certificate in PEM"),
        ("url: 'rediss://a', cert_file: cert.pem, key_file: cert.pem", "there is no key in PEM"),
        ("url: 'rediss://a', cert_file: cert.pem", "one of them is missing"),
        ("url: 'redis://a', ca_file: cert.pem", "write rediss://"),
    ] {
        let error = load(storage).unwrap_err();
        assert!(error.contains(why), "{storage}: {error}");
    }
}

#[test]
fn every_mistake_is_named_at_once_and_at_its_place() {
    let text = "\
mode: enforc
web:
  listen_adress: [127.0.0.1:1]
  listen_address: [localhost]
  telemetry_path: metrics
scrape: {timeout: 10, hold_output: 8 megs, label_limit: -1, connect_timeout: 0s}
targets:
  - nme: a
    url: http://a/metrics
  - {name: 'a b', url: http://a/metrics}
  - {name: b, url: http://a/metrics, address: 'x:1'}
  - {name: c, address: 'x(:1'}
  - {name: d, cidr: 10.0.0.1/8}
  - {name: e, url: 'http://me:pw@a/metrics'}
  - {name: f, url: 'a:9100/metrics', ports: [1]}
  - {name: g, url: 'https://a/metrics', fallback_scrape_protocol: PrometheusText0.0.5, tls_config: {}}
  - {name: g, url: 'https://b/metrics', headers: {Host: b, 'X Y': c}}
nonsense: 1
";
    let got = findings(text);
    let want = [
        "1:7 unknown mode `enforc` (did you mean `enforce`?)",
        "3:3 unknown key `listen_adress` (did you mean `listen_address`?)",
        "4:20 `localhost` is no address to listen on (an IP address and a port, as in 127.0.0.1:10900, 0.0.0.0:10900, [::]:10900)",
        "5:19 `metrics` is no path (as in /metrics)",
        "6:19 `10` is no duration (a number and a unit, as in 30s, 1h30m, 500ms (units: y w d h m s ms))",
        "6:36 `8 megs` is no size (a number with B, KB, MB, GB or TB, as in 8MB; 0 for none)",
        "6:57 a whole number, not negative, is wanted here, this is a number",
        "6:78 `connect_timeout` must be longer than 0",
        "8:5 unknown key `nme` (did you mean `name`?)",
        "8:5 `name` is missing",
        "10:12 `a b` cannot name a target (letters, digits, `_`, `-` and `.`: it stands in /scrape/NAME and in http://NAME@guard:10900)",
        "11:38 a target has exactly one of `url`, `address` and `cidr`",
        "12:24 `x(:1` is no regular expression: unclosed group",
        "13:5 `cidr` needs `ports`: without them every service in the range could be asked (as in ports: [8000, 9394])",
        "13:21 `10.0.0.1/8` has bits beyond its prefix (did you mean `10.0.0.0/8`?)",
        "14:20 `http://me:pw@a/metrics` holds credentials (write `basic_auth: {username: …, password_file: …}`)",
        "15:20 `a:9100/metrics` is no URL (as in http://celery-exporter:9808/metrics)",
        "15:38 `ports` does not go with `url`, which says it",
        "16:67 unknown protocol `PrometheusText0.0.5` (did you mean `PrometheusText0.0.4`?)",
        "16:88 unknown key `tls_config` (write `ca_file` and `insecure_skip_verify` beside `name`)",
        "17:5 a target named `g` stands above already",
        "17:51 `Host` is set by the guard itself",
        "17:60 `X Y` cannot name a header",
        "18:1 unknown key `nonsense` (one of mode, web, storage, scrape, targets, policy_files, builtin_policy)",
    ];
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got, want);
    }
    assert_eq!(got.len(), want.len(), "{got:#?}");
}

#[test]
fn a_later_origin_overrules() {
    let (_dir, mut loader) = loader(&[("guard.yaml", "mode: observe\nscrape: {timeout: 1s, max_timeout: 2s}\n")]);
    let variable = |name: &str, value: &str| (format!("CARDINALITY_GUARD__{name}"), value.to_owned());
    loader.environment = Some(HashMap::from([
        variable("SCRAPE__TIMEOUT", "3s"),
        variable("MODE", "pass"),
        variable("WEB__LISTEN_ADDRESS", "127.0.0.1:1, 127.0.0.1:2"),
        variable("SCRAPE__ANNOTATE", "false"),
        variable("TARGETS", "[{name: a, url: 'http://a/m'}]"),
    ]));
    loader.flags = vec![Flag { name: "--mode", key: "mode", values: vec!["enforce".into()] }];
    let settings = loader.load().unwrap().settings;
    assert_eq!(
        (settings.scrape.timeout, settings.scrape.max_timeout),
        (Duration::from_secs(3), Duration::from_secs(2))
    );
    assert_eq!((settings.mode, settings.scrape.annotate), (Mode::Enforce, false));
    assert_eq!((settings.web.listen_address.len(), settings.targets.len()), (2, 1));
}

#[test]
fn a_variable_or_flag_is_named_like_a_file() {
    let (_dir, mut loader) = loader(&[("guard.yaml", "")]);
    let variable = |name: &str, value: &str| (format!("CARDINALITY_GUARD__{name}"), value.to_owned());
    loader.environment = Some(HashMap::from([
        variable("SCRAPE__TIMEOT", "3s"),
        variable("SCRAPE__LABEL_LIMIT", "many"),
        variable("TARGETS", "[{name: a}]"),
    ]));
    loader.flags = vec![Flag { name: "--web.listen-address", key: "web.listen_address", values: vec!["nope".into()] }];
    let error = loader.load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "CARDINALITY_GUARD__SCRAPE__LABEL_LIMIT: a whole number, not negative, is wanted here, this is text\n\
         CARDINALITY_GUARD__SCRAPE__TIMEOT: unknown key `timeot` (did you mean `timeout`?)\n\
         CARDINALITY_GUARD__TARGETS:1:2: a target has exactly one of `url`, `address` and `cidr`\n\
         --web.listen-address: `nope` is no address to listen on (an IP address and a port, as in 127.0.0.1:10900, \
         0.0.0.0:10900, [::]:10900)"
    );
}

#[test]
fn secrets_come_from_files_and_never_show() {
    let text = "\
targets:
  - {name: a, url: 'http://a/m', basic_auth: {username: me, password_file: sub/pw}}
  - {name: b, url: 'http://b/m', authorization: {type: Token, credentials_file: sub/pw}, headers: {X-Key: hunter3}}
";
    let (_dir, loader) = loader(&[("guard.yaml", text), ("sub/pw", " hunter2\n")]);
    let settings = loader.load().unwrap().settings;
    let Credentials::Basic { password, .. } = &settings.targets[0].credentials else { panic!() };
    assert_eq!(password.0, "hunter2");
    let Credentials::Authorization(value) = &settings.targets[1].credentials else { panic!() };
    assert_eq!(value.0, "Token hunter2");
    let shown = format!("{}{settings:?}", settings.redacted());
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(shown.matches("<secret>").count(), 6, "{shown}");

    let missing = findings(
        "targets: [{name: a, url: 'http://a/m', ca_file: /nope, basic_auth: {username: a, password_file: /nope2}}]",
    );
    assert_eq!(missing.len(), 2, "{missing:#?}");
    assert!(missing.iter().all(|finding| finding.contains("cannot read /nope")), "{missing:#?}");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let shown = load(FULL).unwrap().settings.redacted();
    let again = load(&shown).unwrap();
    assert_eq!(again.settings.redacted(), shown);
    assert_eq!(again.findings, []);
    let built_in = load("").unwrap().settings.redacted();
    assert_eq!(load(&built_in).unwrap().settings.redacted(), built_in);
}

#[test]
fn policy_files_are_read_in_bytewise_path_order() {
    let policy = "policies: []\n";
    let (dir, mut loader) = loader(&[
        ("guard.yaml", "policy_files: ['p/b*.yaml', 'p/*.yaml']\n"),
        ("p/a.yaml", policy),
        ("p/B.yaml", policy),
        ("p/b1.yaml", policy),
    ]);
    let loaded = loader.load().unwrap();
    let names: Vec<&str> = loaded.sources[1..].iter().map(|source| source.name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["B.yaml", "a.yaml", "b1.yaml"]);

    let absolute = dir.path().join("p/a.yaml").display().to_string();
    loader.flags = vec![Flag { name: "--policy.files", key: "policy_files", values: vec![absolute.clone()] }];
    let loaded = loader.load().unwrap();
    assert_eq!(loaded.sources[1..].iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), [absolute]);
}

#[test]
fn a_digest_stands_for_everything_that_was_read() {
    let text = "policy_files: [p.yaml]\ntargets: [{name: a, url: 'http://a/m', basic_auth: {username: me, password_file: pw}}]\n";
    let (dir, loader) = loader(&[("guard.yaml", text), ("p.yaml", "policies: []\n"), ("pw", "one")]);
    let digest = || loader.load().map_or_else(|error| error.digest, |loaded| loaded.digest);
    let mut before = digest();
    assert_eq!(digest(), before);
    for (file, text) in
        [("pw", "two"), ("p.yaml", "policies: []\n\n"), ("guard.yaml", "mode: enforc\n"), ("guard.yaml", "")]
    {
        std::fs::write(dir.path().join(file), text).unwrap();
        assert_ne!(digest(), before, "{file}");
        before = digest();
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (_dir, mut loader) = loader(&[("guard.yaml", "policy_files: [nope.yaml, 'no/*.yaml']\n")]);
    let error = loader.load().unwrap_err();
    assert!(error.to_string().ends_with("policy_files: `nope.yaml` names no file"), "{error}");
    assert_eq!(error.findings.len(), 3, "the pattern and the missing targets are warnings");
    loader.config_file = Some("/does/not/exist.yaml".into());
    assert!(loader.load().unwrap_err().to_string().starts_with("/does/not/exist.yaml: cannot be read: "));
}

/// A sparse file and a device without end: neither is read to its end.
#[test]
fn a_file_that_is_far_too_long_is_refused_before_it_is_read() {
    let (dir, mut loader) = loader(&[("guard.yaml", "policy_files: [huge.yaml]\n")]);
    std::fs::File::create(dir.path().join("huge.yaml")).unwrap().set_len(1 << 40).unwrap();
    let said = loader.load().unwrap_err().to_string();
    assert!(said.contains("huge.yaml") && said.contains("longer than 16 MiB"), "{said}");
    loader.config_file = Some("/dev/zero".into());
    let said = loader.load().unwrap_err().to_string();
    assert!(said.contains("longer than 16 MiB"), "{said}");
}
