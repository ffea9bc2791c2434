//! The landing page: who is here, what is scraped through it, and how that goes. It needs no
//! network, no script and no particular screen.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use crate::engine::policy::Mode;
use crate::settings::Allow;
use crate::state::{ActiveTarget, Shared};
use crate::telemetry::{LastOutcome, LiveEndpoint, ScrapeResult};

const HEAD: &str = include_str!("page_head.html");

/// Text made harmless in HTML.
struct Escaped<'a>(&'a str);

/// What the endpoints of a target come to.
#[derive(Default)]
struct Sums {
    endpoints: usize,
    received: u64,
    forwarded: u64,
}

pub(super) fn render(shared: &Shared) -> String {
    let config = shared.config();
    let sums = sums(&shared.endpoints().live());
    let mut page = String::from(HEAD);
    let telemetry_path = &config.settings.web.telemetry_path;
    // Writing to a String cannot fail.
    let _ = write_links(&mut page, telemetry_path);
    let _ = write!(page, "<h2>Targets</h2>\n<table>\n<thead><tr><th scope=col>Name<th scope=col>May be scraped");
    let _ = writeln!(page, "<th scope=col>Mode<th scope=col class=n>Endpoints<th scope=col class=n>Series in");
    let _ = writeln!(page, "<th scope=col class=n>Series out<th scope=col>Last scrape</thead>\n<tbody>");
    for target in config.targets() {
        let name = &target.settings.name;
        let outcome = shared.telemetry().last_outcome(name);
        let _ = write_target(&mut page, target, sums.get(name), outcome.as_ref());
    }
    if config.targets().is_empty() {
        page.push_str("<tr><td colspan=7>None. Name some under <code>targets:</code>; anything else is refused.\n");
    }
    page.push_str("</tbody>\n</table>\n</main>\n");
    page
}

fn write_links(page: &mut String, telemetry_path: &str) -> fmt::Result {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(page, "<header><h1>cardinality-guard</h1> <span>{version}</span></header>\n<main>")?;
    writeln!(page, "<p>Scrape your exporters through this port: the labels your policies name stay out of")?;
    writeln!(page, "Prometheus, and the sums, rates and quantiles over what is left stay true.</p>\n<nav>")?;
    writeln!(page, "<a href=\"{}\">Metrics</a>", Escaped(telemetry_path))?;
    for (path, name) in [
        ("/config", "Configuration"),
        ("/sd", "Service discovery"),
        ("/-/healthy", "Health"),
        ("/-/ready", "Readiness"),
    ] {
        writeln!(page, "<a href=\"{path}\">{name}</a>")?;
    }
    writeln!(page, "</nav>")
}

fn write_target(
    page: &mut String,
    target: &ActiveTarget,
    sums: Option<&Sums>,
    outcome: Option<&LastOutcome>,
) -> fmt::Result {
    let name = Escaped(&target.settings.name);
    let allow = allowed(&target.settings.allow);
    let mode = match target.mode {
        Mode::Pass => "pass",
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    };
    let none = Sums::default();
    let Sums { endpoints, received, forwarded } = sums.unwrap_or(&none);
    write!(page, "<tr><th scope=row>{name}<td><code>{}</code><td>{mode}", Escaped(&allow))?;
    write!(page, "<td class=n>{endpoints}<td class=n>{received}<td class=n>{forwarded}<td>")?;
    match outcome {
        None => writeln!(page, "<span class=quiet>not yet</span>"),
        Some(LastOutcome { result: ScrapeResult::Ok, at, .. }) => {
            writeln!(page, "<span class=good>ok</span> {}", ago(*at))
        }
        Some(LastOutcome { reason, at, .. }) => {
            writeln!(page, "<span class=bad>failed</span> {}: {}", ago(*at), Escaped(reason))
        }
    }
}

fn allowed(allow: &Allow) -> String {
    match allow {
        Allow::Url(url) => url.to_string(),
        Allow::Address { pattern, .. } => {
            let pattern = pattern.as_str();
            let bare = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
            bare.unwrap_or(pattern).to_owned()
        }
        Allow::Cidr { net, ports, .. } => {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            format!("{net} ports {}", ports.join(", "))
        }
    }
}

fn sums(live: &[LiveEndpoint]) -> HashMap<String, Sums> {
    let mut sums: HashMap<String, Sums> = HashMap::new();
    for endpoint in live {
        let sum = sums.entry(endpoint.target.clone()).or_default();
        sum.endpoints += 1;
        sum.received += endpoint.received;
        sum.forwarded += endpoint.forwarded;
    }
    sums
}

fn ago(at: SystemTime) -> String {
    let passed = SystemTime::now().duration_since(at).unwrap_or(Duration::ZERO).as_secs();
    match passed {
        0..=119 => format!("{passed} s ago"),
        120..=7199 => format!("{} min ago", passed / 60),
        _ => format!("{} h ago", passed / 3600),
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
