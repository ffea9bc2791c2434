//! What must not be shown while nobody knows how far the counters have come.
//!
//! A folded counter is a sum that some guard has told. A guard that may be behind it, because the
//! store the guards share cannot be asked, would show less than was shown, and the way back up would
//! be an increase that never was (rule 7.3). So it shows no folded counter at all: a gap is true.
//! Everything else leaves as ever.

use std::borrow::Cow;
use std::collections::HashSet;

use super::families::{Family, Tracking};
use super::state::EndpointState;
use super::types::{Place, Role};
use crate::engine::fold::FamilyId;

/// How far the memory at hand can be trusted to know what is a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// It was read from what the guards share.
    Known,
    /// It never was: whatever a policy reaches may be a fold.
    Stranger,
}

/// Sample names whose lines are withheld.
#[derive(Debug, Default)]
pub struct Withheld(HashSet<Vec<u8>>);

/// When a memory began is nothing to be told by a guard that may have another one.
const EPOCH: &[u8] = b"cardinality_guard_scrape_epoch_seconds";

impl EndpointState {
    /// What a guard that has scraped with this state, and could not commit, must not show.
    pub fn withheld(&self, acquaintance: Acquaintance) -> Withheld {
        let is_told = |id: &FamilyId| {
            let (family, fold) = (self.families.get(*id), &self.fold.families[id.index()]);
            let may_fold = family.tracking == Tracking::Yes && acquaintance == Acquaintance::Stranger;
            fold.shape.accumulates() && (may_fold || !fold.groups.is_empty())
        };
        let names = |family: &Family| {
            Place { family: (&*family.name).into(), kind: family.kind, role: Role::Value }.names(self.format)
        };
        let families = self.families.ids().filter(is_told).map(|id| self.families.get(id));
        let mut all: HashSet<Vec<u8>> = families.flat_map(names).map(String::into_bytes).collect();
        all.insert(EPOCH.to_vec());
        Withheld(all)
    }
}

impl EndpointState {
    /// Second of the endpoint clock.
    pub fn seconds(&self) -> f64 {
        self.fold.clock.seconds()
    }

    /// What was committed after this second was shown to nobody.
    pub fn unshow(&mut self, since: f64) {
        self.fold.groups.unshow(since);
        self.fold.journal.demand_whole();
    }
}

impl Withheld {
    /// Nothing but what the guard itself says.
    pub fn is_nothing(&self) -> bool {
        self.0.iter().all(|name| name == EPOCH)
    }

    /// The body without their lines; metadata stays.
    pub fn cut(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        let mut rest = body;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(line_len(rest));
            if !sample_name(line).is_some_and(|name| self.0.contains(&*name)) {
                out.extend_from_slice(line);
            }
            rest = after;
        }
        out
    }
}

/// Bytes of the first line. In samples a newline may stand between quotes.
fn line_len(body: &[u8]) -> usize {
    let begins_with = body.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    let is_comment = begins_with == Some(&b'#');
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in body.iter().enumerate() {
        match byte {
            b'\n' if !quoted => return at + 1,
            _ if is_comment => {}
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    body.len()
}

/// The name of a sample's line; `None` for other lines.
fn sample_name(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let line = line.trim_ascii_start();
    if matches!(line.first(), None | Some(b'#')) {
        return None;
    }
    match line.strip_prefix(b"{") {
        Some(inside) => quoted_name(inside.trim_ascii_start()),
        None => {
            let end = line.iter().position(|b| matches!(b, b'{' | b' ' | b'\t' | b'\n'));
            Some(Cow::Borrowed(&line[..end.unwrap_or(line.len())]))
        }
    }
}

/// A name that needs quotes stands first between the braces.
fn quoted_name(inside: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut name = Vec::new();
    let mut bytes = inside.strip_prefix(b"\"")?.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some(Cow::Owned(name)),
            b'\\' => name.push(match bytes.next()? {
                b'n' => b'\n',
                other => *other,
            }),
            byte => name.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_withheld_names_go_and_nothing_else() {
        let names = ["a_total", "b.c", "odd\"name"].map(|name| name.as_bytes().to_vec());
        let withheld = Withheld(names.into_iter().collect());
        let body = concat!(
            "# HELP a_total it's \"odd\n",
            "# TYPE a_total counter\n",
            " \t# HELP a_total it's \"odd\n",
            "a_total 1\n",
            "a_total{x=\"1\"} 2 # {t=\"a_total\"} 1\n",
            "a_total{x=\"a\nb_total 1\"} 3\n",
            "a_total_more 1\n",
            "ga_total 1\n",
            "{\"b.c\",x=\"1\"} 4\n",
            "{ \"odd\\\"name\"} 4\n",
            "{\"b.d\",x=\"1\"} 4\n",
            " \ta_total\t5\n",
            "g{x=\"a_total\"} 6\n",
            "# EOF\n",
        );
        let want = concat!(
            "# HELP a_total it's \"odd\n",
            "# TYPE a_total counter\n",
            " \t# HELP a_total it's \"odd\n",
            "a_total_more 1\n",
            "ga_total 1\n",
            "{\"b.d\",x=\"1\"} 4\n",
            "g{x=\"a_total\"} 6\n",
            "# EOF\n",
        );
        assert_eq!(String::from_utf8(withheld.cut(body.as_bytes())).unwrap(), want);
        assert_eq!(withheld.cut(b"a_total 1"), b"");
        assert_eq!(withheld.cut(b"a_totals 1"), b"a_totals 1");
    }
}
