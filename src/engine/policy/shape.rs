//! What a label value looks like.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The sort of a whole value. The first that fits, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    Uuid,
    Ulid,
    /// Unix seconds (10 digits) or milliseconds (13 digits) of this century, or an RFC 3339 date.
    Timestamp,
    Int,
    /// 8 or more hex digits, with a digit and a letter among them.
    Hex,
    /// An address, with or without a port.
    Ip,
    Email,
    Url,
    Path,
    Text,
}

impl Shape {
    pub const ALL: [Shape; 10] = [
        Shape::Uuid,
        Shape::Ulid,
        Shape::Hex,
        Shape::Int,
        Shape::Timestamp,
        Shape::Email,
        Shape::Ip,
        Shape::Url,
        Shape::Path,
        Shape::Text,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Shape::Uuid => "uuid",
            Shape::Ulid => "ulid",
            Shape::Timestamp => "timestamp",
            Shape::Int => "int",
            Shape::Hex => "hex",
            Shape::Ip => "ip",
            Shape::Email => "email",
            Shape::Url => "url",
            Shape::Path => "path",
            Shape::Text => "text",
        }
    }

    /// Says whether `value` looks like this. Whole numbers fit `int` also where they could be a
    /// time: who guards against numbers means all of them.
    pub fn fits(self, value: &str) -> bool {
        let got = shape(value);
        got == self || (self == Shape::Int && got == Shape::Timestamp && is_digits(value))
    }
}

/// What `value` looks like as a whole.
pub fn shape(value: &str) -> Shape {
    match value {
        v if is_uuid(v) => Shape::Uuid,
        v if is_ulid(v) => Shape::Ulid,
        v if is_timestamp(v) => Shape::Timestamp,
        v if is_digits(v.strip_prefix(['-', '+']).unwrap_or(v)) => Shape::Int,
        v if is_hex(v) => Shape::Hex,
        v if is_ip(v) => Shape::Ip,
        v if is_email(v) => Shape::Email,
        v if is_url(v) => Shape::Url,
        v if v.starts_with('/') => Shape::Path,
        _ => Shape::Text,
    }
}

pub(super) fn is_digits(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn is_uuid(s: &str) -> bool {
    s.len() == 36
        && s.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// 26 digits of Crockford's base 32; more than 128 bits would begin with 8 or beyond.
pub(super) fn is_ulid(s: &str) -> bool {
    let crockford = |b: u8| b.is_ascii_alphanumeric() && !matches!(b.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U');
    let one_case = !(s.bytes().any(|b| b.is_ascii_lowercase()) && s.bytes().any(|b| b.is_ascii_uppercase()));
    s.len() == 26 && matches!(s.as_bytes()[0], b'0'..=b'7') && one_case && s.bytes().all(crockford) && !is_digits(s)
}

pub(super) fn is_hex(s: &str) -> bool {
    s.len() >= 8
        && s.bytes().all(|b| b.is_ascii_hexdigit())
        && s.bytes().any(|b| b.is_ascii_digit())
        && s.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_ip(s: &str) -> bool {
    s.parse::<Ipv4Addr>().is_ok()
        || is_ipv6(s)
        || s.parse::<SocketAddr>().is_ok_and(|a| matches!(a.ip(), IpAddr::V4(_)) || s.starts_with('['))
}

/// `Abc::Def` is an address to the parser and a Ruby constant to everybody else: a digit decides.
pub(super) fn is_ipv6(s: &str) -> bool {
    s.bytes().filter(|b| *b == b':').count() >= 2
        && s.bytes().any(|b| b.is_ascii_digit())
        && s.parse::<Ipv6Addr>().is_ok()
}

/// A local part, one `@`, a domain.
pub(super) fn is_email(s: &str) -> bool {
    let Some((local, domain)) = s.split_once('@') else { return false };
    !local.is_empty() && local.chars().all(is_email_local) && is_mail_domain(domain)
}

/// A host name with a dot that ends in letters.
pub(super) fn is_mail_domain(s: &str) -> bool {
    let Some((_, top)) = s.rsplit_once('.') else { return false };
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    s.split('.').all(part) && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
}

pub(super) fn is_email_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-')
}

fn is_url(s: &str) -> bool {
    let Some((scheme, rest)) = s.split_once("://") else { return false };
    !rest.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn is_timestamp(s: &str) -> bool {
    match s.len() {
        10 | 13 if is_digits(s) => s[..10].parse::<u64>().is_ok_and(|t| (1_000_000_000..4_102_444_800).contains(&t)),
        10.. => is_date(s.as_bytes()),
        _ => false,
    }
}

/// `2024-01-31`, alone or followed by a time.
fn is_date(s: &[u8]) -> bool {
    let digits = |from: usize, to: usize| s.get(from..to).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    let at = |i: usize, want: &[u8]| s.get(i).is_some_and(|b| want.contains(b));
    let date = digits(0, 4) && at(4, b"-") && digits(5, 7) && at(7, b"-") && digits(8, 10);
    let time = || at(10, b"Tt ") && digits(11, 13) && at(13, b":") && digits(14, 16);
    date && (s.len() == 10 || time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("550e8400-e29b-41d4-a716-446655440000", Shape::Uuid)]
    #[case("550E8400-E29B-41D4-A716-446655440000", Shape::Uuid)]
    #[case("550e8400-e29b-41d4-a716-44665544000", Shape::Text)]
    #[case("01ARZ3NDEKTSV4RRFFQ69G5FAV", Shape::Ulid)]
    #[case("01arz3ndektsv4rrffq69g5fav", Shape::Ulid)]
    #[case("81ARZ3NDEKTSV4RRFFQ69G5FAV", Shape::Text)]
    #[case("01ARZ3NDEKTSV4RRFFQ69G5FAI", Shape::Text)]
    #[case("12345678901234567890123456", Shape::Int)]
    #[case("deadbeef01", Shape::Hex)]
    #[case("deadbeef", Shape::Text)]
    #[case("550e8400e29b41d4a716446655440000", Shape::Hex)]
    #[case("12ab", Shape::Text)]
    #[case("0", Shape::Int)]
    #[case("-17", Shape::Int)]
    #[case("12345678", Shape::Int)]
    #[case("1700000000", Shape::Timestamp)]
    #[case("1700000000123", Shape::Timestamp)]
    #[case("9700000000", Shape::Int)]
    #[case("2024-01-31", Shape::Timestamp)]
    #[case("2024-01-31T10:00:00Z", Shape::Timestamp)]
    #[case("2024-01-31x", Shape::Text)]
    #[case("jane.doe+x@example.com", Shape::Email)]
    #[case("gen4711@host", Shape::Text)]
    #[case("a@b@c.de", Shape::Text)]
    #[case("a@b.c1", Shape::Text)]
    #[case("10.0.0.1", Shape::Ip)]
    #[case("10.0.0.1:8080", Shape::Ip)]
    #[case("10.0.0.256", Shape::Text)]
    #[case("2001:db8::1", Shape::Ip)]
    #[case("[2001:db8::1]:80", Shape::Ip)]
    #[case("Abc::Def", Shape::Text)]
    #[case("12:30", Shape::Text)]
    #[case("https://example.com/x", Shape::Url)]
    #[case("redis://localhost", Shape::Url)]
    #[case("://x", Shape::Text)]
    #[case("/orders/:id", Shape::Path)]
    #[case("orders", Shape::Text)]
    #[case("", Shape::Text)]
    #[case("ä", Shape::Text)]
    fn looks_like(#[case] value: &str, #[case] want: Shape) {
        assert_eq!(shape(value), want);
    }

    #[test]
    fn every_number_fits_int() {
        assert!(Shape::Int.fits("1700000000") && Shape::Timestamp.fits("1700000000"));
        assert!(Shape::Int.fits("5") && !Shape::Timestamp.fits("5"));
        assert!(!Shape::Int.fits("2024-01-31") && Shape::Timestamp.fits("2024-01-31"));
    }
}
