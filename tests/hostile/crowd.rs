//! Many who take their time: clients that never finish asking, exporters that never answer.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::binary::{Scratch, command, scratch};
use super::client::get;
use super::server::Server;
use super::world::{Nature, World, ip};

fn guard(world: &World) -> (Server, Scratch) {
    let file = format!(
        "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: ''}}\nbuiltin_policy: false\n\
         targets: [{{name: all, cidr: 127.1.0.0/16, ports: [{}]}}]\n",
        world.port
    );
    let dir = scratch(&[("guard.yaml", &file)]);
    (Server::start(command(&["serve", &format!("--config.file={}", dir.path("guard.yaml"))])), dir)
}

/// Half of them drip a head for ever, the others say half of one and wait.
async fn slowloris(address: std::net::SocketAddr, drips: bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /scrape/all HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    let mut byte = [0; 64];
    loop {
        tokio::select! {
            // The guard has had enough.
            _ = stream.read(&mut byte) => return,
            () = tokio::time::sleep(Duration::from_millis(500)), if drips => {
                if stream.write_all(b"x").await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_clients_that_never_finish_asking_hold_nobody_up() {
    let world = World::of(|_| Nature::Healthy).await;
    let (server, _dir) = guard(&world);
    let address = server.address();
    let mut slow = JoinSet::new();
    for n in 0..500 {
        slow.spawn(slowloris(address, n % 2 == 0));
    }
    let mut scrapes = 0;
    while !slow.is_empty() {
        for n in 0..20 {
            let answer = get(address, &world.place(ip(n)), 10.0).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.reason);
            scrapes += 1;
        }
        // Each is sent away when its time for a head is over; the test waits for the last of them.
        while slow.try_join_next().is_some() {}
    }
    assert!(scrapes >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_black_holes_among_six_hundred_endpoints_hold_nobody_up() {
    let is_hole = |n: usize| n.is_multiple_of(6);
    let world = World::of(move |at| match at {
        std::net::IpAddr::V4(v4) if is_hole(usize::from(v4.octets()[2]) * 200 + usize::from(v4.octets()[3]) - 1) => {
            Nature::BlackHole
        }
        _ => Nature::Healthy,
    })
    .await;
    let (server, _dir) = guard(&world);
    let address = server.address();
    let mut clients = JoinSet::new();
    for n in (0..600).flat_map(|n| [n, n]) {
        let place = world.place(ip(n));
        clients.spawn(async move {
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                let answer = get(address, &place, if is_hole(n) { 3.0 } else { 30.0 }).await;
                outcomes.push(answer.map(|answer| (answer.status, answer.reason)));
            }
            (n, outcomes)
        });
    }
    let (mut good, mut held) = (0, 0);
    while let Some(done) = clients.join_next().await {
        let (n, outcomes) = done.unwrap();
        for outcome in outcomes {
            match (is_hole(n), outcome) {
                (true, Some((503 | 504, _))) => held += 1,
                // On a machine that is busy a client may not have taken its failure by its deadline.
                (true, None) => held += 1,
                (false, Some((200, _))) => good += 1,
                (_, outcome) => panic!("endpoint {n}: {outcome:?}"),
            }
        }
    }
    assert_eq!((good, held), (3000, 600));
}

/// The operating system gives it no more sockets: who is there is served, and who comes later is
/// when there is room again. The guard does not spin meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "reads time where Linux says it")]
async fn without_file_descriptors_it_waits_and_comes_back() {
    let world = World::of(|_| Nature::Healthy).await;
    let file = format!(
        "web: {{listen_address: ['127.0.0.1:0']}}\nstorage: {{path: ''}}\n\
         targets: [{{name: all, cidr: 127.1.0.0/16, ports: [{}]}}]\n",
        world.port
    );
    let dir = scratch(&[("guard.yaml", &file)]);
    let guard = command(&["serve", &format!("--config.file={}", dir.path("guard.yaml"))]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"]).arg(guard.get_program()).args(guard.get_args());
    limited.env_clear().stderr(std::process::Stdio::piped());
    let server = Server::start(limited);
    let address = server.address();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let before = cpu(&server);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = cpu(&server) - before;
    assert!(spent < 100, "{spent} hundredths of a second of work in two seconds without any");
    drop(idle);
    let answer = get(address, &world.place(ip(1)), 10.0).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.reason);
}

/// Hundredths of a second that the process has worked.
fn cpu(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
