//! Every path, asked as Prometheus, a script and a browser would.

use std::sync::Mutex;

use hyper::header::ALLOW;

use super::*;
use crate::engine::policy::{Builtin, Policies};
use crate::settings::Loader;
use crate::state::Config;
use crate::telemetry::{Foreseen, ScrapeCost, ScrapeResult, Telemetry};

const SETTINGS: &str = "\
web: {telemetry_path: /own}
targets:
  - {name: celery, url: 'http://celery:9808/metrics', basic_auth: {username: me, password: hunter2}}
  - {name: evil, address: '<script>:1', mode: observe}
";

struct Asked {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn context() -> (AdminContext, watch::Sender<Phase>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.yaml");
    std::fs::write(&path, SETTINGS).unwrap();
    let loader = Loader { config_file: Some(path), environment: Some(Default::default()), flags: vec![] };
    let settings = loader.load().unwrap().settings;
    let (policies, _) = Policies::compile(&[], Builtin::Excluded, None).unwrap();
    let shared = Arc::new(Shared::new(Config::new(settings, policies), Arc::new(Telemetry::default())));
    let (sender, phase) = watch::channel(Phase::Serving);
    (
        AdminContext {
            offers: Offers::Everything,
            shared,
            reload: Arc::new(|| Err("guard.yaml:1:1: no".into())),
            phase,
        },
        sender,
    )
}

async fn ask_with(context: &AdminContext, method: &str, path: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) = answer(context, request.body(()).unwrap()).await.into_parts();
    Asked { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn ask(context: &AdminContext, method: &str, path: &str) -> Asked {
    ask_with(context, method, path, &[]).await
}

#[tokio::test]
async fn says_that_it_lives_and_whether_it_is_ready() {
    let (context, phase) = context();
    assert_eq!(ask(&context, "GET", "/-/healthy").await.status, 200);
    assert_eq!(ask(&context, "GET", "/-/ready").await.status, 200);
    phase.send(Phase::Draining).unwrap();
    assert_eq!(ask(&context, "GET", "/-/ready").await.status, 503);
    assert_eq!(ask(&context, "GET", "/-/healthy").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_refused() {
    let (context, _phase) = context();
    assert_eq!(ask(&context, "GET", "/nope").await.status, 404);
    assert_eq!(ask(&context, "GET", "/metrics").await.status, 404, "telemetry_path is /own");
    for (method, path, allow) in
        [("GET", "/-/reload", "POST, PUT"), ("POST", "/own", "GET, HEAD"), ("DELETE", "/config", "GET, HEAD")]
    {
        let refused = ask(&context, method, path).await;
        assert_eq!((refused.status.as_u16(), refused.headers[ALLOW].to_str().unwrap()), (405, allow));
    }
}

#[tokio::test]
async fn what_moved_elsewhere_is_not_here() {
    let (mut context, _phase) = context();
    context.offers = Offers::MetricsAndHealth;
    for (path, status) in [
        ("/own", 200),
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/", 404),
        ("/config", 404),
        ("/page.js", 404),
        ("/api/v1/targets", 404),
    ] {
        assert_eq!(ask(&context, "GET", path).await.status, status, "{path}");
    }
    for path in ["/-/reload", "/api/v1/release?target=celery", "/api/v1/mode?target=celery&mode=pass"] {
        assert_eq!(ask(&context, "POST", path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_reload_says_how_it_went() {
    let (mut context, _phase) = context();
    let refused = ask(&context, "POST", "/-/reload").await;
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("guard.yaml:1:1: no"), "{}", refused.body);
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    context.reload = Arc::new(move || {
        *counted.lock().unwrap() += 1;
        Ok(())
    });
    assert_eq!(ask(&context, "PUT", "/-/reload").await.status, 200);
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[tokio::test]
async fn own_metrics_in_the_format_asked_for_and_never_used_up_by_a_head() {
    let (context, _phase) = context();
    let telemetry = context.shared.telemetry();
    telemetry.config_loaded(Foreseen::default());
    telemetry.scrape_ended("late", ScrapeResult::Ok, "", ScrapeCost::default());
    let row = r#"cardinality_guard_scrapes_total{target="late",result="ok"}"#;
    let head = ask(&context, "HEAD", "/own").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let first = ask(&context, "GET", "/own").await;
    assert_eq!(first.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(first.body.contains(&format!("{row} 0\n")), "{}", first.body);
    let openmetrics = [("accept", "application/openmetrics-text;version=1.0.0"), ("accept", "text/plain;q=0.5")];
    let second = ask_with(&context, "GET", "/own", &openmetrics).await;
    assert_eq!(second.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(second.body.contains(&format!("{row} 1\n")) && second.body.ends_with("# EOF\n"), "{}", second.body);
}

#[tokio::test]
async fn the_configuration_shows_no_secret() {
    let (context, _phase) = context();
    let shown = ask(&context, "GET", "/config").await.body;
    assert!(shown.contains("<secret>") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn url_targets_are_discovered_through_this_guard() {
    let (context, _phase) = context();
    let found = ask_with(&context, "GET", "/sd", &[("host", "guard.svc:10900")]).await;
    assert_eq!(found.headers["content-type"], "application/json");
    let found: serde_json::Value = serde_json::from_str(&found.body).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["targets"][0], "guard.svc:10900");
    assert_eq!(found[0]["labels"]["__metrics_path__"], "/scrape/celery");
    assert_eq!(found[0]["labels"]["instance"], "celery:9808");
}

#[tokio::test]
async fn the_page_shows_targets_and_escapes_what_it_shows() {
    let (context, _phase) = context();
    let reason = "exporter: <b>down</b>";
    context.shared.telemetry().scrape_ended("celery", ScrapeResult::Upstream, reason, ScrapeCost::default());
    let page = ask(&context, "GET", "/").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.body.contains("celery") && page.body.contains("&lt;b&gt;down"), "{}", page.body);
    assert!(page.body.contains("&lt;script&gt;:1") && !page.body.contains("<script>"), "{}", page.body);
    assert!(page.body.contains("observe") && page.body.contains("href=\"/own\""), "{}", page.body);
    for (path, content_type) in [
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.svg", "image/svg+xml"),
    ] {
        let file = ask(&context, "GET", path).await;
        assert_eq!((file.status.as_u16(), &file.headers["content-type"]), (200, &content_type.parse().unwrap()));
        assert!(page.body.contains(&format!("=\"{path}\"")), "{path}");
        assert!(!file.body.contains("http://") || path == "/page.svg", "nothing comes from elsewhere");
    }
    assert_eq!(page.body.matches("src=").count(), 1, "{}", page.body);
}

#[tokio::test]
async fn a_scrape_under_way_is_not_waited_for_without_end() {
    use crate::settings::Scheme;
    use crate::state::EndpointKey;
    let (context, _phase) = context();
    let key =
        EndpointKey { scheme: Scheme::Http, host: "celery".into(), port: 9808, path_and_query: "/metrics".into() };
    let endpoint = context.shared.endpoints().ask(&key, std::time::Duration::ZERO, 0);
    endpoint.belongs_to("celery");
    let lease = endpoint.lease().await;
    let busy = ask(&context, "GET", "/api/v1/rollback?target=celery").await;
    let busy: serde_json::Value = serde_json::from_str(&busy.body).unwrap();
    assert_eq!(busy["data"]["busyEndpoints"][0], "http://celery:9808/metrics");
    drop(lease);
    let free = ask(&context, "GET", "/api/v1/rollback?target=celery").await;
    let free: serde_json::Value = serde_json::from_str(&free.body).unwrap();
    assert_eq!(free["data"]["busyEndpoints"].as_array().unwrap().len(), 0, "{free}");
    assert_eq!(ask(&context, "GET", "/api/v1/rollback?target=%3Cscript%3E").await.status, 404);
}
