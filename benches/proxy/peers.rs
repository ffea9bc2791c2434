//! Who stands between: the guard, nginx as pass-through, vmagent with its series limiter.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, free_port, is_installed, listening};

/// A started proxy and where it listens.
pub struct Peer {
    pub process: Process,
    pub address: SocketAddr,
}

/// Settings of a guard that does nothing but pass on what it has read: no limit, no policy.
pub const BARE: &str = "builtin_policy: false\nscrape: {endpoint_series_limit: 0, body_size_limit: 0}\n";

/// A guard of these settings, whose target `x` is `url`; it keeps what it remembers in memory, unless they say where.
pub fn guard(place: &Path, settings: &str, url: &str) -> Peer {
    let address = free_port();
    let file = place.join(format!("guard-{}.yaml", address.port()));
    let targets = format!("targets: [{{name: x, url: '{url}'}}]\n");
    let storage = if settings.contains("storage:") { "" } else { "storage: {path: ''}\n" };
    let text = format!("{settings}{storage}{targets}web: {{listen_address: ['{address}']}}\n");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
    command.arg("serve").arg(format!("--config.file={}", file.display())).env_clear();
    let process = Process::start(&mut command);
    listening(address);
    Peer { process, address }
}

/// nginx with buffers of 64k; `None` when it is not installed.
pub fn nginx(place: &Path, upstream: SocketAddr) -> Option<Peer> {
    let program = is_installed(&std::env::var("NGINX").unwrap_or_else(|_| "nginx".into()))?;
    let address = free_port();
    let file = place.join("nginx.conf");
    let place = place.display();
    let text = format!(
        "daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/nginx.log;
         events {{}}
         http {{
             access_log off; tcp_nodelay on; keepalive_requests 1000000; client_body_temp_path {place}/a;
             proxy_temp_path {place}/b; fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
             upstream exporter {{ server {upstream}; keepalive 4; keepalive_requests 1000000; }}
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://exporter; proxy_http_version 1.1; proxy_set_header Connection '';
                     proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
                     proxy_max_temp_file_size 0;
                 }}
             }}
         }}"
    );
    fs::write(&file, text).unwrap();
    let process =
        Process::start(Command::new(program).arg("-e").arg(format!("{place}/nginx.log")).arg("-c").arg(&file));
    listening(address);
    Some(Peer { process, address })
}

/// vmagent with a limit that is not reached, scraping by itself; `None` when it is not installed.
pub fn vmagent(place: &Path, upstream: SocketAddr, path: &str) -> Option<Process> {
    let program = is_installed(&std::env::var("VMAGENT").unwrap_or_else(|_| "vmagent".into()))?;
    let file = place.join("vmagent.yaml");
    let text = format!(
        "scrape_configs: [{{job_name: x, scrape_interval: 3s, scrape_timeout: 3s, series_limit: 200000, \
         metrics_path: {path}, static_configs: [{{targets: ['{upstream}']}}]}}]"
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("-promscrape.config={}", file.display()))
        .arg(format!("-remoteWrite.url=http://{upstream}/write"))
        .arg(format!("-remoteWrite.tmpDataPath={}", place.join("vmagent").display()))
        .arg(format!("-httpListenAddr={}", free_port()));
    Some(Process::start(&mut command))
}
