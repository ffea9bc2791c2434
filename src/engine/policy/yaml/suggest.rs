//! The right word for a typo.

/// The candidate that was most likely meant, if one is near enough to say so.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = plain(word);
    let near = (plain.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&plain, &self::plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= near && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Upper case and dashes are no mistakes of their own. Long words are cut: the table is quadratic.
fn plain(word: &str) -> Vec<char> {
    word.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Edits between two words: insert, delete, replace, swap two neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("labls", Some("labels"))]
    #[case("acton", Some("action"))]
    #[case("Match", Some("match"))]
    #[case("histogram-buckets", Some("histogram_buckets"))]
    #[case("lables", Some("labels"))]
    #[case("replacment", None)]
    #[case("x", None)]
    #[case("", None)]
    fn names_the_word_that_was_meant(#[case] word: &str, #[case] meant: Option<&str>) {
        assert_eq!(closest(word, ["match", "labels", "action", "histogram_buckets"]), meant);
    }

    #[test]
    fn a_swap_is_one_edit_and_the_nearest_wins() {
        assert_eq!(closest("dorp", ["keep", "drop", "hash"]), Some("drop"));
        assert_eq!(closest("series_limt", ["series_ttl", "series_limit", "series_limit_total"]), Some("series_limit"));
    }
}
