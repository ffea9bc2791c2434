//! The proxy as a process: it starts, is asked about itself, reloads, drains and ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/binary.rs"]
mod binary;
#[path = "support/server.rs"]
mod server;

use binary::{Scratch, command, run, scratch};
use server::Server;

const SETTINGS: &str = "\
web: {listen_address: ['127.0.0.1:0']}
storage: {path: ''}
targets: [{name: exporter, url: 'http://127.0.0.1:9/metrics', basic_auth: {username: me, password: hunter2}}]
";

fn start(settings: &str, flags: &[&str]) -> (Scratch, Server) {
    let dir = scratch(&[("guard.yaml", settings)]);
    let config_file = format!("--config.file={}", dir.path("guard.yaml"));
    let server = Server::start(command(&[&["serve", &config_file], flags].concat()));
    (dir, server)
}

#[test]
fn it_starts_says_how_it_is_and_ends_well() {
    let (_dir, mut server) = start(SETTINGS, &[]);
    assert_eq!(server.get("/-/healthy").status, 200);
    assert_eq!(server.get("/-/ready").status, 200);
    assert!(server.get("/").body.contains("exporter"));
    assert!(server.get("/metrics").body.contains("cardinality_guard_mode{target=\"exporter\",mode=\"enforce\"} 1\n"));
    let shown = server.get("/config").body;
    assert!(shown.contains("password: <secret>") && !shown.contains("hunter2"), "{shown}");
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_reload_takes_what_is_good_and_refuses_what_is_not() {
    let (dir, server) = start(SETTINGS, &[]);
    let write = |text: &str| std::fs::write(dir.path("guard.yaml"), text).unwrap();

    write(&SETTINGS.replace("name: exporter", "name: renamed"));
    assert_eq!(server.request("POST", "/-/reload").status, 200);
    assert!(server.get("/config").body.contains("renamed"));

    write(&SETTINGS.replace("targets:", "tragets:"));
    let refused = server.request("POST", "/-/reload");
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("unknown key `tragets`"), "{}", refused.body);
    assert!(server.get("/config").body.contains("renamed"), "the old one stays");
    assert!(server.get("/metrics").body.contains("cardinality_guard_config_last_reload_successful 0\n"));
    assert_eq!(server.get("/-/reload").status, 405);

    write(&SETTINGS.replace("name: exporter", "name: again"));
    server.signal("HUP");
    server.wait_for_log("configuration loaded", 3);
    assert!(server.get("/config").body.contains("again"));
}

#[test]
fn files_that_change_are_loaded_without_being_told() {
    let (dir, server) = start(SETTINGS, &[]);
    let write = |text: &str| std::fs::write(dir.path("guard.yaml"), text).unwrap();
    write(&SETTINGS.replace("targets:", "tragets:"));
    server.wait_for_log("configuration not loaded", 1);
    write(&SETTINGS.replace("name: exporter", "name: renamed"));
    server.wait_for_log("configuration loaded", 2);
    assert!(server.get("/config").body.contains("renamed"));
}

/// A Kubernetes ConfigMap: `..data` links to a directory of this state, the files link through it, and
/// an update swaps that one link.
#[cfg(unix)]
#[test]
fn a_swapped_link_is_a_change() {
    use std::os::unix::fs::symlink;
    let dir = scratch(&[]);
    let policy = |label: &str| format!("policies: [{{name: p-{label}, labels: [{{label: {label}, action: drop}}]}}]");
    let settings = format!("{SETTINGS}policy_files: [policy.yaml]\n");
    let write = |state: &str, label: &str| {
        std::fs::create_dir(dir.path(state)).unwrap();
        std::fs::write(dir.path(&format!("{state}/guard.yaml")), &settings).unwrap();
        std::fs::write(dir.path(&format!("{state}/policy.yaml")), policy(label)).unwrap();
    };
    write("..first", "a");
    symlink("..first", dir.path("..data")).unwrap();
    for file in ["guard.yaml", "policy.yaml"] {
        symlink(format!("..data/{file}"), dir.path(file)).unwrap();
    }
    let server = Server::start(command(&["serve", &format!("--config.file={}", dir.path("guard.yaml"))]));
    let has = |policy: &str| server.get("/metrics").body.contains(&format!("policy=\"{policy}\""));
    assert!(has("p-a") && !has("p-b"));
    write("..second", "b");
    symlink("..second", dir.path("..new")).unwrap();
    std::fs::rename(dir.path("..new"), dir.path("..data")).unwrap();
    std::fs::remove_dir_all(dir.path("..first")).unwrap();
    server.wait_for_log("configuration loaded", 2);
    assert!(has("p-b"));
}

#[test]
fn flags_overrule_and_logs_are_json_when_asked() {
    let (_dir, server) = start(SETTINGS, &["--mode=observe", "--web.telemetry-path=/own", "--log.format=json"]);
    assert!(server.get("/own").body.contains("cardinality_guard_mode{target=\"exporter\",mode=\"observe\"} 1\n"));
    assert_eq!(server.get("/metrics").status, 404);
}

#[test]
fn the_page_moves_where_it_is_told_to() {
    let settings = SETTINGS.replace("web: {", "web: {admin_listen_address: '127.0.0.1:0', ");
    let (_dir, server) = start(&settings, &[]);
    let (scrapes, page) = (server.at(0), server.at(1));
    assert_eq!((scrapes.get("/").status, scrapes.get("/metrics").status), (404, 200));
    assert_eq!((page.get("/").status, page.get("/metrics").status), (200, 200));
    let mode = "/api/v1/mode?target=exporter&mode=observe";
    assert_eq!((scrapes.get("/api/v1/targets").status, scrapes.request("POST", mode).status), (404, 404));
    assert_eq!((page.get("/api/v1/targets").status, page.request("POST", mode).status), (200, 200));
    assert_eq!(page.get("/scrape/exporter").status, 404);
    assert_eq!(scrapes.get("/scrape/exporter").status, 502);
}

#[test]
fn a_bad_configuration_serves_nothing() {
    let dir = scratch(&[("guard.yaml", "mode: enforc\nwbe: {}\n")]);
    let config_file = format!("--config.file={}", dir.path("guard.yaml"));
    for (args, told) in [
        (&["serve", &config_file][..], "unknown mode `enforc`"),
        (&["serve", &config_file], "unknown key `wbe`"),
        (&["serve", "--config.file=/does/not/exist"], "cannot be read"),
        (&["serve", "--web.listen-address=nowhere"], "`nowhere` is no address to listen on"),
    ] {
        let got = run(args);
        assert_eq!((got.code, got.stdout.as_str()), (1, ""), "{args:?}: {}", got.stderr);
        assert!(got.stderr.contains(told), "{args:?}: {}", got.stderr);
    }
    let nothing = run(&["serve"]);
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = scratch(&[("guard.yaml", &SETTINGS.replace("127.0.0.1:0", &address))]);
    let got = run(&["serve", &format!("--config.file={}", dir.path("guard.yaml"))]);
    assert_eq!(got.code, 1);
    assert!(got.stderr.contains(&format!("cannot listen on {address}")), "{}", got.stderr);
}
