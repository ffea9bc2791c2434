//! `/api/v1`: answers dressed as Prometheus dresses its own.

mod cardinality;
mod commands;
mod rollback;
mod suggest;
mod targets;

use std::sync::Arc;

use hyper::{Method, StatusCode, Uri};

use super::in_background;
use super::query::parameter;
use super::reply::Reply;
use crate::state::{ActiveTarget, Config, Shared};

/// The answer to a path below `/api/v1`; `None` where there is none.
pub(super) async fn answer(shared: &Arc<Shared>, method: &Method, uri: &Uri) -> Option<Reply> {
    let command: Option<fn(&Shared, &Uri) -> Result<Reply, Reply>> = match uri.path() {
        "/api/v1/release" => Some(commands::release),
        "/api/v1/mode" => Some(commands::mode),
        _ => None,
    };
    if let Some(command) = command {
        return Some(match *method {
            Method::POST => command(shared, uri).unwrap_or_else(|refused| refused),
            _ => Reply::method_not_allowed("POST"),
        });
    }
    let question: Option<fn(&Shared, &Uri) -> Result<Reply, Reply>> = match uri.path() {
        "/api/v1/targets" => Some(targets::answer),
        "/api/v1/cardinality" => Some(cardinality::answer),
        "/api/v1/suggest" => Some(suggest::answer),
        "/api/v1/rollback" => None,
        _ => return None,
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(Reply::method_not_allowed("GET, HEAD"));
    }
    let reply = match question {
        Some(question) => {
            let (shared, uri) = (shared.clone(), uri.clone());
            in_background(move || question(&shared, &uri).unwrap_or_else(|refused| refused)).await
        }
        None => rollback::answer(shared, uri).await,
    };
    Some(if *method == Method::HEAD { reply.without_body() } else { reply })
}

/// The target that `target=` names.
fn target(config: &Config, uri: &Uri) -> Result<Arc<ActiveTarget>, Reply> {
    let name = parameter(uri, "target").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| bad("say which one: target=NAME"))?;
    config.target(&name).cloned().ok_or_else(|| not_found(&format!("no target is named {name}")))
}

/// `limit=`, a number, `usual` where it is not given.
fn limit(uri: &Uri, of: &str, usual: usize, most: usize) -> Result<usize, Reply> {
    match parameter(uri, "limit").map(|limit| limit.parse::<usize>()) {
        None => Ok(usual),
        Some(Ok(limit)) => Ok(limit.min(most)),
        Some(Err(_)) => Err(bad(&format!("limit is a number of {of}"))),
    }
}

fn bad(error: &str) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, "bad_data", error)
}

fn not_found(error: &str) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "not_found", error)
}
