//! A process that is measured: its CPU time from the kernel's own account.

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Ends with the bench.
pub struct Process {
    child: Child,
    /// Nanoseconds by thread, those that have ended included.
    threads: HashMap<String, u64>,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Process { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), threads: HashMap::new() }
    }

    /// CPU time so far, user and system, once nothing moves any more.
    pub fn cpu(&mut self) -> Duration {
        let mut before = self.sum();
        loop {
            sleep(Duration::from_millis(2));
            let now = self.sum();
            if now == before {
                return Duration::from_nanos(now);
            }
            before = now;
        }
    }

    /// CPU time so far, whether it rests or not.
    pub fn cpu_now(&mut self) -> Duration {
        Duration::from_nanos(self.sum())
    }

    fn sum(&mut self) -> u64 {
        // `/proc/PID/stat` counts in hundredths of a second, the scheduler in nanoseconds.
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        for task in tasks.flatten() {
            if let Some(nanos) = nanos(&task.path()) {
                self.threads.insert(task.file_name().into_string().unwrap(), nanos);
            }
        }
        self.threads.values().sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time that this thread spends on it.
pub fn own_cpu(work: impl FnOnce()) -> Duration {
    let spent = || Duration::from_nanos(nanos(Path::new("/proc/thread-self")).unwrap());
    let before = spent();
    work();
    spent() - before
}

fn nanos(task: &Path) -> Option<u64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
}

/// A port that was free a moment ago.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until somebody listens.
pub fn listening(address: SocketAddr) {
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("nobody listens on {address}");
}

/// Where a program is.
pub fn is_installed(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    // Debian keeps servers where only root looks.
    let places = path.split(':').chain(["/usr/sbin"]);
    let found = places.map(|place| format!("{place}/{program}")).find(|file| fs::metadata(file).is_ok());
    found.or_else(|| fs::metadata(program).is_ok().then(|| program.to_owned()))
}
