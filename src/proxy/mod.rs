//! The scrape path: listener, request -> target, upstream client, headers, body, one place that
//! turns an error into a response.
//!
//! ```text
//! server -> front -> service -> scrape: route -> allow -> admission -> connect, fetch
//!                                       -> flow: wire -> source -> lease (guard) -> encode -> body
//! ```
//!
//! [`run`] is handed its sockets and its end. Requests that are no scrape go to the handler that
//! came with the door.

mod accept;
mod account;
mod admission;
mod allow;
mod answer;
mod body;
mod connect;
mod content;
mod crowd;
mod deadline;
mod encode;
mod failure;
mod fetch;
mod flow;
mod framing;
mod front;
mod head_io;
mod heads;
mod host;
mod lookup;
mod media_type;
mod once;
mod own;
mod patience;
mod request;
mod route;
mod scrape;
mod server;
mod service;
mod source;
mod tls;
mod users;
mod wire;
mod within;

pub use front::{LocalHandler, local_handler};
pub use once::scrape_once;
pub use route::read_target;
pub use server::{Door, ScrapesHere, run};

#[cfg(test)]
mod tests;
