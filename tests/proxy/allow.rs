//! Who may be led where.

use super::BODY;
use super::support::exporter::Exporter;
use super::support::guard::{Guard, address, cidr, settings, target, url};
use cardinality_guard::settings::{Allow, Scheme};
use tokio::net::TcpListener;

#[tokio::test]
async fn the_first_entry_that_allows_it_decides() {
    let exporter = Exporter::of(BODY).await;
    let here = format!("127\\.0\\.0\\.1:{}", exporter.port());
    let mut first = target("first", address(&here));
    first.headers = vec![("X-Entry".into(), cardinality_guard::settings::Secret("first".into()))];
    let mut second = target("second", url(&exporter.url()));
    second.headers = vec![("X-Entry".into(), cardinality_guard::settings::Secret("second".into()))];
    let guard = Guard::with(settings(vec![target("no", address("x:1")), first, second])).await;
    for (place, entry) in
        [(format!("http://127.0.0.1:{}/metrics", exporter.port()), "first"), ("/scrape/second".into(), "second")]
    {
        assert_eq!(guard.get(&place, "").await.status, 200);
        assert!(exporter.requests().pop().unwrap().contains(&format!("x-entry: {entry}")), "{place}");
    }
}

#[tokio::test]
async fn what_no_entry_allows_is_refused_before_anything_is_connected() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let guard = Guard::with(settings(vec![
        target("app", url("http://app.example:9100/metrics")),
        target("workers", address("worker-[0-9]+\\.svc:8000")),
    ]))
    .await;
    for host in [
        &format!("127.0.0.1:{port}"),
        &format!("localhost:{port}"),
        &format!("[::1]:{port}"),
        &format!("[::ffff:127.0.0.1]:{port}"),
        "app.example:9101",
        "app.example",
        "evil.app.example:9100",
        "worker-1.svc:80001",
        "xworker-1.svc:8000",
        "worker-1.svc.evil:8000",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
    ] {
        for place in [format!("http://{host}/metrics"), format!("/scrape?target={host}")] {
            let answer = guard.get(&place, "").await;
            assert_eq!(answer.status, 403, "{place}: {}", answer.reason);
            assert!(answer.reason.starts_with("guard: "), "{}", answer.reason);
        }
    }
    assert_eq!(exporter.connections(), 0);
}

#[tokio::test]
async fn hosts_in_disguise_are_refused_even_by_a_wide_entry() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let guard =
        Guard::with(settings(vec![target("any", address(".*")), target("net", cidr("127.0.0.0/8", &[port]))])).await;
    for host in ["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "017700000001"] {
        for place in [format!("http://{host}:{port}/metrics"), format!("/scrape?target={host}:{port}")] {
            let answer = guard.get(&place, "").await;
            assert_eq!(answer.status, 403, "{place}: {}", answer.reason);
        }
    }
    assert_eq!(exporter.connections(), 0);
}

#[tokio::test]
async fn tricks_in_the_target_are_refused() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let guard = Guard::with(settings(vec![target("any", address(".*"))])).await;
    for place in [
        format!("/scrape?target=http://ok@127.0.0.1:{port}/metrics"),
        format!("http://ok@127.0.0.1:{port}/metrics"),
        "/scrape?target=file:///etc/passwd".into(),
        "/scrape?target=ftp://127.0.0.1/x".into(),
        "gopher://127.0.0.1/x".into(),
        format!("/scrape?target=127.0.0.1:{port}%0d%0aX-Evil:%20yes"),
        format!("/scrape?target=127.0.0.1:{port}%00"),
        format!("http://127.0.0.1:{port}/metrics%00"),
        format!("/scrape?target=http://127.0.0.1:{port}/metrics%2500"),
    ] {
        let answer = guard.get(&place, "").await;
        assert_eq!(answer.status, 403, "{place}: {}", answer.reason);
    }
    assert_eq!(exporter.connections(), 0);
}

/// A wide pattern does not open the machine itself to whoever brings a name for it.
#[tokio::test]
async fn reserved_addresses_must_be_meant() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let table: Vec<(&str, Allow, &str, u16)> = vec![
        ("a url with that host", url(&exporter.url()), "127.0.0.1", 200),
        ("an address that is the literal", address("127\\.0\\.0\\.1:[0-9]+"), "127.0.0.1", 200),
        ("an address that says localhost", address("localhost:[0-9]+"), "localhost", 200),
        ("the same with a dot", address("localhost:[0-9]+"), "localhost.", 200),
        ("an address for something else", address("[a-z.]+:[0-9]+"), "127.0.0.1", 403),
        ("a net inside the range", cidr("127.0.0.0/8", &[port]), "127.0.0.1", 200),
        ("a net inside the range, by name", cidr("127.0.0.0/8", &[port]), "localhost", 200),
        ("a net around the range", cidr("0.0.0.0/0", &[port]), "127.0.0.1", 403),
        ("a net elsewhere", cidr("10.0.0.0/8", &[port]), "127.0.0.1", 403),
        ("another port", cidr("127.0.0.0/8", &[1]), "127.0.0.1", 403),
        ("mapped into IPv6", cidr("127.0.0.0/8", &[port]), "[::ffff:127.0.0.1]", 200),
        ("mapped into IPv6, around", cidr("::/0", &[port]), "[::ffff:127.0.0.1]", 403),
    ];
    for (what, allow, host, status) in table {
        let guard = Guard::with(settings(vec![target("t", allow)])).await;
        for place in [format!("http://{host}:{port}/metrics"), format!("/scrape?target={host}:{port}")] {
            let answer = guard.get(&place, "").await;
            assert_eq!(answer.status, status, "{what}: {place}: {}", answer.reason);
        }
    }
}

#[tokio::test]
async fn paths_narrow_an_entry() {
    let exporter = Exporter::of(BODY).await;
    let port = exporter.port();
    let allow = Allow::Cidr {
        net: "127.0.0.0/8".parse().unwrap(),
        ports: vec![port],
        scheme: Scheme::Http,
        paths: vec!["/stats".into(), "/metrics".into()],
    };
    let guard = Guard::with(settings(vec![target("t", allow)])).await;
    for (path, status) in [
        ("/metrics", 200),
        ("/metrics?a=b", 200),
        ("/stats", 200),
        ("/admin", 403),
        ("/metrics/", 403),
        ("/metrics/../admin", 403),
        ("//metrics", 403),
        ("/%6detrics", 403),
        ("/metrics;x", 403),
        ("/", 403),
    ] {
        let answer = guard.get(&format!("http://127.0.0.1:{port}{path}"), "").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.reason);
    }
    assert_eq!(guard.get(&format!("/scrape/t?target=127.0.0.1:{port}"), "").await.status, 200);
    assert!(exporter.requests().pop().unwrap().starts_with("GET /stats "), "the first path is the usual one");
}

#[tokio::test]
async fn itself_is_a_loop() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = socket.local_addr().unwrap();
    let guard = Guard::on(
        socket,
        settings(vec![
            target("me", url(&format!("http://{own}/metrics"))),
            target("name", url(&format!("http://localhost:{}/metrics", own.port()))),
        ]),
    )
    .await;
    for place in [
        "/scrape/me".to_owned(),
        "/scrape/name".into(),
        format!("http://{own}/metrics"),
        format!("http://localhost:{}/metrics", own.port()),
        format!("/scrape?target={own}"),
        format!("http://[::ffff:127.0.0.1]:{}/metrics", own.port()),
        format!("http://0.0.0.0:{}/metrics", own.port()),
    ] {
        let answer = guard.get(&place, "").await;
        assert_eq!(answer.status, 508, "{place}: {}", answer.reason);
    }
}

#[tokio::test]
async fn guards_in_a_row_are_no_loop_but_a_ring_is() {
    let exporter = Exporter::of(BODY).await;
    let inner = Guard::before(&exporter).await;
    let outer =
        Guard::with(settings(vec![target("inner", url(&format!("http://{}/scrape/app", inner.address)))])).await;
    assert_eq!(outer.get("/scrape/inner", "").await.text(), BODY);

    let (a, b) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let at = |l: &TcpListener| format!("http://{}/scrape/next", l.local_addr().unwrap());
    let (to_a, to_b) = (at(&a), at(&b));
    let a = Guard::on(a, settings(vec![target("next", url(&to_b))])).await;
    let _b = Guard::on(b, settings(vec![target("next", url(&to_a))])).await;
    let answer = a.get("/scrape/next", "").await;
    assert_eq!((answer.status, answer.reason.as_str()), (502, "exporter: answered 502 Bad Gateway"));
}
