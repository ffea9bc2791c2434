//! Ids inside a value become placeholders: `/orders/123/items` -> `/orders/:int/items`.
//!
//! Whole tokens between non-alphanumerics are replaced, nothing inside a word: `v2` and `p99` stay,
//! and so do whole values of up to three digits (a status code, a priority). Digits after letters
//! count as an id only before an `@` (`gen4711@host` -> `gen:int@host`), where they are a process.

use super::shape;

/// Writes the normalised value into `out` (cleared first).
pub(super) fn normalize(value: &str, out: &mut String) {
    out.clear();
    if value.len() <= 3 && shape::is_digits(value) {
        return out.push_str(value);
    }
    let mut at = 0;
    while at < value.len() {
        at += match found(value, at) {
            Some((len, name)) => {
                out.push_str(name);
                len
            }
            None => token(value, at, out),
        };
    }
}

/// What spans several tokens and begins at `at`: its length and its placeholder.
fn found(value: &str, at: usize) -> Option<(usize, &'static str)> {
    let rest = &value[at..];
    if let Some(name) = placeholder(rest) {
        return Some((name.len(), name));
    }
    let before = value[..at].chars().next_back();
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    if let Some(uuid) = rest.get(..36).filter(|s| shape::is_uuid(s) && ends(rest, 36)) {
        return Some((uuid.len(), ":uuid"));
    }
    if !before.is_some_and(shape::is_email_local) {
        let len = email(rest);
        if len > 0 {
            return Some((len, ":email"));
        }
    }
    ip(rest, before).map(|len| (len, ":ip"))
}

/// What was normalised before stays, and is no part of anything else.
fn placeholder(rest: &str) -> Option<&'static str> {
    const NAMES: [&str; 6] = [":uuid", ":ulid", ":hex", ":int", ":ip", ":email"];
    NAMES.into_iter().find(|name| rest.starts_with(name) && ends(rest, name.len()))
}

fn ends(rest: &str, at: usize) -> bool {
    !rest[at..].chars().next().is_some_and(char::is_alphanumeric)
}

/// The length of the email address at the start of `rest`, or 0.
fn email(rest: &str) -> usize {
    let local = rest.find(|c| !shape::is_email_local(c)).unwrap_or(rest.len());
    let Some(host) = rest[local..].strip_prefix('@').filter(|_| local > 0) else { return 0 };
    let len = run(host, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let whole = ends(host, len) && !host[len..].starts_with('@');
    if shape::is_mail_domain(&host[..len]) && whole { local + 1 + len } else { 0 }
}

/// The length of the address at the start of `rest`. A longer dotted number is a version.
/// What stands within a run of such characters was looked at when the run began.
fn ip(rest: &str, before: Option<char>) -> Option<usize> {
    if before == Some('.') {
        return None;
    }
    let dotted = run(rest, |b| b.is_ascii_digit() || b == b'.');
    if rest[..dotted].parse::<core::net::Ipv4Addr>().is_ok() && ends(rest, dotted) {
        return Some(dotted);
    }
    if before == Some(':') {
        return None;
    }
    let colons = run(rest, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    let whole = ends(rest, colons) && !rest[colons..].starts_with('@');
    (shape::is_ipv6(&rest[..colons]) && whole).then_some(colons)
}

/// Copies the token (or the one character between tokens) at `at`, replaced where it is an id.
fn token(value: &str, at: usize, out: &mut String) -> usize {
    let rest = &value[at..];
    let len = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let token = &rest[..len];
    if token.is_empty() {
        let c = rest.chars().next().unwrap_or_default();
        out.push(c);
        return c.len_utf8();
    }
    match token {
        t if shape::is_ulid(t) => out.push_str(":ulid"),
        t if shape::is_hex(t) => out.push_str(":hex"),
        t if shape::is_digits(t) => out.push_str(":int"),
        t if rest[len..].starts_with('@') && !value[..at].contains('@') => {
            let letters = t.trim_end_matches(|c: char| c.is_ascii_digit());
            let named = letters.len() < t.len() && letters.chars().all(char::is_alphabetic);
            out.push_str(if named { letters } else { t });
            out.push_str(if named { ":int" } else { "" });
        }
        t => out.push_str(t),
    }
    len
}

fn run(s: &str, fits: impl Fn(u8) -> bool) -> usize {
    s.bytes().position(|b| !fits(b)).unwrap_or(s.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn normalized(value: &str) -> String {
        let mut out = String::from("stale");
        normalize(value, &mut out);
        out
    }

    #[rstest]
    #[case("/orders/123/items", "/orders/:int/items")]
    #[case("/orders/1", "/orders/:int")]
    #[case("gen4711@host", "gen:int@host")]
    #[case("celery@worker-7d9f8b6c5-q8wzn", "celery@worker-:hex-q8wzn")]
    #[case("v2", "v2")]
    #[case("p99", "p99")]
    #[case("/api/v2/p99", "/api/v2/p99")]
    #[case("404", "404")]
    #[case("1234", ":int")]
    #[case("order_123", "order_:int")]
    #[case("u/550e8400-e29b-41d4-a716-446655440000/x", "u/:uuid/x")]
    #[case("550e8400-e29b-41d4-a716-446655440000f", ":hex-e29b-41d4-a716-:hex")]
    #[case("k:01ARZ3NDEKTSV4RRFFQ69G5FAV", "k::ulid")]
    #[case("deadbeef01", ":hex")]
    #[case("deadbeef", "deadbeef")]
    #[case("abcdef12g", "abcdef12g")]
    #[case("from 10.0.0.1:8080 to 10.0.0.2", "from :ip::int to :ip")]
    #[case("1.2.3.4.5", ":int.:int.:int.:int.:int")]
    #[case("[2001:db8::1]:80", "[:ip]::int")]
    #[case("mail jane.doe@example.com now", "mail :email now")]
    #[case("<jane@example.com>", "<:email>")]
    #[case("Net::ReadTimeout", "Net::ReadTimeout")]
    #[case("é0@host.com", ":email")]
    #[case("w1a2@host", "w1a2@host")]
    #[case("a@host.com0@", "a@host.com0@")]
    #[case("naïve123", "naïve123")]
    #[case("é-12345-é", "é-:int-é")]
    #[case("", "")]
    fn replaces_ids_and_nothing_else(#[case] value: &str, #[case] want: &str) {
        assert_eq!(normalized(value), want);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
        #[test]
        fn twice_is_once(value in "([a-z]{1,3}|[0-9]{1,5}|[0-9a-f]{7,9}|[-@.:/_ é]|[0-9]{1,3}\\.[0-9]{1,3}|host\\.com){0,8}") {
            let once = normalized(&value);
            prop_assert_eq!(normalized(&once), once);
        }

        #[test]
        fn any_text_is_survived(value in ".{0,80}") {
            let once = normalized(&value);
            prop_assert_eq!(normalized(&once), once);
        }
    }
}
