//! What the tests over real sockets share: an exporter that does what it is told, a guard in
//! front of it, a client that reads every byte. All of it on 127.0.0.1 and ports of their own.
#![allow(dead_code)]

pub mod client;
pub mod exporter;
pub mod guard;

use std::future::Future;
use std::time::Duration;

/// No test asserts how long something takes; this only keeps a hanging one from hanging for ever.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: still nothing after a minute"),
    }
}
