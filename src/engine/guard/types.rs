//! Which family a sample belongs to: the one whose TYPE line has exactly its name, else the one
//! its suffix says.

use std::collections::{HashMap, HashSet};

use crate::engine::model::{Format, Kind, MapSeed};

/// The TYPE lines of a body, and those of the body before it as a forecast: samples may come
/// before their TYPE, so what was declared last time is in force until the body's end says
/// otherwise.
#[derive(Debug, Default)]
pub struct Types {
    declared: HashMap<Box<str>, Declared, MapSeed>,
    /// TYPE lines of new families or with another type in this body.
    surprises: Surprises,
    seen: usize,
    /// Bases of untyped `_bucket`, `_sum` and `_count` that go together (rule 3.13).
    together: HashSet<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Declared {
    in_force: Kind,
    /// What this body says last (a second TYPE line wins over the first).
    now: Kind,
    scrape: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Surprises {
    #[default]
    None,
    Some,
}

/// What a line is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Value,
    Bucket,
    Sum,
    Count,
    Created,
    /// A quantile of a summary.
    Quantile,
    /// A line its type does not know.
    Stray,
}

impl Role {
    /// The label that is the family's own and no member's.
    pub const fn own_label(self) -> Option<&'static str> {
        match self {
            Role::Bucket => Some("le"),
            Role::Quantile => Some("quantile"),
            _ => None,
        }
    }
}

/// Where a sample name leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The family's TYPE name in the text format (an OpenMetrics counter with its `_total`).
    pub family: Box<str>,
    pub kind: Kind,
    pub role: Role,
}

/// Which TYPE lines count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is in force while the body is read.
    InForce,
    /// Only what this body has declared.
    ThisBody(u32),
}

/// Families remembered beyond twice those of the last body.
const SPARE: usize = 4096;

impl Types {
    /// A body begins.
    pub fn begin(&mut self, scrape: u32) {
        if self.declared.len() > 2 * self.seen + SPARE {
            self.declared.retain(|_, d| d.scrape + 1 == scrape);
        }
        self.seen = 0;
    }

    /// A TYPE line.
    pub fn declare(&mut self, family: &str, kind: Kind, scrape: u32) {
        match self.declared.get_mut(family) {
            Some(d) => {
                self.seen += usize::from(d.scrape != scrape);
                d.now = kind;
                d.scrape = scrape;
                if d.in_force != kind {
                    self.surprises = Surprises::Some;
                }
            }
            None => {
                self.declared.insert(family.into(), Declared { in_force: kind, now: kind, scrape });
                self.seen += 1;
                self.surprises = Surprises::Some;
            }
        }
    }

    /// Whether the body's end may change what its samples were taken for.
    pub fn may_differ(&self) -> bool {
        self.surprises == Surprises::Some || self.seen != self.declared.len()
    }

    /// From here on exactly what this body declared is in force.
    pub fn adopt(&mut self, scrape: u32) {
        self.declared.retain(|_, d| d.scrape == scrape);
        self.declared.values_mut().for_each(|d| d.in_force = d.now);
        self.surprises = Surprises::None;
    }

    /// The body was read to its end, and what came of it holds. Before that nobody has looked whether
    /// samples are where its TYPE lines send them, and who reads the next body has to.
    pub fn settle(&mut self) {
        self.surprises = Surprises::None;
    }

    /// Rule 3.13: whether an untyped family only grows. `_total` does, and so do the parts of what
    /// was a histogram or summary before it lost its TYPE.
    pub fn is_cumulative(&self, name: &str) -> bool {
        name.ends_with("_total") || split(name, &PARTS).is_some_and(|(base, _)| self.together.contains(base))
    }

    /// This untyped part is known to go together with others.
    pub fn remember_together(&mut self, name: &str) {
        if let Some((base, _)) = split(name, &PARTS) {
            self.together.insert(base.into());
        }
    }

    /// Learns which of these untyped sample names go together; says which bases are news.
    pub fn learn_together<'a>(&mut self, untyped: impl Iterator<Item = &'a str>) -> Vec<Box<str>> {
        let mut parts: HashMap<&str, usize> = HashMap::new();
        for (base, _) in untyped.filter_map(|name| split(name, &PARTS)) {
            *parts.entry(base).or_default() += 1;
        }
        let news = parts.into_iter().filter(|(base, n)| *n > 1 && !self.together.contains(*base));
        let news: Vec<Box<str>> = news.map(|(base, _)| base.into()).collect();
        self.together.extend(news.iter().cloned());
        news
    }

    /// Keeps the parts that go together of families that somebody knows.
    pub fn forget_together(&mut self, knows: impl Fn(&str) -> bool) {
        self.together.retain(|base| PARTS.iter().any(|(suffix, _)| knows(&format!("{base}{suffix}"))));
    }

    fn get(&self, family: &str, scope: Scope) -> Option<Kind> {
        let declared = self.declared.get(family)?;
        match scope {
            Scope::InForce => Some(declared.in_force),
            Scope::ThisBody(scrape) => (declared.scrape == scrape).then_some(declared.now),
        }
    }

    /// Where the samples called `name` belong.
    pub fn place(&self, format: Format, name: &str, scope: Scope) -> Place {
        let place = match format {
            Format::Text => self.place_text(name, scope),
            Format::OpenMetrics => self.place_openmetrics(name, scope),
        };
        place.unwrap_or_else(|| Place::new(name, Kind::Unknown, Role::Value))
    }

    fn place_text(&self, name: &str, scope: Scope) -> Option<Place> {
        let get = |family: &str| self.get(family, scope);
        if let Some(kind) = get(name) {
            let adopted = (kind == Kind::Gauge).then(|| self.adopted_gauge(name, scope)).flatten();
            return Some(adopted.unwrap_or_else(|| match kind {
                Kind::Histogram => Place::new(name, self.histogram_kind(name, scope), Role::Stray),
                Kind::Summary => Place::new(name, kind, Role::Quantile),
                _ => Place::new(name, kind, Role::Value),
            }));
        }
        let (base, role) = split(name, &PARTS)?;
        match get(base)? {
            Kind::Histogram => Some(Place::new(base, self.histogram_kind(base, scope), role)),
            Kind::Summary if role != Role::Bucket => Some(Place::new(base, Kind::Summary, role)),
            _ => None,
        }
    }

    /// Python's text format emits `x_created`, `x_gcount` and `x_gsum` as gauges of their own
    /// (rules 3.12 and 3.15).
    fn adopted_gauge(&self, name: &str, scope: Scope) -> Option<Place> {
        let get = |family: &str| self.get(family, scope);
        if let Some(base) = name.strip_suffix("_created") {
            let counter = format!("{base}_total");
            if get(&counter) == Some(Kind::Counter) {
                return Some(Place::new(&counter, Kind::Counter, Role::Created));
            }
            return match get(base) {
                Some(Kind::Histogram) => Some(Place::new(base, self.histogram_kind(base, scope), Role::Created)),
                Some(Kind::Summary) => Some(Place::new(base, Kind::Summary, Role::Created)),
                _ => None,
            };
        }
        let (base, role) = split(name, &[("_gcount", Role::Count), ("_gsum", Role::Sum)])?;
        (get(base) == Some(Kind::Histogram)).then(|| Place::new(base, Kind::GaugeHistogram, role))
    }

    /// In text, a histogram with `x_gcount` or `x_gsum` is a gauge histogram.
    fn histogram_kind(&self, base: &str, scope: Scope) -> Kind {
        let is_gauge = |suffix: &str| self.get(&format!("{base}{suffix}"), scope) == Some(Kind::Gauge);
        if is_gauge("_gcount") || is_gauge("_gsum") { Kind::GaugeHistogram } else { Kind::Histogram }
    }

    fn place_openmetrics(&self, name: &str, scope: Scope) -> Option<Place> {
        let get = |family: &str| self.get(family, scope);
        if let Some(kind) = get(name) {
            return Some(match kind {
                Kind::Counter => Place::new(&format!("{name}_total"), kind, Role::Stray),
                Kind::Histogram | Kind::GaugeHistogram | Kind::Info => Place::new(name, kind, Role::Stray),
                Kind::Summary => Place::new(name, kind, Role::Quantile),
                Kind::Gauge | Kind::StateSet | Kind::Unknown => Place::new(name, kind, Role::Value),
            });
        }
        SUFFIXES.iter().find_map(|(suffix, kinds, role)| {
            let base = name.strip_suffix(suffix)?;
            let kind = get(base).filter(|k| kinds.contains(k))?;
            let family = if kind == Kind::Counter { format!("{base}_total") } else { base.to_owned() };
            Some(Place::new(&family, kind, *role))
        })
    }
}

/// What a histogram or summary is made of.
pub const PARTS: [(&str, Role); 3] = [("_bucket", Role::Bucket), ("_sum", Role::Sum), ("_count", Role::Count)];

/// OpenMetrics' suffixes and the types that have them.
const SUFFIXES: [(&str, &[Kind], Role); 8] = [
    ("_total", &[Kind::Counter], Role::Value),
    ("_bucket", &[Kind::Histogram, Kind::GaugeHistogram], Role::Bucket),
    ("_sum", &[Kind::Histogram, Kind::Summary], Role::Sum),
    ("_count", &[Kind::Histogram, Kind::Summary], Role::Count),
    ("_gsum", &[Kind::GaugeHistogram], Role::Sum),
    ("_gcount", &[Kind::GaugeHistogram], Role::Count),
    ("_created", &[Kind::Counter, Kind::Histogram, Kind::Summary], Role::Created),
    ("_info", &[Kind::Info], Role::Value),
];

fn split<'a>(name: &'a str, suffixes: &[(&str, Role)]) -> Option<(&'a str, Role)> {
    suffixes.iter().find_map(|&(suffix, role)| Some((name.strip_suffix(suffix)?, role)))
}

impl Place {
    fn new(family: &str, kind: Kind, role: Role) -> Place {
        Place { family: family.into(), kind, role }
    }

    /// The family's name as exposed and each sample name it can have.
    pub fn names(&self, format: Format) -> Vec<String> {
        let family = &*self.family;
        let with = |base: &str, suffixes: &[&str]| {
            let mut names: Vec<String> = suffixes.iter().map(|s| format!("{base}{s}")).collect();
            names.insert(0, family.to_owned());
            names
        };
        match (self.kind, format) {
            (Kind::Counter, Format::OpenMetrics) => {
                let base = family.strip_suffix("_total").unwrap_or(family);
                with(base, &["", "_created"])
            }
            (Kind::Counter, Format::Text) => match family.strip_suffix("_total") {
                Some(base) => with(base, &["_created"]),
                None => with(family, &[]),
            },
            (Kind::Histogram, _) => with(family, &["_bucket", "_sum", "_count", "_created"]),
            (Kind::GaugeHistogram, _) => with(family, &["_bucket", "_gsum", "_gcount"]),
            (Kind::Summary, _) => with(family, &["_sum", "_count", "_created"]),
            (Kind::Info, Format::OpenMetrics) => with(family, &["_info"]),
            _ => with(family, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(lines: &[(&str, Kind)]) -> Types {
        let mut types = Types::default();
        lines.iter().for_each(|(family, kind)| types.declare(family, *kind, 1));
        types
    }

    fn place(types: &Types, format: Format, name: &str) -> (String, Kind, Role) {
        let place = types.place(format, name, Scope::InForce);
        (place.family.into(), place.kind, place.role)
    }

    #[test]
    fn text_exact_name_wins_over_suffix() {
        let t = types(&[("x", Kind::Histogram), ("x_count", Kind::Counter)]);
        assert_eq!(place(&t, Format::Text, "x_count"), ("x_count".into(), Kind::Counter, Role::Value));
        assert_eq!(place(&t, Format::Text, "x_sum"), ("x".into(), Kind::Histogram, Role::Sum));
        assert_eq!(place(&t, Format::Text, "x_bucket"), ("x".into(), Kind::Histogram, Role::Bucket));
        assert_eq!(place(&t, Format::Text, "y_bucket"), ("y_bucket".into(), Kind::Unknown, Role::Value));
    }

    #[test]
    fn rule_3_15_created_gauges_belong_to_their_family() {
        let t = types(&[("a_total", Kind::Counter), ("a_created", Kind::Gauge), ("h", Kind::Histogram)]);
        assert_eq!(place(&t, Format::Text, "a_created"), ("a_total".into(), Kind::Counter, Role::Created));
        let t = types(&[("h", Kind::Histogram), ("h_created", Kind::Gauge), ("z_created", Kind::Gauge)]);
        assert_eq!(place(&t, Format::Text, "h_created"), ("h".into(), Kind::Histogram, Role::Created));
        assert_eq!(place(&t, Format::Text, "z_created"), ("z_created".into(), Kind::Gauge, Role::Value));
    }

    #[test]
    fn rule_3_12_text_gauge_histogram() {
        let t = types(&[("g", Kind::Histogram), ("g_gcount", Kind::Gauge), ("g_gsum", Kind::Gauge)]);
        assert_eq!(place(&t, Format::Text, "g_bucket"), ("g".into(), Kind::GaugeHistogram, Role::Bucket));
        assert_eq!(place(&t, Format::Text, "g_gcount"), ("g".into(), Kind::GaugeHistogram, Role::Count));
    }

    #[test]
    fn openmetrics_counter_is_called_as_in_text() {
        let t = types(&[("a", Kind::Counter), ("i", Kind::Info), ("s", Kind::Summary)]);
        let om = Format::OpenMetrics;
        assert_eq!(place(&t, om, "a_total"), ("a_total".into(), Kind::Counter, Role::Value));
        assert_eq!(place(&t, om, "a_created"), ("a_total".into(), Kind::Counter, Role::Created));
        assert_eq!(place(&t, om, "i_info"), ("i".into(), Kind::Info, Role::Value));
        assert_eq!(place(&t, om, "s"), ("s".into(), Kind::Summary, Role::Quantile));
    }

    #[test]
    fn what_a_body_no_longer_declares_counts_only_as_a_forecast() {
        let mut t = types(&[("x", Kind::Histogram)]);
        t.begin(2);
        assert_eq!(t.place(Format::Text, "x_sum", Scope::InForce).kind, Kind::Histogram);
        assert_eq!(t.place(Format::Text, "x_sum", Scope::ThisBody(2)).kind, Kind::Unknown);
        assert!(t.may_differ());
        t.adopt(2);
        assert_eq!(t.place(Format::Text, "x_sum", Scope::InForce).kind, Kind::Unknown);
    }
}
