//! A label set that is edited in place and reused, so that deciding a series allocates nothing
//! once its buffers have grown.

/// A label set: unescaped UTF-8, without `__name__`. After [`LabelSet::normalise`] it is sorted by
/// name, names are unique and no value is empty (an empty value *is* absence in Prometheus).
///
/// Values live in one text buffer; editing appends to it and leaves the old bytes behind until
/// [`LabelSet::clear`].
#[derive(Clone, Debug, Default)]
pub struct LabelSet {
    text: String,
    entries: Vec<Entry>,
}

/// Two non-empty labels of one name: Prometheus fails the scrape ("label name is not unique").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateLabel;

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Debug)]
struct Span(u32, u32);

impl LabelSet {
    pub fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
    }

    /// Appends a label as it was read; call [`LabelSet::normalise`] when all are in.
    pub fn push(&mut self, name: &str, value: &str) {
        let entry = Entry { name: self.store(name), value: self.store(value) };
        self.entries.push(entry);
    }

    /// Sorts by name and makes empty values absent. As in Prometheus, a name that occurs more than
    /// once vanishes whole when one of its copies is empty, and is an error otherwise.
    pub fn normalise(&mut self) -> Result<(), DuplicateLabel> {
        let text = &self.text;
        let sorted = self.entries.windows(2).all(|w| w[0].name.of(text) < w[1].name.of(text));
        if sorted && self.entries.iter().all(|e| e.value.0 != e.value.1) {
            return Ok(());
        }
        if !sorted {
            self.entries.sort_by(|a, b| a.name.of(text).cmp(b.name.of(text)));
        }
        let mut kept = 0;
        let mut at = 0;
        while at < self.entries.len() {
            let name = self.entries[at].name.of(&self.text);
            let run = self.entries[at..].iter().take_while(|e| e.name.of(&self.text) == name).count();
            let has_empty = self.entries[at..at + run].iter().any(|e| e.value.0 == e.value.1);
            if !has_empty {
                if run > 1 {
                    return Err(DuplicateLabel);
                }
                self.entries[kept] = self.entries[at];
                kept += 1;
            }
            at += run;
        }
        self.entries.truncate(kept);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name at position `i`. Panics past the end, as a slice does.
    pub fn name(&self, i: usize) -> &str {
        self.entries[i].name.of(&self.text)
    }

    /// Says whether the name at position `i` is this one. Panics past the end, as a slice does.
    #[inline]
    pub fn name_is(&self, i: usize, name: &str) -> bool {
        let Span(start, end) = self.entries[i].name;
        self.text.as_bytes()[start as usize..end as usize] == *name.as_bytes()
    }

    /// The value at position `i`. Panics past the end, as a slice does.
    pub fn value(&self, i: usize) -> &str {
        self.entries[i].value.of(&self.text)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.entries.iter().map(|e| (e.name.of(&self.text), e.value.of(&self.text)))
    }

    pub fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|e| e.name.of(&self.text).cmp(name))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name).ok().map(|i| self.value(i))
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        match (self.position(name), value.is_empty()) {
            (Ok(i), true) => self.remove_at(i),
            (Ok(i), false) => self.entries[i].value = self.store(value),
            (Err(_), true) => {}
            (Err(i), false) => {
                let entry = Entry { name: self.store(name), value: self.store(value) };
                self.entries.insert(i, entry);
            }
        }
    }

    pub fn remove_at(&mut self, i: usize) {
        self.entries.remove(i);
    }

    /// Replaces the contents by those of `other`, keeping the buffers.
    pub fn copy_from(&mut self, other: &LabelSet) {
        self.text.clone_from(&other.text);
        self.entries.clone_from(&other.entries);
    }

    fn store(&mut self, s: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(s);
        Span(start, self.text.len() as u32)
    }
}

impl Span {
    fn of(self, text: &str) -> &str {
        &text[self.0 as usize..self.1 as usize]
    }
}

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for LabelSet {}

impl<'a> FromIterator<(&'a str, &'a str)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        let mut set = LabelSet::default();
        for (name, value) in labels {
            set.set(name, value);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &[(&str, &str)]) -> Result<Vec<(String, String)>, DuplicateLabel> {
        let mut set = LabelSet::default();
        for (n, v) in labels {
            set.push(n, v);
        }
        set.normalise()?;
        Ok(set.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    #[test]
    fn sorts_and_forgets_empty_values() {
        let got = read(&[("b", "2"), ("c", ""), ("a", "1")]);
        assert_eq!(got, Ok(vec![("a".into(), "1".into()), ("b".into(), "2".into())]));
    }

    #[test]
    fn a_name_twice_is_an_error_unless_a_copy_is_empty() {
        assert_eq!(read(&[("a", "1"), ("a", "1")]), Err(DuplicateLabel));
        assert_eq!(read(&[("a", "1"), ("b", "2"), ("a", "")]), Ok(vec![("b".into(), "2".into())]));
    }

    #[test]
    fn set_inserts_replaces_and_removes() {
        let mut set: LabelSet = [("b", "2"), ("a", "1")].into_iter().collect();
        set.set("b", "3");
        set.set("a", "");
        set.set("c", "4");
        assert_eq!(set.iter().collect::<Vec<_>>(), [("b", "3"), ("c", "4")]);
        assert_eq!(set.get("c"), Some("4"));
        assert_eq!(set.get("a"), None);
    }
}
