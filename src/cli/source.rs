//! SOURCE of `analyze` and `suggest`: a URL, a file or stdin.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::Uri;

use super::body::Body;
use super::failure::Usage;
use super::progress::Progress;
use crate::engine::policy::{Mode, Policies};
use crate::proxy;
use crate::settings::{Allow, Credentials, ScrapeSettings, Settings, Storage, Target, Tls};
use crate::state::{Config, Shared};
use crate::telemetry::Telemetry;

/// The name of the only target there is.
const NAME: &str = "source";
/// Some exporters ask their whole fleet first.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Reads it whole.
pub(super) fn read(source: &str) -> anyhow::Result<Body> {
    match url(source)? {
        Some(uri) => Ok(Body::new(source.to_owned(), fetch(source, uri)?)),
        None => Ok(Body::read(source)?),
    }
}

/// What to fetch; `None` where SOURCE is no URL. A URL without a path means `/metrics`.
fn url(source: &str) -> Result<Option<Uri>, Usage> {
    let Some(rest) = ["http://", "https://"].iter().find_map(|scheme| source.strip_prefix(scheme)) else {
        return Ok(None);
    };
    if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(Usage(
            "a URL with credentials would stand in the process list: fetch it with curl and pipe it in (`-`)".into(),
        ));
    }
    let path = if rest.contains(['/', '?']) { "" } else { "/metrics" };
    let uri: Result<Uri, _> = format!("{source}{path}").parse();
    uri.map(Some).map_err(|error| Usage(format!("`{source}` is no URL: {error}")))
}

/// Asks the exporter as the proxy would, with no policy: decoded, checked and byte for byte.
fn fetch(source: &str, uri: Uri) -> anyhow::Result<Vec<u8>> {
    let shared = Arc::new(Shared::new(Config::new(settings(uri), Policies::default()), Arc::new(Telemetry::default())));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
    let _waiting = Progress::waiting("waiting for", source);
    let body = runtime.block_on(proxy::scrape_once(shared, NAME)).map_err(|reason| anyhow!("{source}: {reason}"))?;
    Ok(body.into())
}

fn settings(uri: Uri) -> Settings {
    let target = Target {
        name: NAME.to_owned(),
        allow: Allow::Url(uri),
        mode: Mode::Enforce,
        series_limit: 0,
        tls: Tls::default(),
        credentials: Credentials::None,
        headers: Vec::new(),
        fallback_scrape_protocol: None,
    };
    Settings {
        targets: vec![target],
        storage: Storage { path: None, ..Storage::default() },
        scrape: ScrapeSettings {
            timeout: TIMEOUT,
            hold_output: u64::MAX,
            annotate: false,
            ..ScrapeSettings::default()
        },
        builtin_policy: false,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_url_or_a_file() {
        for (source, want) in [
            ("http://a:9394", Some("http://a:9394/metrics")),
            ("http://a:9394/", Some("http://a:9394/")),
            ("https://a/m?x=y", Some("https://a/m?x=y")),
            ("body.prom", None),
            ("-", None),
        ] {
            assert_eq!(url(source).unwrap().map(|uri| uri.to_string()).as_deref(), want, "{source}");
        }
        for wrong in ["http://", "http://user:pass@a/", "http://a b/"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
