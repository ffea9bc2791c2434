//! `Accept` less what the guard cannot read.

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};

/// What is asked for when nothing readable is left, or nothing was said.
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4,*/*;q=0.1");

/// Beyond this nobody means what they say; it is as if they had said nothing.
const LONGEST: usize = 8 << 10;

/// What to ask the exporter for.
#[derive(Debug, PartialEq, Eq)]
pub struct Readable {
    pub accept: HeaderValue,
    pub protobuf: Protobuf,
}

/// Whether native histograms are lost on this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protobuf {
    Struck,
    NotAsked,
}

/// How the answer may be encoded for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Gzip,
    Identity,
}

/// Whether a client reads all members of a gzip body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    All,
    /// Many stop behind the first.
    First,
}

/// By what is known of the clients that say so: Prometheus and VictoriaMetrics' agent read all.
pub fn members(headers: &HeaderMap) -> Members {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    match agent.starts_with(b"Prometheus/") || agent.starts_with(b"vm") {
        true => Members::All,
        false => Members::First,
    }
}

/// What is left of the client's Accept; what stays keeps its spelling and its order.
pub fn readable(headers: &HeaderMap) -> Readable {
    let mut kept = String::new();
    let mut protobuf = Protobuf::NotAsked;
    let text = joined(headers, ACCEPT.as_str());
    for entry in elements(&text) {
        match judge(entry) {
            Judgement::Readable => {
                kept.push_str(if kept.is_empty() { "" } else { "," });
                kept.push_str(entry);
            }
            Judgement::Protobuf => protobuf = Protobuf::Struck,
            Judgement::Unreadable => {}
        }
    }
    let accept = HeaderValue::try_from(kept).ok().filter(|value| !value.is_empty()).unwrap_or(PLAIN);
    Readable { accept, protobuf }
}

/// Reads Accept-Encoding: gzip only for a client that names it and does not forbid it.
pub fn taken(headers: &HeaderMap) -> Taken {
    let text = joined(headers, ACCEPT_ENCODING.as_str());
    let gzip = |entry: &&str| entry.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip"));
    match elements(&text).find(gzip) {
        Some(entry) if !is_refused(entry) => Taken::Gzip,
        _ => Taken::Identity,
    }
}

enum Judgement {
    Readable,
    Protobuf,
    Unreadable,
}

fn judge(entry: &str) -> Judgement {
    let media = entry.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "text/plain" | "text/*" | "*/*" => Judgement::Readable,
        "application/openmetrics-text" if is_openmetrics_1(entry) => Judgement::Readable,
        "application/vnd.google.protobuf" if !is_refused(entry) => Judgement::Protobuf,
        _ => Judgement::Unreadable,
    }
}

/// Says that the version, when there is one, is 0 or 1.
fn is_openmetrics_1(entry: &str) -> bool {
    let Some(version) = parameter(entry, "version") else { return true };
    let major = version.trim_matches('"').split('.').next().unwrap_or_default();
    matches!(major.parse::<u32>(), Ok(0 | 1))
}

fn is_refused(entry: &str) -> bool {
    parameter(entry, "q").and_then(|q| q.parse::<f64>().ok()) == Some(0.0)
}

fn parameter<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let pairs = entry.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

/// All lines of a list header as one; nothing when they are too long or not text.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let mut text = String::new();
    for line in headers.get_all(name) {
        let Ok(line) = line.to_str() else { return String::new() };
        if text.len() + line.len() > LONGEST {
            return String::new();
        }
        text.push_str(line);
        text.push(',');
    }
    text
}

/// Elements of a list, commas inside quotes left alone, none of them empty.
fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let split = text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    split.map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(name, line.parse().unwrap());
        }
        map
    }

    fn accept(lines: &[&str]) -> (String, Protobuf) {
        let Readable { accept, protobuf } = readable(&headers("accept", lines));
        (accept.to_str().unwrap().to_owned(), protobuf)
    }

    const DEFAULT: &str = "text/plain;version=0.0.4,*/*;q=0.1";

    #[test]
    fn what_prometheus_sends_stays_as_it_is() {
        for line in [
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        ] {
            assert_eq!(accept(&[line]), (line.into(), Protobuf::NotAsked));
        }
    }

    #[test]
    fn strikes_protobuf_and_openmetrics_2() {
        let table: &[(&[&str], &str, Protobuf)] = &[
            (
                &[
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.3",
                ],
                "text/plain;q=0.3",
                Protobuf::Struck,
            ),
            (&["application/openmetrics-text;version=2.0.0, text/plain"], "text/plain", Protobuf::NotAsked),
            (&["application/openmetrics-text;version=\"2.0.0\""], DEFAULT, Protobuf::NotAsked),
            (
                &["APPLICATION/OpenMetrics-Text; Version=1.0.0"],
                "APPLICATION/OpenMetrics-Text; Version=1.0.0",
                Protobuf::NotAsked,
            ),
            (&["application/vnd.google.protobuf"], DEFAULT, Protobuf::Struck),
            (&["application/vnd.google.protobuf;q=0"], DEFAULT, Protobuf::NotAsked),
            (&["application/*", "text/html"], DEFAULT, Protobuf::NotAsked),
            (&["text/plain;x=\"a,b\"", "*/*;q=0.1"], "text/plain;x=\"a,b\",*/*;q=0.1", Protobuf::NotAsked),
            (&[], DEFAULT, Protobuf::NotAsked),
            (&[""], DEFAULT, Protobuf::NotAsked),
        ];
        for (lines, expected, protobuf) in table {
            assert_eq!(accept(lines), ((*expected).into(), *protobuf), "{lines:?}");
        }
    }

    #[test]
    fn a_huge_accept_is_as_good_as_none() {
        let huge = "text/plain;version=1.0.0,".repeat(1000);
        assert_eq!(accept(&[&huge]), (DEFAULT.into(), Protobuf::NotAsked));
    }

    #[test]
    fn knows_who_reads_all_members() {
        let told = |agent: &str| members(&headers("user-agent", &[agent]));
        for agent in ["Prometheus/3.5.0", "Prometheus/2.42.0+ds", "vm_promscrape", "vmagent"] {
            assert_eq!(told(agent), Members::All, "{agent}");
        }
        for agent in ["curl/8.1", "", "prometheus/2", "my Prometheus/3", "Mozilla/5.0", "PrometheusX"] {
            assert_eq!(told(agent), Members::First, "{agent}");
        }
        assert_eq!(members(&HeaderMap::new()), Members::First);
    }

    #[test]
    fn gzip_only_for_who_takes_it() {
        let table = [
            ("gzip", Taken::Gzip),
            ("deflate, GZIP;q=0.5", Taken::Gzip),
            ("gzip;q=0", Taken::Identity),
            ("gzip; q=0.0", Taken::Identity),
            ("identity", Taken::Identity),
            ("*", Taken::Identity),
            ("", Taken::Identity),
        ];
        for (line, expected) in table {
            assert_eq!(taken(&headers("accept-encoding", &[line])), expected, "{line}");
        }
    }
}
