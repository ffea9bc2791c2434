//! What stands behind the `?` of a request.

use hyper::Uri;

/// The value of the first parameter of this name, decoded; `None` when there is none.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (decoded(key), value)).find(|(key, _)| key == name).map(|(_, value)| decoded(value))
}

/// `+` is a blank, `%41` is `A`; what is no escape stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(hex, 16).ok()
        });
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        let uri: Uri = "/x?a=1&target=we%20b+c%2fd%zz%4&target=2&empty=&bare".parse().unwrap();
        let of = |name| parameter(&uri, name);
        assert_eq!(of("target").as_deref(), Some("we b c/d%zz%4"));
        assert_eq!((of("empty").as_deref(), of("bare").as_deref(), of("none")), (Some(""), Some(""), None));
        assert_eq!(parameter(&"/x".parse().unwrap(), "a"), None);
    }
}
