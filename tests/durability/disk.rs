//! Disks that are full or read-only, and a power cut: real file systems, mounted for the guard alone.

use std::fs;
use std::time::SystemTime;

use super::machine::{Disk, boot, disk_of, read_only_disk, start_after};
use super::process::{Case, errors, kill, scrape};
use super::server::Server;

/// A guard whose storage is on a disk of its own.
fn start_on(case: &Case, mounts: &str) -> Server {
    start_after(mounts, &["serve", &case.config_file()])
}

fn data(case: &Case) -> String {
    let data = case.dir.path("data");
    fs::create_dir_all(&data).unwrap();
    data
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "mounts a disk as Linux does")]
fn rule_7_4_a_full_disk_keeps_serving_counts_and_says_so_once() {
    let case = Case::new();
    let data = data(&case);
    let server = start_on(&case, &disk_of("64k", &data));
    let disk = Disk::of(&server, &data);
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    assert_eq!((errors(&server, "full"), disk.states()), (0.0, 1));
    // A record fits in what is left of the file's last page, so it takes some until one does not.
    for _ in 0..1000 {
        if errors(&server, "full") >= 3.0 {
            break;
        }
        disk.fill();
        case.scrape_exactly(&server);
    }
    assert_eq!((errors(&server, "full"), disk.states()), (3.0, 0), "what has fallen behind is gone");
    disk.empty();
    case.scrape_exactly(&server);
    assert_eq!((errors(&server, "full"), disk.states()), (3.0, 1), "there is room again");
    let log = kill(server);
    assert_eq!(log.matches("state is not written").count(), 1, "{log}");
    assert!(log.contains("reason=\"full\"") || log.contains("reason=full"), "{log}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "mounts a disk as Linux does")]
fn rule_7_4_a_read_only_directory_keeps_serving_counts_and_says_so_once() {
    let case = Case::new();
    let data = data(&case);
    let server = start_on(&case, &read_only_disk(&data));
    for _ in 0..5 {
        case.scrape_exactly(&server);
    }
    assert!(errors(&server, "io") >= 1.0);
    assert_eq!(Disk::of(&server, &data).states(), 0);
    let log = kill(server);
    assert_eq!(log.matches("state is not written").count(), 1, "{log}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "another boot id is mounted as Linux does")]
fn rule_7_4_after_a_power_cut_older_records_are_not_resumed() {
    let case = Case::new();
    let (data, older) = (data(&case), case.dir.path("older"));
    let (one, two) = (case.dir.path("boot-one"), case.dir.path("boot-two"));
    fs::write(&one, "11111111-1111-4111-8111-111111111111\n").unwrap();
    fs::write(&two, "22222222-2222-4222-8222-222222222222\n").unwrap();

    let server = start_on(&case, &boot(&one));
    case.scrape_exactly(&server);
    case.scrape_exactly(&server);
    copy_with_times(&data, &older);
    case.scrape_exactly(&server);
    kill(server);
    // The disk had the older records only.
    fs::remove_dir_all(&data).unwrap();
    copy_with_times(&older, &data);

    let server = start_on(&case, &boot(&two));
    assert_eq!(scrape(server.address(), "/scrape/app"), Some(0), "rule 7.1: costs the gap, never a spike");
    assert_eq!((errors(&server, "boot"), case.files("aside")), (1.0, 1));
    kill(server);
    assert_eq!(case.files("state"), 1);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "another boot id is mounted as Linux does")]
fn rule_7_4_a_clean_end_is_gone_on_from_on_another_boot() {
    let case = Case::new();
    data(&case);
    for id in ["one", "two", "three"] {
        let file = case.dir.path(id);
        fs::write(&file, id).unwrap();
        let mut server = start_on(&case, &boot(&file));
        case.scrape_exactly(&server);
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
    }
    assert!(case.exporter.increments() > 5);
}

fn copy_with_times(from: &str, to: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let copy = std::path::Path::new(to).join(entry.file_name());
        fs::copy(entry.path(), &copy).unwrap();
        let modified: SystemTime = entry.metadata().unwrap().modified().unwrap();
        fs::File::options().write(true).open(copy).unwrap().set_modified(modified).unwrap();
    }
}
