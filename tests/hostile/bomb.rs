//! Ten gigabytes in ten megabytes.

use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::binary::{command, scratch};
use super::client::{get, memory};
use super::server::Server;

const BLOCK: usize = 16 << 20;
const BLOCKS: usize = 640;

/// A block that can be repeated: nothing in it looks back beyond its beginning.
fn block() -> Vec<u8> {
    let line = format!("# {}\n", "x".repeat(65_533));
    let text = line.repeat(BLOCK / line.len());
    let mut deflate = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(1 << 20);
    deflate.compress_vec(text.as_bytes(), &mut out, FlushCompress::Full).unwrap();
    assert_eq!(deflate.total_in() as usize, text.len());
    out
}

/// Answers every request with so many of these blocks, gzipped.
async fn bomber() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let block = Arc::new(block());
    assert!(block.len() * BLOCKS < 20 << 20, "this is no bomb: {} bytes", block.len() * BLOCKS);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let block = block.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    10 + block.len() * BLOCKS + 10
                );
                let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
                let _ = stream.write_all(&[head.as_bytes(), &gzip].concat()).await;
                for _ in 0..BLOCKS {
                    if stream.write_all(&block).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "reads memory where Linux says it")]
async fn ten_gigabytes_in_a_gzip_are_refused_at_the_limit_and_take_no_memory() {
    let port = bomber().await;
    // A good body held whole and one that leaves early: both have to end at the limit.
    let file = |hold: &str| {
        format!(
            "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: ''}}\nscrape: {{hold_output: {hold}}}\n\
             targets: [{{name: bomb, url: 'http://127.0.0.1:{port}/metrics'}}]\n"
        )
    };
    let dir = scratch(&[("guard.yaml", &file("8MB"))]);
    let server = Server::start(command(&["serve", &format!("--config.file={}", dir.path("guard.yaml"))]));
    assert_eq!(get(server.address(), "/metrics", 10.0).await.map(|answer| answer.status), Some(200));
    let before = memory(&server, "VmRSS");
    for _ in 0..2 {
        let answer = get(server.address(), "/scrape/bomb", 110.0).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 502), "{answer:?}");
    }
    let metrics = get(server.address(), "/metrics", 10.0).await.unwrap().body;
    let metrics = if metrics.contains("result=\"limit\"} 2") {
        metrics
    } else {
        get(server.address(), "/metrics", 10.0).await.unwrap().body
    };
    assert!(metrics.contains("cardinality_guard_scrapes_total{target=\"bomb\",result=\"limit\"} 2\n"), "{metrics}");
    let most = memory(&server, "VmHWM");
    println!("{before} kB before, {most} kB at most");
    assert!(most < before + 20_000, "{before} kB before, {most} kB at most");
}
