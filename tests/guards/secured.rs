//! A store over TLS: whom the guards trust, what they show it, and what they say when that fails.

use crate::authority::{Authority, Identity};
use crate::exporter::Exporter;
use crate::forms::shows_with;
use crate::node::Node;
use crate::process::eventually;
use crate::replicas::{Replica, Shown};
use crate::stage::POLICY;

const UP: &str = "cardinality_guard_state_store_up";
const HERE: &str = "127.0.0.1";

/// The command that the page gives for a user with the rights a guard needs and no others.
fn documented_user() -> String {
    let page = include_str!("../../docs/scaling.md");
    let line = page.lines().find(|line| line.starts_with("ACL SETUSER guard")).expect("no ACL SETUSER on the page");
    line.to_owned()
}

/// Settings of `storage:` that trust this authority and show this identity.
fn knowing(url: &str, identity: &Identity) -> String {
    let (ca, cert, key) = (identity.ca_file(), identity.cert_file(), identity.key_file());
    format!("url: '{url}', ca_file: '{ca}', cert_file: '{cert}', key_file: '{key}'")
}

/// Settings that trust it and show nothing.
fn trusting(url: &str, identity: &Identity) -> String {
    format!("url: '{url}', ca_file: '{}'", identity.ca_file())
}

fn guard(storage: &str, exporter: &Exporter) -> Replica {
    let target = format!("{{name: app, url: 'http://{}/metrics'}}", exporter.address);
    Replica::start(&format!("storage: {{{storage}}}\nbuiltin_policy: false\ntargets: [{target}]\n"), POLICY)
}

/// A guard with these settings leaves folded counters out, and says why in its log.
fn fails_saying(storage: &str, why: &str) {
    let exporter = Exporter::start();
    let guard = guard(storage, &exporter);
    assert_eq!((guard.scrape("app"), guard.metric(UP)), (Shown::Withheld, 0.0), "{storage}");
    let said = guard.said();
    assert!(said.contains(why), "{storage}: {said}");
}

#[test]
fn a_user_with_no_more_rights_than_documented_over_tls() {
    let store = Authority::new().identity(HERE);
    let node = Node::secured(store.clone(), &["--tls-auth-clients", "no"]);
    assert_eq!(node.tell(&documented_user()), "OK");
    node.tell("ACL SETUSER default off");
    shows_with(&trusting(&format!("rediss://guard:password@{}", node.address), &store));
    fails_saying(&trusting(&format!("valkeys://guard:wrong@{}", node.address), &store), "no such user and password");
    fails_saying(&trusting(&format!("rediss://{}", node.address), &store), "wants a password");
}

#[test]
fn a_store_that_asks_who_is_there_is_shown_a_certificate() {
    let authority = Authority::new();
    let (store, client) = (authority.identity(HERE), authority.identity("guard"));
    let node = Node::secured(store, &[]);
    let url = format!("rediss://{}", node.address);
    shows_with(&knowing(&url, &client));
    fails_saying(&trusting(&url, &client), "the store wants a certificate");
}

#[test]
fn a_store_that_nobody_vouches_for_is_told_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let known = ours.identity(HERE);
    let stranger = Node::secured(theirs.identity(HERE), &["--tls-auth-clients", "no"]);
    let url = format!("rediss://:se%40cret@{}", stranger.address);
    fails_saying(&trusting(&url, &known), "signed by nobody in storage.ca_file");
    fails_saying(&format!("url: '{url}'"), "signed by nobody in storage.ca_file");
    assert_eq!(stranger.tell("DBSIZE"), "0");
    let elsewhere = Node::secured(ours.identity("store.example"), &["--tls-auth-clients", "no"]);
    fails_saying(&trusting(&format!("rediss://{}", elsewhere.address), &known), "for another name");
}

#[test]
fn a_certificate_that_was_renewed_needs_no_restart() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let (client, exporter) = (known.identity("guard"), Exporter::start());
    let node = Node::secured(known.identity(HERE), &[]);
    // Trusted is who is to be trusted, shown is what the store does not know.
    let ca = std::fs::read(client.ca_file()).unwrap();
    unknown.renew(&client, "guard");
    std::fs::write(client.ca_file(), ca).unwrap();
    let guard = guard(&knowing(&format!("rediss://{}", node.address), &client), &exporter);
    assert_eq!((guard.scrape("app"), guard.metric(UP)), (Shown::Withheld, 0.0));
    known.renew(&client, "guard");
    eventually("the guard is let in", &1.0, || guard.metric(UP));
    // Nothing was shown before.
    assert_eq!(guard.scrape("app"), Shown::Counter(0));
    exporter.forget_until(exporter.increments());
    for _ in 0..3 {
        assert_eq!(guard.scrape("app"), Shown::Counter(exporter.increments()));
    }
}

#[test]
fn a_cluster_and_a_master_that_sentinels_know_over_tls() {
    let identity = Authority::new().identity(HERE);
    let node = Node::secured(identity.clone(), &["--cluster-enabled", "yes"]);
    node.tell("CLUSTER ADDSLOTSRANGE 0 16383");
    eventually("the cluster is whole", &true, || node.tell("CLUSTER INFO").contains("cluster_state:ok"));
    shows_with(&knowing(&format!("rediss+cluster://{}", node.address), &identity));

    let master = Node::secured(identity.clone(), &["--requirepass", "secret"]);
    let sentinel = Node::secured(identity.clone(), &["--sentinel", "--requirepass", "secret"]);
    let (host, port) = (master.address.ip(), master.address.port());
    for command in [format!("SENTINEL MONITOR guards {host} {port} 1"), "SENTINEL SET guards auth-pass secret".into()] {
        assert_eq!(sentinel.tell(&format!("-a secret {command}")), "OK");
    }
    shows_with(&knowing(&format!("rediss+sentinel://:secret@{}/guards", sentinel.address), &identity));
}
