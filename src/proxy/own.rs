//! What is this process itself: its listeners and its name in `Via`. Scraping them is a loop.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, VIA};

use super::failure::Failure;
use super::host::plain;

/// Who we are.
#[derive(Debug)]
pub struct Own {
    listeners: Vec<SocketAddr>,
    pseudonym: String,
}

impl Own {
    /// The pseudonym is another one for every process: guards in a row are no loop.
    pub fn new(listeners: Vec<SocketAddr>) -> Own {
        let random = RandomState::new().hash_one(&listeners);
        Own { listeners, pseudonym: format!("cardinality-guard-{random:016x}") }
    }

    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// Fails when this request has been here before.
    pub fn check_via(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let lines = headers.get_all(VIA).iter().filter_map(|line| line.to_str().ok());
        let seen =
            lines.flat_map(|line| line.split(',')).any(|hop| hop.split_whitespace().nth(1) == Some(&self.pseudonym));
        if seen { Err(Failure::Loop) } else { Ok(()) }
    }

    /// Fails when this is an address we listen on.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), Failure> {
        let local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
        self.refuse(address, local)
    }

    /// The same once connected: an address of this machine is one that both ends have.
    pub fn check_connected(&self, local: SocketAddr, peer: SocketAddr) -> Result<(), Failure> {
        let same = plain(local.ip()) == plain(peer.ip());
        self.refuse(peer, |ip| same || ip.is_loopback())
    }

    fn refuse(&self, address: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> Result<(), Failure> {
        let ip = plain(address.ip());
        let ours = |listener: &SocketAddr| {
            let on = plain(listener.ip());
            listener.port() == address.port()
                && (on == ip || (ip.is_unspecified() && is_reached_by_any(on)) || (on.is_unspecified() && is_local(ip)))
        };
        if self.listeners.iter().any(ours) { Err(Failure::Loop) } else { Ok(()) }
    }
}

/// Connecting to 0.0.0.0 means connecting to the loopback address.
fn is_reached_by_any(listener: IpAddr) -> bool {
    listener.is_loopback() || listener.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(listener: &str) -> Own {
        Own::new(vec![listener.parse().unwrap()])
    }

    fn is_loop(listener: &str, address: &str) -> bool {
        own(listener).check_address(address.parse().unwrap()).is_err()
    }

    #[test]
    fn knows_its_own_listeners() {
        for (listener, address, expected) in [
            ("127.0.0.1:10900", "127.0.0.1:10900", true),
            ("127.0.0.1:10900", "[::ffff:127.0.0.1]:10900", true),
            ("127.0.0.1:10900", "0.0.0.0:10900", true),
            ("127.0.0.1:10900", "127.0.0.1:10901", false),
            ("127.0.0.1:10900", "10.0.0.1:10900", false),
            ("0.0.0.0:10900", "127.9.9.9:10900", true),
            ("[::]:10900", "127.0.0.1:10900", true),
            ("0.0.0.0:10900", "10.0.0.1:10900", false),
        ] {
            assert_eq!(is_loop(listener, address), expected, "{listener} {address}");
        }
    }

    #[test]
    fn knows_its_own_address_once_connected() {
        let own = own("0.0.0.0:10900");
        let at = |text: &str| text.parse().unwrap();
        assert!(own.check_connected(at("10.0.0.1:55555"), at("10.0.0.1:10900")).is_err());
        assert!(own.check_connected(at("10.0.0.2:55555"), at("10.0.0.1:10900")).is_ok());
    }

    #[test]
    fn only_its_own_pseudonym_is_a_loop() {
        let (a, b) = (own("127.0.0.1:1"), own("127.0.0.1:1"));
        let mut headers = HeaderMap::new();
        headers.append(VIA, format!("1.0 fred, 1.1 {} (comment)", a.pseudonym()).parse().unwrap());
        assert_eq!(a.check_via(&headers), Err(Failure::Loop));
        assert_eq!(b.check_via(&headers), Ok(()));
    }
}
