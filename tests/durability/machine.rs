//! A machine of its own for a guard, as far as mounts go: a disk that is small or read-only, another
//! boot. It ends with the process, and takes no privileges beyond what `unshare --user` gives; where
//! that is not to be had, the tests that need it fail and say so.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use super::binary::command;
use super::server::Server;

/// Starts the binary with these arguments after `mounts`, a line of shell.
pub(crate) fn start_after(mounts: &str, args: &[&str]) -> Server {
    let guard = command(args);
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{mounts} && exec \"$@\""), "sh"]);
    inside.arg(guard.get_program()).args(guard.get_args());
    inside.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stderr(std::process::Stdio::piped());
    Server::start(inside)
}

pub(crate) fn disk_of(size: &str, directory: &str) -> String {
    format!("mount -t tmpfs -o size={size} tmpfs '{directory}'")
}

pub(crate) fn read_only_disk(directory: &str) -> String {
    format!("mount -t tmpfs -o ro tmpfs '{directory}'")
}

/// The machine's boot id is what the file holds.
pub(crate) fn boot(file: &str) -> String {
    format!("mount --bind '{file}' /proc/sys/kernel/random/boot_id")
}

/// A disk as the guard sees it.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn of(server: &Server, directory: &str) -> Disk {
        Disk(format!("/proc/{}/root{directory}", server.pid()).into())
    }

    /// Takes every byte that is left.
    pub(crate) fn fill(&self) {
        let mut filler = fs::OpenOptions::new().append(true).create(true).open(self.0.join("filler")).unwrap();
        for size in [4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    pub(crate) fn states(&self) -> usize {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "state")).count()
    }
}
