//! Folds become lines: settling families, and writing their groups where they belong.

use std::collections::HashSet;

use super::exemplars::Slot;
use super::families::{Family, Phase, Tracking};
use super::lines::LoneLine;
use super::series::Seen;
use super::state::EndpointState;
use super::{Guard, Start};
use crate::engine::exposition::{write_label_value, write_name_and_labels, write_number};
use crate::engine::fold::{
    ACCUMULATOR_LIMIT, FamilyId, Group, Line, MemberId, Occasion, Priming, Process, Shape, Shown, View,
};
use crate::engine::model::{Format, Kind};

/// What was written for groups in this scrape.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShownLines {
    pub all: u64,
    pub frozen: u64,
}

impl Guard {
    /// The output is too long to be held whole: closed families are shown now, others when they end.
    pub(super) fn begin_leaving(&mut self) {
        self.is_leaving = true;
        let closed: Vec<FamilyId> = self.present(|f| f.block.phase == Phase::Closed).collect();
        for id in closed {
            self.show_block(id);
        }
        let returned: Vec<FamilyId> = self.present(|f| f.block.phase == Phase::Returned).collect();
        for id in returned {
            let name = self.state.families.get(id).name.clone();
            self.state.held_families.insert(name);
        }
    }

    /// Families that touch the output of this scrape and of which `fits` is true.
    fn present(&self, fits: impl Fn(&Family) -> bool) -> impl Iterator<Item = FamilyId> {
        let (families, scrape) = (&self.state.families, self.state.scrape);
        families.ids().filter(move |&id| {
            let family = families.get(id);
            family.block.scrape == scrape && self.matters(id) && fits(family)
        })
    }

    /// Whether a family's lines can still change, or lines of its own follow them.
    fn matters(&self, id: FamilyId) -> bool {
        let fold = &self.state.fold.families[id.index()];
        let family = self.state.families.get(id);
        !fold.groups.is_empty()
            || match family.tracking {
                Tracking::Yes => true,
                Tracking::Watched => self.state.held_families.contains(&family.name),
                Tracking::No => !fold.pending.is_empty(),
            }
    }

    /// How far the output may leave: to the first block whose lines can still change.
    pub(super) fn barrier(&self) -> u64 {
        let open = self.present(|f| f.block.phase != Phase::Shown);
        let starts = open.map(|id| self.state.families.get(id).block.start);
        starts.min().unwrap_or(u64::MAX).clamp(self.output.base(), self.output.position())
    }

    /// Shows a family behind its first block, unless it has to wait for the end.
    pub(super) fn show_block(&mut self, id: FamilyId) {
        if !self.matters(id) {
            return;
        }
        let family = self.state.families.get(id);
        if self.is_leaving && self.state.held_families.contains(&family.name) && !self.is_ending {
            return;
        }
        if !self.is_ending && self.state.fold.families[id.index()].groups.is_empty() {
            // There is nothing to show, and the family may come back.
            self.state.families.get_mut(id).block.phase = Phase::Shown;
            return;
        }
        let (at, order) = (family.block.insert_at, family.block.order);
        let mut lines = Vec::new();
        self.settle_and_write(id, &mut lines);
        self.output.insert(at, order, lines);
        self.retype(id);
        self.cut_uplifted();
        self.state.families.get_mut(id).block.phase = Phase::Shown;
    }

    /// Rule 3.11: a state may only be 0 or 1, so folded state sets are gauges.
    fn retype(&mut self, id: FamilyId) {
        let family = self.state.families.get(id);
        if family.kind != Kind::StateSet || self.state.fold.families[id.index()].groups.is_empty() {
            return;
        }
        let base = self.left_before();
        for line in self.body.statesets.extract_if(.., |line| *line.family == *family.name && line.at >= base) {
            self.output.cut(line.at..line.at + line.text.len() as u64);
            let end = line.text.len() - if line.text.ends_with(b"stateset\n") { b"stateset\n".len() } else { 0 };
            self.output.insert(line.at, family.block.order, [&line.text[..end], b"gauge\n"].concat());
        }
    }

    /// Shows everything that is not shown yet; families without a block go to `tail`.
    pub(super) fn show_rest(&mut self, tail: &mut Vec<u8>) {
        self.is_ending = true;
        for id in self.state.families.ids() {
            let fold = &self.state.fold.families[id.index()];
            if fold.pending.is_empty() && fold.groups.is_empty() {
                continue;
            }
            let family = self.state.families.get(id);
            if family.block.scrape != self.state.scrape {
                self.show_absent(id, tail);
            } else if family.block.phase != Phase::Shown && self.matters(id) {
                self.show_block(id);
            } else {
                self.settle(id);
            }
        }
        self.cut_uplifted();
    }

    /// Groups of a family that is not in this body stay (rule 0.3), under a TYPE of their own;
    /// unless the family is there with another type (rule 3.14).
    fn show_absent(&mut self, id: FamilyId, tail: &mut Vec<u8>) {
        let (families, scrape) = (&self.state.families, self.state.scrape);
        let family = families.get(id);
        if families.is_superseded(id, self.state.format, scrape) {
            return;
        }
        let mut lines = Vec::new();
        let header = type_line(self.state.format, family);
        self.settle_and_write(id, &mut lines);
        if !lines.is_empty() {
            tail.extend_from_slice(&header);
            tail.extend_from_slice(&lines);
        }
    }

    fn settle(&mut self, id: FamilyId) {
        let process = self.process();
        let priming = match self.scrape.start {
            Start::Baseline => Priming::Baseline,
            Start::Sum => Priming::Sum,
        };
        let scrape = self.state.scrape;
        self.state.fold.settle(id, Occasion { process, priming, scrape });
    }

    fn settle_and_write(&mut self, id: FamilyId, out: &mut Vec<u8>) {
        self.settle(id);
        let written = self.write_groups(id, out);
        let scrape = self.state.scrape;
        self.state.turnout(id, scrape).forwarded += written;
    }

    /// Says how many lines.
    fn write_groups(&mut self, id: FamilyId, out: &mut Vec<u8>) -> u64 {
        let state = &*self.state;
        let fold = &state.fold.families[id.index()];
        if fold.groups.is_empty() {
            return 0;
        }
        let limit = match self.scrape.start {
            Start::Baseline => ACCUMULATOR_LIMIT,
            Start::Sum => f64::INFINITY,
        };
        let view = View {
            now: state.fold.clock.seconds(),
            hold_seconds: state.clients.hold_seconds(),
            scrape: state.scrape,
            limit,
        };
        let names = SampleNames::of(state.families.get(id), state.format);
        let mut written = 0;
        for &group in &fold.groups {
            let is_off = |group: &Group| group.retired && group.scrape != state.scrape;
            if is_off(state.fold.groups.get(group)) {
                continue;
            }
            let exemplar = |line: &Line<'_>| self.body.exemplars.get(group, Slot::of(line));
            let lines = names.write(state.fold.groups.get(group), fold.shape, view, exemplar, out);
            self.shown.all += lines.all;
            self.shown.frozen += lines.frozen;
            written += lines.all;
        }
        written
    }

    /// Whether the process has restarted, as far as the body has told; fixed by the first family
    /// that is settled.
    pub(super) fn process(&mut self) -> Process {
        if let Some(process) = self.settled_as {
            return process;
        }
        let now = self.state.fold.clock.seconds();
        let process = self.state.process.verdict(self.body.start_time, now);
        self.settled_as = Some(process);
        process
    }

    /// Takes out the lines of members that passed alone until a second member came.
    fn cut_uplifted(&mut self) {
        if self.body.uplifted.is_empty() {
            return;
        }
        let uplifted: HashSet<MemberId> = self.body.uplifted.drain(..).collect();
        self.count_turnout();
        let EndpointState { families, fold, .. } = &mut *self.state;
        let (output, passed) = (&mut self.output, &mut self.body.passed);
        self.body.lone.retain(|&LoneLine { member, at, len, seen }| {
            let goes = uplifted.contains(&member);
            if goes {
                output.cut(at..at + u64::from(len));
                let gone = u64::from(seen == Seen::First);
                *passed = passed.saturating_sub(gone);
                let turnout = &mut families.get_mut(fold.members.family(member)).turnout;
                turnout.forwarded = turnout.forwarded.saturating_sub(gone);
            }
            !goes
        });
        self.body.counted.1 = self.body.passed;
    }
}

/// The sample names of a family.
pub(super) struct SampleNames {
    value: String,
    bucket: String,
    sum: String,
    count: String,
}

impl SampleNames {
    pub(super) fn of(family: &Family, format: Format) -> SampleNames {
        let name = &*family.name;
        let (sum, count) = match family.kind {
            Kind::GaugeHistogram => ("_gsum", "_gcount"),
            _ => ("_sum", "_count"),
        };
        let with = |suffix: &str| [name, suffix].concat();
        let value = match (family.kind, format) {
            (Kind::Info, Format::OpenMetrics) => with("_info"),
            _ => with(""),
        };
        SampleNames { value, bucket: with("_bucket"), sum: with(sum), count: with(count) }
    }

    /// Writes the lines of a group and counts them.
    fn write<'e>(
        &self,
        group: &Group,
        shape: Shape,
        view: View,
        exemplar: impl Fn(&Line<'_>) -> Option<&'e [u8]>,
        out: &mut Vec<u8>,
    ) -> ShownLines {
        let mut all = 0;
        let shown = group.lines(shape, view, |line| {
            all += 1;
            let exemplar = exemplar(&line);
            let value = self.write_series(&group.body, line, out);
            write_value(out, value);
            if let Some(exemplar) = exemplar {
                out.pop();
                out.push(b' ');
                out.extend_from_slice(exemplar);
                out.push(b'\n');
            }
        });
        ShownLines { all, frozen: if shown == Shown::Frozen { all } else { 0 } }
    }

    /// Writes the name and labels of a line and gives its value.
    pub(super) fn write_series(&self, body: &[u8], line: Line<'_>, out: &mut Vec<u8>) -> f64 {
        let (name, le, value) = match line {
            Line::Value(value) => (&self.value, None, value),
            Line::Bucket { le, value } => (&self.bucket, Some(le), value),
            Line::Sum(value) => (&self.sum, None, value),
            Line::Count(value) => (&self.count, None, value),
        };
        write_series(out, name, body, le);
        value
    }
}

fn write_series(out: &mut Vec<u8>, name: &str, body: &[u8], le: Option<&str>) {
    write_name_and_labels(out, name, std::iter::empty());
    // A name that needs quotes stands inside the braces.
    let quoted = out.last() == Some(&b'}');
    if !body.is_empty() || le.is_some() {
        if quoted {
            out.pop();
            out.push(b',');
        } else {
            out.push(b'{');
        }
        out.extend_from_slice(body);
        if let Some(le) = le {
            out.extend_from_slice(if body.is_empty() { b"le=" } else { b",le=" });
            write_label_value(out, le);
        }
        out.push(b'}');
    }
}

fn write_value(out: &mut Vec<u8>, value: f64) {
    out.push(b' ');
    write_number(out, value);
    out.push(b'\n');
}

/// TYPE for a family that the body at hand does not declare.
fn type_line(format: Format, family: &Family) -> Vec<u8> {
    let name = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => family.name.strip_suffix("_total").unwrap_or(&family.name),
        _ => &family.name,
    };
    let kind = match (format, family.kind) {
        (Format::Text, Kind::GaugeHistogram) => "histogram",
        (Format::Text, Kind::Unknown) => "untyped",
        (Format::Text, Kind::Info | Kind::StateSet) | (Format::OpenMetrics, Kind::StateSet) => "gauge",
        (_, kind) => kind.as_str(),
    };
    let mut line = b"# TYPE ".to_vec();
    let start = line.len();
    write_name_and_labels(&mut line, name, std::iter::empty());
    // In a TYPE line a quoted name has no braces.
    if line.get(start) == Some(&b'{') {
        line.remove(start);
        line.pop();
    }
    line.push(b' ');
    line.extend_from_slice(kind.as_bytes());
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_plain_and_quoted_names() {
        let line = |name, body: &str, le| {
            let mut out = Vec::new();
            write_series(&mut out, name, body.as_bytes(), le);
            write_value(&mut out, 2.0);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line("a", "", None), "a 2\n");
        assert_eq!(line("a", "x=\"1\"", None), "a{x=\"1\"} 2\n");
        assert_eq!(line("a_bucket", "", Some("+Inf")), "a_bucket{le=\"+Inf\"} 2\n");
        assert_eq!(line("a_bucket", "x=\"1\"", Some("0.5")), "a_bucket{x=\"1\",le=\"0.5\"} 2\n");
        assert_eq!(line("a.b", "", None), "{\"a.b\"} 2\n");
        assert_eq!(line("a.b", "x=\"1\"", None), "{\"a.b\",x=\"1\"} 2\n");
    }
}
