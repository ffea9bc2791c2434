//! PromQL series selectors: `name{a="b", c=~"d.+"}`, `{"a.name", x!="y"}`.

mod matcher;
mod parse;
mod quoted;

use crate::engine::model::LabelSet;

pub(super) use matcher::Matcher;
pub(super) use parse::Mistake;

/// A parsed selector. What it says of `__name__` is tested against the names a family can have,
/// the rest against each series.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    text: Box<str>,
    names: Vec<Matcher>,
    labels: Vec<Matcher>,
}

impl Selector {
    pub fn new(text: &str) -> Result<Selector, Mistake> {
        let matchers = parse::matchers(text)?;
        let (names, labels) = matchers.into_iter().partition(|matcher| matcher.label() == "__name__");
        Ok(Selector { text: text.into(), names, labels })
    }

    /// All name matchers must fit one and the same name; any name will do.
    pub fn covers(&self, names: &[&str]) -> bool {
        self.names.is_empty() || names.iter().any(|name| self.names.iter().all(|matcher| matcher.fits(name)))
    }

    /// Says whether a series of a covered family is selected.
    #[inline]
    pub fn selects(&self, labels: &LabelSet) -> bool {
        self.misfit(labels).is_none()
    }

    /// The first matcher a series fails.
    pub fn misfit(&self, labels: &LabelSet) -> Option<&Matcher> {
        self.labels.iter().find(|matcher| !matcher.fits(labels.get(matcher.label()).unwrap_or("")))
    }

    /// Labels that it matches by.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(Matcher::label)
    }

    pub fn reads_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// The names it selects, as far as it spells them out.
    pub fn literal_names(&self) -> impl Iterator<Item = &str> {
        let words = self.names.iter().flat_map(Matcher::words);
        words.filter(|name| self.covers(&[name]))
    }

    /// As written by the operator.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn labels() -> LabelSet {
        [("queue", "emails"), ("job_id", "17"), ("a.b", "x\n")].into_iter().collect()
    }

    fn selects(selector: &str) -> bool {
        let selector = Selector::new(selector).unwrap_or_else(|mistake| panic!("{selector}: {}", mistake.message));
        let names = ["x_seconds", "x_seconds_bucket", "x_seconds_sum"];
        selector.covers(&names) && selector.selects(&labels())
    }

    #[rstest]
    #[case("x_seconds", true)]
    #[case("x_seconds_bucket", true)]
    #[case("x", false)]
    #[case(r#"{__name__=~"x_.+"}"#, true)]
    #[case(r#"{__name__=~"seconds"}"#, false)]
    #[case(r#"{__name__=~".+_bucket", __name__=~"x.+"}"#, true)]
    #[case(r#"{__name__=~".+_bucket", __name__=~".+_sum"}"#, false)]
    #[case(r#"{__name__!~".+_bucket"}"#, true)]
    #[case(r#"{"x_seconds", queue="emails"}"#, true)]
    #[case(r#"{"x.seconds"}"#, false)]
    #[case(r#"x_seconds{queue="emails"}"#, true)]
    #[case(r#"x_seconds{queue='emails',}"#, true)]
    #[case("{queue=`emails`}", true)]
    #[case(r#"{queue="email"}"#, false)]
    #[case(r#"{queue=~"email"}"#, false)]
    #[case(r#"{queue=~"email.*|x"}"#, true)]
    #[case(r#"{queue!~"email.*"}"#, false)]
    #[case(r#"{queue!="x"}"#, true)]
    #[case(r#"{tenant=""}"#, true)]
    #[case(r#"{tenant!=""}"#, false)]
    #[case(r#"{tenant=~".*"}"#, true)]
    #[case(r#"{tenant=~".+"}"#, false)]
    #[case(r#"{"a.b"="x\n"}"#, true)]
    #[case(r#"{"a.b"=~"x."}"#, true)]
    #[case(" { job_id = \"\\u0031\\x37\" , queue != \"\\061\" } # a comment", true)]
    #[case("{}", true)]
    fn selects_what_promql_selects(#[case] selector: &str, #[case] want: bool) {
        assert_eq!(selects(selector), want);
    }
}
