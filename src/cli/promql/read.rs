//! What an expression reads: labels, and the metrics it reads them of.

use std::collections::HashSet;
use std::ops::Range;

use regex::Regex;

use super::tokens::{Token, tokens};

/// What an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Query {
    /// Labels: what it selects by, then the rest.
    pub reads: Vec<Read>,
    /// Every metric it selects.
    pub metrics: Vec<Name>,
}

/// A label that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Read {
    pub label: String,
    pub how: How,
    /// The metrics whose series it may be read of.
    pub metrics: Vec<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum How {
    /// A matcher in `{}`.
    Selects,
    /// `by`.
    Groups,
    /// `on`, `group_left`, `group_right`.
    Joins,
    /// `label_replace` and the like, or the values of a dashboard's variable.
    Computes,
    /// An annotation or a legend puts it into words.
    Shows,
    /// `without`, `ignoring`: the result is the same when the label is not there.
    LeavesOut,
}

/// The metric of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Name {
    Is(String),
    /// Anchored.
    Fits(String),
    Any,
}

pub(in crate::cli) fn read(expression: &str) -> Query {
    let tokens = tokens(expression);
    let mut reader = Reader {
        partners: partners(&tokens),
        tokens: &tokens,
        selectors: Vec::new(),
        clauses: Vec::new(),
        taken: HashSet::new(),
    };
    reader.clauses();
    reader.selectors();
    let metrics = reader.selectors.iter().map(|selector| selector.name.clone()).collect();
    Query { reads: reader.reads(), metrics }
}

impl Query {
    /// These labels of the result are put into words.
    pub(super) fn show(&mut self, labels: &[String]) {
        if !self.metrics.is_empty() {
            self.reads.extend(labels.iter().map(|label| Read::new(label, How::Shows, &self.metrics)));
        }
    }
}

impl Read {
    fn new(label: &str, how: How, metrics: &[Name]) -> Read {
        Read { label: label.to_owned(), how, metrics: metrics.to_vec() }
    }
}

impl How {
    pub(in crate::cli) fn words(self) -> &'static str {
        match self {
            How::Selects => "selects by",
            How::Groups => "groups by",
            How::Joins => "matches by",
            How::Computes => "computes with",
            How::Shows => "is shown with",
            How::LeavesOut => "leaves out",
        }
    }
}

impl Name {
    pub(in crate::cli) fn fits(&self, metric: &str) -> bool {
        match self {
            Name::Is(name) => name == metric,
            // A dashboard's variable may stand in the regex; then it can be anything.
            Name::Fits(regex) => Regex::new(&format!("^(?s:{regex})$")).map_or(true, |regex| regex.is_match(metric)),
            Name::Any => true,
        }
    }
}

struct Reader<'t> {
    tokens: &'t [Token<'t>],
    /// For each bracket the place of its partner.
    partners: Vec<Option<usize>>,
    selectors: Vec<Selector>,
    clauses: Vec<Clause>,
    /// Words that are no metrics.
    taken: HashSet<usize>,
}

struct Selector {
    at: usize,
    name: Name,
    labels: Vec<String>,
}

/// A list of labels and the part of the expression it speaks of.
struct Clause {
    how: How,
    labels: Vec<String>,
    scope: Range<usize>,
}

/// Words between selectors that are no metrics.
const KEYWORDS: [&str; 10] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "by", "without"];

impl Reader<'_> {
    fn reads(self) -> Vec<Read> {
        let mut reads = Vec::new();
        for selector in &self.selectors {
            let metrics = vec![selector.name.clone()];
            reads.extend(selector.labels.iter().map(|label| Read::new(label, How::Selects, &metrics)));
        }
        for clause in &self.clauses {
            let inside = self.selectors.iter().filter(|selector| clause.scope.contains(&selector.at));
            let mut metrics: Vec<Name> = inside.map(|selector| selector.name.clone()).collect();
            if metrics.is_empty() && self.may_hide_metrics(clause) {
                metrics.push(Name::Any);
            }
            reads.extend(clause.labels.iter().map(|label| Read::new(label, clause.how, &metrics)));
        }
        reads.retain(|read| read.label != "__name__" && !read.metrics.is_empty());
        reads
    }

    /// A variable may stand for a metric, and `label_values(label)` asks all of them.
    fn may_hide_metrics(&self, clause: &Clause) -> bool {
        clause.how == How::Computes || self.tokens[clause.scope.clone()].contains(&Token::Variable)
    }

    fn clauses(&mut self) {
        for at in 0..self.tokens.len() {
            let (Token::Word(word), Some(list)) = (&self.tokens[at], self.list_after(at)) else { continue };
            let clause = match word.to_ascii_lowercase().as_str() {
                "by" => Clause { how: How::Groups, labels: self.words(&list), scope: self.aggregated(at, &list) },
                "without" => {
                    Clause { how: How::LeavesOut, labels: self.words(&list), scope: self.aggregated(at, &list) }
                }
                "ignoring" => Clause { how: How::LeavesOut, labels: self.words(&list), scope: self.around(at) },
                "on" | "group_left" | "group_right" => {
                    Clause { how: How::Joins, labels: self.words(&list), scope: self.around(at) }
                }
                "label_replace" => self.computed(&list, 3, 4),
                "label_join" => self.computed(&list, 3, usize::MAX),
                "sort_by_label" | "sort_by_label_desc" => self.computed(&list, 1, usize::MAX),
                "label_values" => self.label_values(&list),
                _ => continue,
            };
            if clause.how != How::Computes {
                self.taken.extend(list);
            }
            self.clauses.push(clause);
        }
    }

    /// What stands in the brackets that follow.
    fn list_after(&self, at: usize) -> Option<Range<usize>> {
        self.tokens.get(at + 1).filter(|next| **next == Token::Mark("("))?;
        Some(at + 2..self.partners[at + 1].unwrap_or(self.tokens.len()))
    }

    fn words(&self, list: &Range<usize>) -> Vec<String> {
        self.tokens[list.clone()].iter().filter_map(label).collect()
    }

    /// `sum by (x) (HERE)` or `sum(HERE) by (x)`.
    fn aggregated(&self, at: usize, list: &Range<usize>) -> Range<usize> {
        if let Some(inner) = self.list_after(list.end) {
            return inner;
        }
        let before = at.checked_sub(1);
        match before.and_then(|before| self.partners[before].map(|open| open..before)) {
            Some(inner) => inner,
            None => self.around(at),
        }
    }

    /// The innermost brackets around.
    fn around(&self, at: usize) -> Range<usize> {
        let opens = (0..at)
            .rev()
            .find(|&open| self.tokens[open] == Token::Mark("(") && self.partners[open].is_none_or(|close| close > at));
        opens.map_or(0..self.tokens.len(), |open| open..self.partners[open].unwrap_or(self.tokens.len()))
    }

    /// The texts among some of a function's arguments are label names.
    fn computed(&self, list: &Range<usize>, from: usize, to: usize) -> Clause {
        let arguments = self.arguments(list);
        let names = arguments.iter().take(to).skip(from).filter_map(|argument| match &self.tokens[argument.clone()] {
            [Token::Text(text)] => Some(text.clone()),
            _ => None,
        });
        Clause { how: How::Computes, labels: names.collect(), scope: list.clone() }
    }

    /// Grafana's `label_values(selector, label)` and `label_values(label)`.
    fn label_values(&mut self, list: &Range<usize>) -> Clause {
        let last = self.arguments(list).pop().unwrap_or(list.clone());
        self.taken.extend(last.clone());
        Clause { how: How::Computes, labels: self.words(&last), scope: list.start..last.start }
    }

    fn arguments(&self, list: &Range<usize>) -> Vec<Range<usize>> {
        let mut arguments = Vec::new();
        let (mut start, mut at) = (list.start, list.start);
        while at < list.end {
            match &self.tokens[at] {
                Token::Mark(",") => {
                    arguments.push(start..at);
                    start = at + 1;
                }
                Token::Mark("(" | "{" | "[") => at = self.partners[at].unwrap_or(list.end),
                _ => {}
            }
            at += 1;
        }
        arguments.push(start..list.end);
        arguments
    }

    fn selectors(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let braces = self.braces(at).or_else(|| self.braces(at + 1));
            let selector = match &self.tokens[at] {
                Token::Word(_) if self.taken.contains(&at) => None,
                Token::Word(word) if self.is_metric(at, word) => Some(Name::Is((*word).to_owned())),
                Token::Variable if self.braces(at + 1).is_some() => Some(Name::Any),
                Token::Mark("{") => Some(Name::Any),
                _ => None,
            };
            if self.tokens[at] == Token::Mark("[") {
                // A range: `[5m:1m]` holds no metric `:1m`.
                at = self.partners[at].unwrap_or(self.tokens.len());
            } else if let Some(name) = selector {
                let inner = braces.unwrap_or(at..at);
                let next = inner.end.max(at + 1);
                self.selectors.push(self.selector(at, name, inner));
                at = next;
            } else {
                at += 1;
            }
        }
    }

    /// What stands in braces that open here.
    fn braces(&self, at: usize) -> Option<Range<usize>> {
        self.tokens.get(at).filter(|token| **token == Token::Mark("{"))?;
        Some(at + 1..self.partners[at].unwrap_or(self.tokens.len()))
    }

    fn is_metric(&self, at: usize, word: &str) -> bool {
        let next = self.tokens.get(at + 1);
        let called = next == Some(&Token::Mark("("));
        let clause = matches!(next, Some(Token::Word("by" | "without")));
        let keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
        let label = matches!(next, Some(Token::Mark("=" | "=~" | "!~")));
        !called && !clause && !keyword && !label
    }

    fn selector(&self, at: usize, name: Name, inner: Range<usize>) -> Selector {
        let mut selector = Selector { at, name, labels: Vec::new() };
        let matchers: Vec<Range<usize>> = self.arguments(&inner);
        for matcher in matchers {
            match &self.tokens[matcher] {
                [Token::Text(metric)] => selector.name = Name::Is(metric.clone()),
                [name, Token::Mark("="), Token::Text(value)] if is_name(name) => {
                    selector.name = Name::Is(value.clone());
                }
                [name, Token::Mark("=~"), Token::Text(value)] if is_name(name) => {
                    selector.name = Name::Fits(value.clone());
                }
                [first, ..] => selector.labels.extend(label(first)),
                [] => {}
            }
        }
        selector
    }
}

fn is_name(token: &Token<'_>) -> bool {
    label(token).as_deref() == Some("__name__")
}

fn label(token: &Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some((*word).to_owned()),
        Token::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn partners(tokens: &[Token<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark("(" | "{" | "[") => open.push(at),
            Token::Mark(")" | "}" | "]") => {
                if let Some(partner) = open.pop() {
                    partners[partner] = Some(at);
                    partners[at] = Some(partner);
                }
            }
            _ => {}
        }
    }
    partners
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// `how label of metrics`, one a line.
    fn shown(expression: &str) -> String {
        let name = |name: &Name| match name {
            Name::Is(name) => name.clone(),
            Name::Fits(regex) => format!("/{regex}/"),
            Name::Any => "*".to_owned(),
        };
        let line = |read: &Read| {
            let metrics: Vec<String> = read.metrics.iter().map(name).collect();
            format!("{} {} of {}", read.how.words(), read.label, metrics.join(" "))
        };
        read(expression).reads.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[rstest]
    #[case("jobs_total", "")]
    #[case(
        "rate(jobs_total{job_id=\"1\",q!~'a|b'}[5m] offset 1h) > bool 5",
        "selects by job_id of jobs_total\nselects by q of jobs_total"
    )]
    #[case("sum by (job_id) (rate(a[5m])) / sum(rate(b[5m])) by (task)", "groups by job_id of a\ngroups by task of b")]
    #[case("topk(5, sum without (job_id, pid) (a))", "leaves out job_id of a\nleaves out pid of a")]
    #[case("(a * on (job_id) group_left(version) b) + c", "matches by job_id of a b\nmatches by version of a b")]
    #[case("a - ignoring(job_id) b", "leaves out job_id of a b")]
    #[case("{__name__=~\"worker_.+\", job_id=\"1\"}", "selects by job_id of /worker_.+/")]
    #[case("{__name__=\"a\", \"my.label\"=\"1\"}", "selects by my.label of a")]
    #[case("{\"my.metric\", x=\"1\"}", "selects by x of my.metric")]
    #[case("{x=\"1\"}", "selects by x of *")]
    #[case("$metric{x=\"1\"}", "selects by x of *")]
    #[case("sum by ($group, \"x.y\") (a{q=~\"$q\"}[$__rate_interval])", "selects by q of a\ngroups by x.y of a")]
    #[case("label_replace(a, \"dst\", \"$1\", \"src\", \"(.+)\")", "computes with src of a")]
    #[case(
        "label_join(a{x=\"1\"}, \"dst\", \"-\", \"s1\", \"s2\")",
        "selects by x of a\ncomputes with s1 of a\ncomputes with s2 of a"
    )]
    #[case("sort_by_label(a, \"s\")", "computes with s of a")]
    #[case("label_values(a{x=\"1\"}, job_id)", "selects by x of a\ncomputes with job_id of a")]
    #[case("label_values(job_id)", "computes with job_id of *")]
    #[case("max_over_time(sum by (x) (rate(a[5m]))[1h:30s] offset 5m)", "groups by x of a")]
    #[case("count_values(\"version\", a)", "")]
    #[case("a and on() vector(0) or (b unless c) # {x=\"1\"}", "")]
    #[case("sum BY (x) (a) == Inf", "groups by x of a")]
    #[case(
        "histogram_quantile(0.9, sum by (le, task) (rate(h_bucket[5m])))",
        "groups by le of h_bucket\ngroups by task of h_bucket"
    )]
    #[case("sum by (x) (rate($metric[5m]))", "groups by x of *")]
    #[case("sum by (x", "")]
    #[case("a{x=\"1", "selects by x of a")]
    #[case(")))}}]((({{{[[[", "")]
    fn labels_and_the_metrics_they_are_read_of(#[case] expression: &str, #[case] want: &str) {
        assert_eq!(shown(expression), want, "{expression}");
    }

    #[test]
    fn names_fit_as_prometheus_says() {
        let fits = |name: Name| name.fits("worker_jobs_total");
        assert!(fits(Name::Any) && fits(Name::Is("worker_jobs_total".into())) && fits(Name::Fits("worker_.+".into())));
        assert!(!fits(Name::Is("worker_jobs".into())) && !fits(Name::Fits("worker".into())));
        assert!(fits(Name::Fits("(".into())), "what is no regex may be anything");
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_refused(expression in "[a-b(){}\\[\\],\"'$#=~! by on]{0,40}|.{0,40}") {
            read(&expression);
        }
    }
}
