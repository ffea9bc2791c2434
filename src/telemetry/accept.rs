//! Which format a reader of the guard's own metrics asks for.

/// A format of the guard's own `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// An entry of an `Accept` header.
#[derive(Debug)]
struct MediaRange<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl Exposition {
    /// OpenMetrics when it is asked for at least as much as text; text when nothing fits, as
    /// Prometheus' own libraries do.
    pub fn negotiate(accept: &str) -> Exposition {
        let ranges: Vec<MediaRange<'_>> = accept.split(',').filter_map(MediaRange::parse).collect();
        let best = |of: Exposition| {
            ranges.iter().filter(|range| range.fits(of)).map(|range| range.quality).fold(0.0, f32::max)
        };
        let (openmetrics, text) = (best(Exposition::OpenMetrics), best(Exposition::Text));
        if openmetrics > 0.0 && openmetrics >= text { Exposition::OpenMetrics } else { Exposition::Text }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Exposition::Text => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl<'a> MediaRange<'a> {
    fn parse(entry: &'a str) -> Option<MediaRange<'a>> {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| !kind.is_empty())?;
        let mut range = MediaRange { kind, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => range.quality = value.trim().parse().unwrap_or(0.0),
                "version" => range.version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        Some(range)
    }

    fn fits(&self, exposition: Exposition) -> bool {
        let (kind, version) = match exposition {
            // What is written is valid as 0.0.1 too, but says 1.0.0: only who takes that gets it.
            Exposition::OpenMetrics => ("application/openmetrics-text", "1.0.0"),
            Exposition::Text => ("text/plain", "0.0.4"),
        };
        self.kind.eq_ignore_ascii_case(kind) && self.version.is_none_or(|asked| asked == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_liked_format_wins() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, want) in [
            (prometheus_3, Exposition::OpenMetrics),
            (prometheus_2, Exposition::OpenMetrics),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Exposition::Text),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.4", Exposition::Text),
            ("application/openmetrics-text;q=0, */*", Exposition::Text),
            ("application/openmetrics-text; version=2.0.0, text/plain", Exposition::Text),
            ("APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"", Exposition::OpenMetrics),
            ("application/openmetrics-text;q=banana", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/html", Exposition::Text),
            ("", Exposition::Text),
            (",;,=;q", Exposition::Text),
        ] {
            assert_eq!(Exposition::negotiate(accept), want, "{accept}");
        }
    }
}
