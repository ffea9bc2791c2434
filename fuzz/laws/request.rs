//! What a request asks for has one normal form, and none of the disguises of another place.

use std::net::Ipv4Addr;

use cardinality_guard::proxy::read_target;

pub fn hold(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(place) = read_target(&text) else { return };
    assert_eq!(read_target(&place).as_ref(), Ok(&place), "{text:?} means {place:?}, which means something else");
    let authority = match place.split_once("://") {
        Some((scheme, rest)) => {
            assert!(["http", "https"].contains(&scheme), "{text:?} means {place:?}");
            rest.split('/').next().unwrap_or_default()
        }
        None => &place,
    };
    assert!(!authority.contains(['@', '%', '\\', '#', '?', ' ']), "{text:?} means {place:?}");
    assert!(!authority.contains(char::is_control), "{text:?} means {place:?}");
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number =
        last.parse::<u64>().is_ok() || last.strip_prefix("0x").is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok());
    assert!(!is_number || host.parse::<Ipv4Addr>().is_ok(), "{text:?} means {place:?}, a number in disguise");
    assert!(!host.ends_with('.') && host == host.to_ascii_lowercase(), "{text:?} means {place:?}");
}
