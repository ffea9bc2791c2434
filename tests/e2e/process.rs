//! Processes and ports that go with the test.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// When a test gives up waiting for something that should have happened long ago. It decides
/// nothing but how soon a broken build says so.
const GIVE_UP: Duration = Duration::from_secs(180);

/// A child that ends when the test does.
pub struct Process(Child);

impl Process {
    /// Panics with `missing` when there is no such program.
    pub fn start(command: &mut Command, missing: &str) -> Process {
        match command.spawn() {
            Ok(child) => Process(child),
            Err(error) => panic!("{missing} ({error})"),
        }
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Sends a signal (`-HUP`).
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends a signal (`-TERM`, `-INT`) and gives the exit code of the end that follows.
    pub fn end_with(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.0.wait().unwrap().code()
    }

    /// SIGKILL, as the kernel's memory killer does it.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Asks until the answer is what was expected.
pub fn eventually<T: PartialEq + Debug>(what: &str, expected: &T, mut ask: impl FnMut() -> T) {
    let begin = Instant::now();
    loop {
        let got = ask();
        if got == *expected {
            return;
        }
        assert!(begin.elapsed() < GIVE_UP, "{what}: expected {expected:?}, still {got:?}");
        sleep(Duration::from_millis(100));
    }
}
