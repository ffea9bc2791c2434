//! Letter case as Go maps it: one character for one.

/// `ß` stays `ß`: where Unicode's full mapping is longer than a character, Go has none.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(|c| single(c.to_uppercase()).unwrap_or(c)).collect()
}

pub(super) fn lower(text: &str) -> String {
    // The dotted capital I is the one letter whose full lower case is longer than its simple one.
    text.chars().map(|c| single(c.to_lowercase()).unwrap_or(if c == 'İ' { 'i' } else { c })).collect()
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    mapped.next().filter(|_| mapped.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_one_to_one() {
        assert_eq!((upper("straße é"), lower("ΟΔΟΣ İX")), ("STRAßE É".to_owned(), "οδοσ ix".to_owned()));
    }
}
