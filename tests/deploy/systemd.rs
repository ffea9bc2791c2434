//! The unit: what it says, and what systemd's own tool says of it.

use std::process::Command;

use super::{binary, text};

const UNIT: &str = "systemd/cardinality-guard.service";
const INSTALLED: &str = "/usr/local/bin/cardinality-guard";

/// The last value of a key.
fn value(key: &str) -> String {
    let unit = text(UNIT);
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.next_back().unwrap_or_else(|| panic!("the unit does not say {key}")).to_owned()
}

#[test]
fn its_state_is_where_systemd_makes_the_directory() {
    let directory = value("StateDirectory");
    assert_eq!(value("StateDirectoryMode"), "0700");
    assert!(value("ExecStart").contains(&format!(" --storage.path=/var/lib/{directory}")));
    assert!(!text(UNIT).contains("\nDynamicUser"), "files whose owner changes are not gone on with");
    let user = value("User");
    assert!(text("systemd/cardinality-guard.sysusers.conf").contains(&format!("\nu {user} ")));
}

#[test]
fn it_is_hardened_and_has_room_for_sockets() {
    for (key, expected) in [
        ("LimitNOFILE", "65536"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallArchitectures", "native"),
        ("Restart", "on-failure"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
}

/// The command line is one the binary takes: it gets as far as the settings file.
#[test]
fn the_command_line_is_accepted() {
    let line = value("ExecStart").replace("/etc/cardinality-guard/guard.yaml", "/does/not/exist");
    let args: Vec<_> = line.strip_prefix(INSTALLED).unwrap().split_whitespace().collect();
    let run = binary::run(&args);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("/does/not/exist: cannot be read"), "{}", run.stderr);
}

/// The unit with the binary that was built in the place of the installed one.
fn analyzed(args: &[&str]) -> String {
    let unit = text(UNIT).replace(INSTALLED, env!("CARGO_BIN_EXE_cardinality-guard"));
    let dir = binary::scratch(&[("cardinality-guard.service", &unit)]);
    let output = Command::new("systemd-analyze").args(args).arg(dir.path("cardinality-guard.service")).output();
    let output = output.unwrap_or_else(|error| panic!("no systemd-analyze: run make setup ({error})"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "systemd-analyze {}: {said}", args.join(" "));
    said
}

#[test]
fn systemd_understands_every_line() {
    let said = analyzed(&["verify"]);
    assert!(!said.contains("cardinality-guard.service:"), "{said}");
}

#[test]
fn systemd_finds_little_exposed() {
    // Tenths: 0 is best, 100 worst.
    let said = analyzed(&["security", "--offline=true", "--threshold=20"]);
    assert!(said.contains("Overall exposure level"), "{said}");
}
