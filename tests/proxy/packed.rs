//! Compressed bodies that nobody touched leave as the bytes they came in, for who can read that.

use std::io::Read;

use super::support::client::{Answer, End};
use super::support::exporter::{Act, Exporter, chunk, gzip, response};
use super::support::guard::{Guard, settings, target, url};

const PROMETHEUS: &str = "User-Agent: Prometheus/3.5.0\r\nAccept-Encoding: gzip\r\n";
const AGENT: &str = "User-Agent: vm_promscrape\r\nAccept-Encoding: gzip\r\n";
const CURL: &str = "User-Agent: curl/8.1\r\nAccept-Encoding: gzip\r\n";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

fn body(lines: usize) -> String {
    let line = |i| format!("jobs_total{{queue=\"{}\",job_id=\"{i}\"}} {i}\n", i % 4);
    "# TYPE jobs_total counter\n".to_owned() + &(0..lines).map(line).collect::<String>()
}

/// As an exporter says it.
async fn says(content_type: &str, packed: &[u8]) -> Exporter {
    let length = packed.len();
    let head = format!("Content-Type: {content_type}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n");
    Exporter::says(response(&head, packed)).await
}

/// Annotates, and holds so much.
async fn guard(exporter: &Exporter, hold_output: u64) -> Guard {
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    settings.scrape.annotate = true;
    settings.scrape.hold_output = hold_output;
    Guard::with(settings).await
}

fn first_member(answer: &Answer) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
    text
}

/// Lines of the annotation, and the rest.
fn told(text: &str) -> (usize, String) {
    let is_annotation = |line: &&str| line.contains("cardinality_guard_scrape_");
    let (annotation, rest): (Vec<&str>, Vec<&str>) = text.split_inclusive('\n').partition(is_annotation);
    (annotation.len(), rest.concat())
}

#[tokio::test]
async fn leaves_as_it_came_behind_a_member_with_the_annotation() {
    let text = body(1000);
    for (content_type, text) in [("text/plain", text.clone()), (OPEN_METRICS, openmetrics())] {
        for packed in [gzip(text.as_bytes()), [gzip(&text.as_bytes()[..100]), gzip(&text.as_bytes()[100..])].concat()] {
            let exporter = says(content_type, &packed).await;
            let guard = guard(&exporter, 8 << 20).await;
            for lines in [PROMETHEUS, AGENT] {
                let answer = guard.get("/scrape/app", lines).await;
                assert_eq!(
                    (answer.status, answer.header("content-encoding")),
                    (200, Some("gzip")),
                    "{}",
                    answer.reason
                );
                assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
                assert!(answer.body.ends_with(&packed), "the bytes it came in");
                let whole = answer.text();
                assert!(whole.ends_with(&text), "and nothing behind them");
                let annotation = first_member(&answer);
                assert_eq!(annotation.len() + text.len(), whole.len());
                assert_eq!(told(&annotation), (24, String::new()));
                assert!(annotation.contains("cardinality_guard_scrape_series_dropped 0\n"), "{annotation}");
            }
        }
    }
}

fn openmetrics() -> String {
    body(1000).replace("# TYPE jobs_total", "# TYPE jobs") + "# EOF\n"
}

#[tokio::test]
async fn who_may_stop_behind_the_first_member_is_given_one() {
    let text = body(1000);
    let exporter = says("text/plain", &gzip(text.as_bytes())).await;
    let guard = guard(&exporter, 8 << 20).await;
    let answer = guard.get("/scrape/app", CURL).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let (annotation, rest) = told(&first_member(&answer));
    assert_eq!((annotation, rest), (24, text.clone()));
    assert!(answer.text().starts_with(&text), "the annotation stands last");
    // Nor does anybody get compressed bytes who did not ask for them.
    let plain = guard.get("/scrape/app", "User-Agent: Prometheus/3.5.0\r\n").await;
    assert_eq!((plain.header("content-encoding"), plain.text().starts_with(&text)), (None, true));
}

#[tokio::test]
async fn without_an_annotation_everybody_gets_the_bytes_as_they_are() {
    let packed = gzip(body(1000).as_bytes());
    let exporter = says("text/plain", &packed).await;
    let guard = Guard::before(&exporter).await;
    for lines in [PROMETHEUS, CURL] {
        assert!(guard.get("/scrape/app", lines).await.body == packed, "{lines}");
    }
}

#[tokio::test]
async fn a_body_that_another_guard_annotated_is_left_as_it_is() {
    let annotated =
        "# TYPE cardinality_guard_scrape_series_received gauge\ncardinality_guard_scrape_series_received 3\n";
    let packed = [gzip(annotated.as_bytes()), gzip(body(1000).as_bytes())].concat();
    let exporter = says("text/plain", &packed).await;
    let guard = guard(&exporter, 8 << 20).await;
    assert!(guard.get("/scrape/app", PROMETHEUS).await.body == packed);
}

#[tokio::test]
async fn what_is_folded_is_written_anew() {
    let text = body(1000);
    let exporter = says("text/plain", &gzip(text.as_bytes())).await;
    let mut settings = settings(vec![target("app", url(&exporter.url()))]);
    settings.scrape.annotate = true;
    let policy = "policies: [{name: p, labels: [{label: job_id, action: drop}]}]";
    let guard = Guard::with_policy(settings, policy).await;
    let answer = guard.get("/scrape/app", PROMETHEUS).await;
    let (annotation, rest) = told(&answer.text());
    assert_eq!((annotation, rest.lines().count()), (24, 5), "{rest}");
    assert!(answer.text().starts_with("# TYPE jobs_total counter\n"), "the annotation stands last");
    assert!(answer.text().contains("cardinality_guard_scrape_series_dropped 996\n"));
}

#[tokio::test]
async fn what_is_no_whole_gzip_body_fails_for_them_too() {
    let packed = gzip(body(1000).as_bytes());
    let n = packed.len();
    let mut corrupt = packed.clone();
    corrupt[n / 2] ^= 0x55;
    let bad = gzip(b"a 1\n<html>\n");
    for (what, bytes) in [
        ("cut", &packed[..n - 100]),
        ("no trailer", &packed[..n - 8]),
        ("corrupt", &corrupt),
        ("garbage behind it", &[&packed[..], b"garbage"].concat()),
        ("half a second member", &[&packed[..], &packed[..n / 2]].concat()),
        ("a bad line", &bad),
    ] {
        let exporter = says("text/plain", bytes).await;
        let answer = guard(&exporter, 8 << 20).await.get("/scrape/app", PROMETHEUS).await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.reason);
    }
    let nothing = says("text/plain", &gzip(b"")).await;
    let answer = guard(&nothing, 8 << 20).await.get("/scrape/app", PROMETHEUS).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0), "nothing stays nothing");
}

#[tokio::test]
async fn what_is_held_counts_as_it_would_leave() {
    let text = body(20_000);
    let bad = text.clone() + "<html>\n";
    let hold = text.len() as u64 / 2;
    let exporter = says("text/plain", &gzip(bad.as_bytes())).await;
    let guard = guard(&exporter, hold).await;
    let answer = guard.get("/scrape/app", PROMETHEUS).await;
    assert_eq!(answer.status, 502, "the mistake at its end is found before anything leaves");
    let mut client = guard.client().await;
    client.say(format!("GET /scrape/app HTTP/1.1\r\nHost: guard\r\n{CURL}\r\n")).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.end), (200, End::Cut), "for others it had to begin");
}

#[tokio::test]
async fn what_is_much_longer_than_what_is_held_leaves_as_it_comes() {
    let text = body(50_000);
    let packed = gzip(text.as_bytes());
    let head = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    let chunks: Vec<u8> = packed.chunks(1000).flat_map(chunk).chain(*b"0\r\n\r\n").collect();
    let answer = response(head, &chunks);
    let exporter = Exporter::start(move |_, _| vec![Act::Write(answer.clone())]).await;
    let guard = guard(&exporter, 64 << 10).await;
    let answer = guard.get("/scrape/app", PROMETHEUS).await;
    assert_eq!((answer.status, answer.end, answer.header("transfer-encoding")), (200, End::Whole, Some("chunked")));
    assert!(first_member(&answer) == answer.text(), "one member");
    let (annotation, rest) = told(&answer.text());
    assert_eq!(annotation, 24);
    assert!(rest == text);
}

/// Little is held of a body that is likely to leave as it came; when it does not, it is read once more.
#[tokio::test]
async fn what_turns_out_to_change_is_read_once_more() {
    let calm = |value| (0..20_000).map(move |i| format!("calm{{i=\"{i}\"}} {value}\n")).collect::<String>();
    let says = move |scrape: usize| match scrape {
        // At the end of it, when most of it was let go of.
        3 => calm(3) + &body(1000),
        4 => body(1000) + &calm(4),
        scrape => calm(scrape),
    };
    let mut answers = Vec::new();
    for lines in [PROMETHEUS, CURL] {
        let exporter = Exporter::start(move |scrape, _| {
            let packed = gzip(says(scrape).as_bytes());
            let length = packed.len();
            let head = format!("Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n");
            vec![Act::Write(response(&head, &packed))]
        })
        .await;
        let mut settings = settings(vec![target("app", url(&exporter.url()))]);
        settings.scrape.annotate = true;
        let policy = "policies: [{name: p, hold: 0s, labels: [{label: job_id, action: drop}]}]";
        let guard = Guard::with_policy(settings, policy).await;
        let mut told_all = Vec::new();
        for scrape in 0..8 {
            let answer = guard.get("/scrape/app", lines).await;
            assert_eq!((answer.status, answer.end), (200, End::Whole), "scrape {scrape}: {}", answer.reason);
            let text = answer.text();
            let received = text.lines().find(|line| line.starts_with("cardinality_guard_scrape_series_received "));
            told_all.push((received.unwrap().to_owned(), told(&text)));
        }
        assert_eq!(exporter.requests().len(), 8, "the exporter is asked once for each");
        answers.push(told_all);
    }
    let folded = |text: &str| text.lines().filter(|line| line.starts_with("jobs_total{")).count();
    assert_eq!(answers[0].iter().map(|(_, (_, text))| folded(text)).max(), Some(4));
    assert!(answers[0] == answers[1], "who gets it as it came is told what others are told");
}
