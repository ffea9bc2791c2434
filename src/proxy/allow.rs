//! What may be scraped: the entries of `targets:` in order, the first that allows it decides.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use regex::Regex;

use crate::settings::{Allow, Scheme, Target};
use crate::state::{ActiveTarget, Config, EndpointKey};

use super::failure::Failure;
use super::host::{Host, default_port, plain, reserved_range};
use super::lookup::Lookup;
use super::route::{Entry, Place, Wanted, origin_form, take_target};

/// A scrape that was allowed: by which entry, of what, and to which addresses.
#[derive(Clone, Debug)]
pub struct Grant {
    pub target: Arc<ActiveTarget>,
    pub endpoint: EndpointKey,
    pub host: Host,
    pub reach: Reach,
    /// Addresses looked up already (an entry went by them). Nobody looks them up again: the
    /// second answer could be another one.
    pub addresses: Option<Vec<SocketAddr>>,
}

/// To which addresses a connection may be made.
#[derive(Clone, Debug)]
pub enum Reach {
    /// The operator wrote the host itself.
    Anywhere,
    /// Not into reserved ranges, unless the pattern also matches the literal address.
    Matching(Regex),
    Within(IpNet),
}

/// What is asked for, once the way in has been read.
struct Asked {
    scheme: Option<Scheme>,
    host: Host,
    port: Option<u16>,
    path_and_query: Option<String>,
    extra_query: String,
}

/// What an entry says to it, before any address is known.
struct Match {
    reach: Reach,
    scheme: Scheme,
    port: u16,
    path_and_query: String,
}

impl Reach {
    fn admits(&self, host: &Host, address: SocketAddr) -> Verdict {
        let ip = plain(address.ip());
        let reserved = reserved_range(ip);
        let admitted = match (self, reserved) {
            (Reach::Anywhere, _) => true,
            (Reach::Within(net), None) => net.contains(&ip),
            (Reach::Within(net), Some(range)) => net.contains(&ip) && range.contains(net),
            (Reach::Matching(_), None) => true,
            (Reach::Matching(pattern), Some(_)) => {
                let literal = matches_whole(pattern, &authority(&Host::Address(ip), address.port()));
                literal || (host.is_localhost() && ip.is_loopback())
            }
        };
        if admitted { Verdict::Admitted } else { Verdict::Refused }
    }

    /// Those of the addresses a connection to this port may be made to.
    pub fn of(&self, host: &Host, port: u16, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let there = found.iter().map(|address| SocketAddr::new(address.ip(), port));
        there.filter(|address| self.admits(host, *address) == Verdict::Admitted).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    Refused,
}

/// Finds the entry that allows what is wanted.
pub async fn grant(config: &Config, wanted: &Wanted, lookup: &Lookup) -> Result<Grant, Failure> {
    let candidates = candidates(config, &wanted.entry)?;
    let (place, extra_query) = match (&wanted.place, &candidates[..]) {
        (Place::OfEntry, [entry]) => match &entry.settings.allow {
            Allow::Url(url) => return of_entry(entry, url, &wanted.extra_query),
            _ => named_place(&entry.settings, &wanted.extra_query)?,
        },
        (place, _) => (place.clone(), wanted.extra_query.clone()),
    };
    let Place::At { scheme, host, port, path_and_query } = place else {
        return Err(Failure::NotFound("this target needs ?target=host:port".into()));
    };
    let asked = Asked { scheme, host, port, path_and_query, extra_query };
    first_that_allows(&candidates, &asked, lookup).await?.ok_or_else(|| refusal(&wanted.entry, &asked))
}

fn candidates(config: &Config, entry: &Entry) -> Result<Vec<Arc<ActiveTarget>>, Failure> {
    let one = |name: &str| config.target(name).map(|target| vec![target.clone()]);
    match entry {
        Entry::Any => Ok(config.targets().to_vec()),
        Entry::Named(name) => one(name).ok_or_else(|| Failure::NotFound(format!("no target is named {name}"))),
        Entry::User(name) => one(name).ok_or_else(|| Failure::UnknownUser(name.clone())),
    }
}

/// `/scrape/<name>` of an entry with a `url`: its own endpoint, the query passed on.
fn of_entry(target: &Arc<ActiveTarget>, url: &hyper::Uri, extra_query: &str) -> Result<Grant, Failure> {
    let (scheme, host, port) = url_parts(url).ok_or(Failure::BadTarget("the target's url has no usable host"))?;
    let path_and_query = with_query(&origin_form(url), extra_query);
    let endpoint = EndpointKey { scheme, host: host.to_string(), port, path_and_query };
    Ok(Grant { target: target.clone(), endpoint, host, reach: Reach::Anywhere, addresses: None })
}

/// `/scrape/<name>?target=host:port` of an entry that stands for many.
fn named_place(target: &Target, query: &str) -> Result<(Place, String), Failure> {
    let (place, rest) = take_target(query)?;
    let place = place.ok_or_else(|| Failure::NotFound(format!("say /scrape/{}?target=host:port", target.name)))?;
    Ok((Place::read(&place)?, rest))
}

async fn first_that_allows(
    candidates: &[Arc<ActiveTarget>],
    asked: &Asked,
    lookup: &Lookup,
) -> Result<Option<Grant>, Failure> {
    let mut looked_up: Option<Result<Vec<SocketAddr>, Failure>> = None;
    for target in candidates {
        let Some(found) = match_entry(&target.settings.allow, asked) else { continue };
        if let Reach::Within(_) = found.reach {
            if looked_up.is_none() {
                looked_up = Some(lookup.find(&asked.host, found.port).await);
            }
            let Some(Ok(all)) = &looked_up else { continue };
            match found.reach.of(&asked.host, found.port, all) {
                within if within.is_empty() => {}
                within => return Ok(Some(found.grant(target, asked, Some(within)))),
            }
        } else {
            return Ok(Some(found.grant(target, asked, None)));
        }
    }
    match looked_up {
        Some(Err(failure)) => Err(failure),
        _ => Ok(None),
    }
}

impl Match {
    fn grant(self, target: &Arc<ActiveTarget>, asked: &Asked, addresses: Option<Vec<SocketAddr>>) -> Grant {
        let Match { reach, scheme, port, path_and_query } = self;
        let host = asked.host.clone();
        let path_and_query = with_query(&path_and_query, &asked.extra_query);
        let endpoint = EndpointKey { scheme, host: host.to_string(), port, path_and_query };
        Grant { target: target.clone(), endpoint, host, reach, addresses }
    }
}

/// What an entry says by name, port and path alone.
fn match_entry(allow: &Allow, asked: &Asked) -> Option<Match> {
    match allow {
        Allow::Url(url) => {
            let (scheme, host, port) = url_parts(url)?;
            if host != asked.host || port != asked.port.unwrap_or_else(|| default_port(asked.scheme.unwrap_or(scheme)))
            {
                return None;
            }
            let path_and_query = asked.path_and_query.clone().unwrap_or_else(|| origin_form(url));
            Some(Match { reach: Reach::Anywhere, scheme: safer(asked.scheme, scheme), port, path_and_query })
        }
        Allow::Address { pattern, scheme, paths } => {
            let found = by_name(asked, *scheme, paths, Reach::Matching(pattern.clone()))?;
            matches_whole(pattern, &authority(&asked.host, found.port)).then_some(found)
        }
        Allow::Cidr { net, ports, scheme, paths } => {
            let found = by_name(asked, *scheme, paths, Reach::Within(*net))?;
            ports.contains(&found.port).then_some(found)
        }
    }
}

fn by_name(asked: &Asked, scheme: Scheme, paths: &[String], reach: Reach) -> Option<Match> {
    let usual = || paths.first().map_or("/metrics", String::as_str).to_owned();
    let path_and_query = asked.path_and_query.clone().unwrap_or_else(usual);
    let path = path_and_query.split('?').next().unwrap_or_default();
    if !paths.is_empty() && !paths.iter().any(|allowed| allowed == path) {
        return None;
    }
    let port = asked.port.unwrap_or_else(|| default_port(asked.scheme.unwrap_or(scheme)));
    Some(Match { reach, scheme: safer(asked.scheme, scheme), port, path_and_query })
}

fn refusal(entry: &Entry, asked: &Asked) -> Failure {
    let port = asked.port.unwrap_or_else(|| default_port(asked.scheme.unwrap_or_default()));
    let place = authority(&asked.host, port);
    match entry {
        Entry::Any => Failure::NotAllowed(place),
        Entry::Named(target) | Entry::User(target) => Failure::NotAllowedBy { target: target.clone(), place },
    }
}

/// A `url` that says https is never spoken to in clear, whatever the client said.
fn safer(asked: Option<Scheme>, entry: Scheme) -> Scheme {
    match (asked, entry) {
        (Some(Scheme::Https), _) | (_, Scheme::Https) => Scheme::Https,
        _ => Scheme::Http,
    }
}

fn url_parts(url: &hyper::Uri) -> Option<(Scheme, Host, u16)> {
    let scheme = match url.scheme_str()? {
        s if s.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let host = Host::parse(url.host()?).ok()?;
    Some((scheme, host, url.port_u16().unwrap_or_else(|| default_port(scheme))))
}

fn authority(host: &Host, port: u16) -> String {
    format!("{host}:{port}")
}

/// Patterns are anchored where they are compiled; being sure costs nothing.
fn matches_whole(pattern: &Regex, text: &str) -> bool {
    pattern.find(text).is_some_and(|found| found.len() == text.len())
}

fn with_query(path_and_query: &str, extra: &str) -> String {
    match (extra.is_empty(), path_and_query.contains('?')) {
        (true, _) => path_and_query.to_owned(),
        (false, true) => format!("{path_and_query}&{extra}"),
        (false, false) => format!("{path_and_query}?{extra}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(reach: &Reach, host: &str, address: &str) -> bool {
        reach.admits(&Host::parse(host).unwrap(), address.parse().unwrap()) == Verdict::Admitted
    }

    fn matching(pattern: &str) -> Reach {
        Reach::Matching(Regex::new(&format!("^(?:{pattern})$")).unwrap())
    }

    /// What a name leads to is judged by the address, whoever controls the name.
    #[test]
    fn a_pattern_over_names_does_not_open_reserved_addresses() {
        let workers = matching("worker-[0-9]+\\.svc:[0-9]+");
        assert!(admits(&workers, "worker-1.svc", "10.0.0.1:80"));
        for address in [
            "127.0.0.1:80",
            "169.254.169.254:80",
            "0.0.0.0:80",
            "[::1]:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
        ] {
            assert!(!admits(&workers, "worker-1.svc", address), "{address}");
        }
    }

    #[test]
    fn a_pattern_that_matches_the_literal_opens_it() {
        let literal = matching("169\\.254\\.169\\.254:80|\\[::1\\]:80");
        assert!(admits(&literal, "169.254.169.254", "169.254.169.254:80"));
        assert!(admits(&literal, "metadata", "[::ffff:169.254.169.254]:80"));
        assert!(admits(&literal, "[::1]", "[::1]:80"));
        assert!(!admits(&literal, "169.254.169.254", "169.254.169.254:81"));
    }

    #[test]
    fn localhost_is_the_machine_itself_by_definition() {
        let named = matching("localhost:80|x.localhost:80");
        assert!(admits(&named, "localhost", "127.0.0.1:80"));
        assert!(admits(&named, "x.localhost", "[::1]:80"));
        assert!(!admits(&named, "localhost", "169.254.169.254:80"));
        assert!(!admits(&named, "localhost.evil", "127.0.0.1:80"));
    }

    #[test]
    fn a_net_opens_a_reserved_range_only_from_inside() {
        let net = |text: &str| Reach::Within(text.parse().unwrap());
        assert!(admits(&net("10.0.0.0/8"), "x", "10.1.2.3:80"));
        assert!(admits(&net("10.0.0.0/8"), "x", "[::ffff:10.1.2.3]:80"));
        assert!(!admits(&net("10.0.0.0/8"), "x", "11.1.2.3:80"));
        assert!(admits(&net("127.0.0.0/8"), "x", "127.0.0.1:80"));
        assert!(admits(&net("169.254.169.254/32"), "x", "169.254.169.254:80"));
        assert!(!admits(&net("0.0.0.0/0"), "x", "127.0.0.1:80"));
        assert!(!admits(&net("::/0"), "x", "[::1]:80"));
        assert!(!admits(&net("::/0"), "x", "10.0.0.1:80"), "IPv4 is no part of IPv6");
    }

    #[test]
    fn a_url_opens_what_it_says() {
        assert!(admits(&Reach::Anywhere, "localhost", "127.0.0.1:80"));
        assert!(admits(&Reach::Anywhere, "metadata", "169.254.169.254:80"));
    }
}
