//! `/sd`: the named `url` targets for Prometheus' `http_sd_configs`, each scraped through this
//! guard and shown with the exporter's own `instance`.

use hyper::Uri;
use hyper::header::HeaderMap;
use serde_json::{Value, json};

use super::reply::Reply;
use crate::settings::{Allow, Settings};
use crate::state::Shared;

pub(super) fn answer(shared: &Shared, headers: &HeaderMap, uri: &Uri) -> Reply {
    let config = shared.config();
    // It will be reached there again.
    let guard = super::asked_as(headers, uri).map(|name| name.to_string());
    let guard = guard.unwrap_or_else(|| first_address(&config.settings));
    Reply::json(format!("{:#}\n", groups(&config.settings, &guard)))
}

fn first_address(settings: &Settings) -> String {
    settings.web.listen_address.first().map(ToString::to_string).unwrap_or_default()
}

fn groups(settings: &Settings, guard: &str) -> Value {
    let group = |target: &crate::settings::Target| match &target.allow {
        Allow::Url(url) => Some(json!({
            "targets": [guard],
            "labels": {
                "__scheme__": "http",
                "__metrics_path__": format!("/scrape/{}", target.name),
                "__meta_cardinality_guard_target": target.name,
                "instance": instance(url),
            },
        })),
        Allow::Address { .. } | Allow::Cidr { .. } => None,
    };
    settings.targets.iter().filter_map(group).collect()
}

/// What Prometheus would show for the exporter itself: always with a port.
fn instance(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    format!("{}:{port}", url.host().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_port() {
        for (url, want) in [
            ("http://a:9100/metrics", "a:9100"),
            ("http://a/metrics", "a:80"),
            ("https://a/metrics", "a:443"),
            ("http://[::1]:9/metrics", "[::1]:9"),
        ] {
            assert_eq!(instance(&url.parse().unwrap()), want);
        }
    }
}
