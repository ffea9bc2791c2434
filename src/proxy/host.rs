//! The host of an endpoint in one normal form, and the addresses nobody may be led to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::settings::Scheme;

/// A host as it is compared, resolved and shown: lower case, without a trailing dot, an
/// IPv4-mapped address as IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// Not a host one may ask for: user info, a zone, or a number that resolvers read in their own
/// way (`2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1 to some).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHost;

/// Where an address leads that must be listed by name: the machine itself, the link, the metadata
/// service of a cloud.
const RESERVED_V4: [Ipv4Net; 8] = [
    v4([0, 0, 0, 0], 8),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([100, 100, 100, 200], 32),
    v4([168, 63, 129, 16], 32),
    v4([192, 0, 0, 192], 32),
    v4([224, 0, 0, 0], 4),
    v4([255, 255, 255, 255], 32),
];
const RESERVED_V6: [Ipv6Net; 5] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

impl Host {
    /// Reads the host part of an authority.
    pub fn parse(text: &str) -> Result<Host, BadHost> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| BadHost)?;
            return Ok(Host::Address(plain(address.into())));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let labelled = name.split('.').all(|label| !label.is_empty());
        if !labelled || name.len() > 253 || !name.bytes().all(sound) || ends_in_a_number(&name) {
            return Err(BadHost);
        }
        Ok(Host::Name(name))
    }

    /// Says that this name means the machine itself wherever it is asked for.
    pub fn is_localhost(&self) -> bool {
        matches!(self, Host::Name(name) if name == "localhost" || name.ends_with(".localhost"))
    }
}

pub fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

/// An address as what it means to a socket: IPv4 inside IPv6 (mapped, or behind NAT64) as IPv4.
pub fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        other => other,
    }
}

/// The reserved range that a (plain) address lies in.
pub fn reserved_range(address: IpAddr) -> Option<IpNet> {
    match address {
        IpAddr::V4(v4) => RESERVED_V4.iter().find(|net| net.contains(&v4)).map(|&net| net.into()),
        IpAddr::V6(v6) => RESERVED_V6.iter().find(|net| net.contains(&v6)).map(|&net| net.into()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Host::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// The last label decides whether resolvers take the whole for a number.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_normal_form() {
        let table = [
            ("Worker-1.SVC", "worker-1.svc"),
            ("localhost.", "localhost"),
            ("10.1.2.3", "10.1.2.3"),
            ("[::1]", "[::1]"),
            ("[::ffff:169.254.169.254]", "169.254.169.254"),
            ("[64:ff9b::7f00:1]", "127.0.0.1"),
            ("celery_exporter", "celery_exporter"),
        ];
        for (text, expected) in table {
            assert_eq!(Host::parse(text).map(|h| h.to_string()), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn refuses_numbers_in_disguise_and_other_tricks() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.1",
            "",
            ".",
            "a..",
            ".a",
            "a..b",
            "a b",
            "ok@evil",
            "::1",
            "[fe80::1%eth0]",
            "a/b",
            "0x",
        ] {
            assert_eq!(Host::parse(text), Err(BadHost), "{text}");
        }
    }

    #[test]
    fn knows_the_reserved_ranges() {
        for text in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "100.100.100.200"] {
            assert!(reserved_range(text.parse().unwrap()).is_some(), "{text}");
        }
        for text in ["::1", "::", "fe80::1", "fd00:ec2::254"] {
            assert!(reserved_range(text.parse().unwrap()).is_some(), "{text}");
        }
        for text in ["10.0.0.1", "192.168.1.1", "8.8.8.8", "100.100.100.201", "fd00::1", "2001:db8::1"] {
            assert!(reserved_range(text.parse().unwrap()).is_none(), "{text}");
        }
    }
}
