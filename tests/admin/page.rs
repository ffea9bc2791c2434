//! The page, in a real Chromium: what an operator sees at three in the morning, by day and by
//! night, on a phone, by keyboard, and whatever exporters call their labels.

use std::path::Path;

use serde_json::Value;

use crate::browser::{Browser, Theme};
use crate::exporter::{Framing, TEXT};
use crate::process::eventually;
use crate::stage::{Stage, calm, exploding};

/// Desk and phone.
const SIZES: [(&str, u32, u32); 2] = [("wide", 1280, 900), ("phone", 390, 844)];

/// A guard with an explosion that a limit has ended, one that grows, and a target that is down.
fn troubled() -> Stage {
    let stage = Stage::set();
    stage.scrape(&calm(1));
    stage.scrape(&exploding("job_id", 400));
    let more: String = (0..60)
        .map(|n| format!("hits_total{{path=\"/orders/{}/items\",method=\"GET\"}} {n}\n", 80_000 + n * 37))
        .collect();
    stage.scrape(&format!("{}# TYPE hits_total counter\n{more}", exploding("job_id", 400)));
    stage.guard.scrape("gone");
    stage
}

fn heading(browser: &mut Browser) -> String {
    browser.text_of("#attention h2")
}

#[test]
fn an_explosion_is_named_within_two_refreshes_and_the_copied_policy_ends_it() {
    let stage = Stage::with("policies: []");
    stage.scrape(&calm(1));
    let mut browser = Browser::start();
    browser.may_use_the_clipboard(&stage.url(""));
    browser.open(&stage.url("/"));
    assert_eq!((browser.text_of("#status"), heading(&mut browser)), ("Nothing explodes.".into(), String::new()));

    let refreshes = "performance.getEntriesByType('resource').filter(e => e.initiatorType === 'fetch').length";
    let before = browser.eval(refreshes).as_u64().unwrap();
    let series = |answer: &crate::http::Answer| answer.text().matches("\njobs_total{").count();
    assert_eq!(series(&stage.scrape(&exploding("order_ref", 400))), 400, "no policy knows that label");
    eventually("the page names it", &true, || heading(&mut browser).contains("order_ref"));
    assert!(browser.eval(refreshes).as_u64().unwrap() <= before + 2);
    let named = heading(&mut browser);
    for word in ["order_ref", "jobs_total", "worker"] {
        assert!(named.contains(word), "{word} in {named}");
    }
    let told = browser.text_of("#attention");
    assert!(told.contains("400 different values (uuid)") && told.contains("400 series received"), "{told}");
    assert!(browser.eval("document.title").as_str().unwrap().starts_with("(1) "));

    browser.eval("document.querySelector('[data-copy]').click()");
    eventually("it is copied", &"Copied".to_owned(), || browser.text_of("[data-copy]"));
    let copied = browser.eval("navigator.clipboard.readText()").as_str().unwrap().to_owned();
    assert_eq!(copied.trim_end(), stage.get("/api/v1/suggest?target=worker").text().trim_end());
    stage.guard.reload(&copied);
    assert_eq!(series(&stage.scrape(&exploding("order_ref", 400))), 3, "one for each queue");
    eventually("the page has calmed down", &"Nothing explodes.".to_owned(), || browser.text_of("#status"));
    assert!(browser.text_of(".events").contains("configuration loaded"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_collapse_is_told_with_its_time_its_policy_and_the_way_back() {
    let stage = troubled();
    let mut browser = Browser::start();
    browser.looks(Theme::Light, 1280, 900);
    browser.open(&stage.url("/"));
    let told = browser.text_of("#attention");
    for words in [
        "Label job_id of jobs_total on worker exploded",
        "folds it away since",
        "because policy default-job-ids says so: 400 series in the last scrape",
        "Label path of hits_total on worker grows without end",
        "The last scrape of gone failed",
        "api/v1/release?target=worker",
        "suggested_job_id",
        "action: normalize",
    ] {
        assert!(told.contains(words), "{words:?} in\n{told}");
    }
    // All of it is seen at once, without a move of the mouse.
    let seen = "[...document.querySelectorAll('#attention h2, #attention pre')]\
                .every(e => e.getBoundingClientRect().top < innerHeight)";
    assert_eq!(browser.eval(seen), Value::Bool(true));
    assert!(browser.text_of(".events").contains("label job_id of jobs_total folded away by default-job-ids"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_small_metric_in_trouble_is_found_among_many_large_ones() {
    let stage = Stage::set();
    let large = |name: u32| (0..200).map(|n| format!("large_{name}{{cpu=\"{n}\"}} 1\n")).collect::<String>();
    let body: String = (0..40).map(large).collect();
    stage.scrape(&format!("{body}{}", exploding("job_id", 60)));
    let page = stage.get("/").text().to_owned();
    assert!(page.contains("1 thing needs you.") && page.contains("suggested_job_id"), "{page}");
}

#[test]
fn series_are_drawn_over_time() {
    let stage = Stage::set();
    stage.scrape(&calm(1));
    let drawn = |from: &str| stage.get("/").text().contains(from);
    eventually("there are two points", &true, || drawn("received went from 8 to 8, forwarded from 8 to 8\""));
    stage.scrape(&exploding("job_id", 400));
    eventually("the explosion is drawn", &true, || drawn("received went from 8 to 402, forwarded from 8 to 5\""));
    let page = stage.get("/").text().to_owned();
    assert!(page.contains("its exporters' series went from 8 to 402."), "since when: {page}");
    assert!(page.contains("<polyline class=\"received\"") && page.contains("<polyline class=\"forwarded\""), "{page}");
}

#[test]
fn it_can_be_read_without_a_script_and_linked_to() {
    let stage = troubled();
    let page = stage.get("/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for words in ["job_id", "jobs_total", "default-job-ids", "suggested_job_id", "400 received", "hits_total"] {
        assert!(page.text().contains(words), "{words}");
    }
    let found = stage.get("/?target=worker&q=HITS").text().to_owned();
    assert!(found.contains("<code>hits_total</code>") && !found.contains("<summary><code>jobs_total"), "{found}");
    assert!(stage.get("/?q=nobody").text().contains("Nothing fits."));
    let mut browser = Browser::start();
    browser.open(&stage.url("/"));
    // Every link on it leads somewhere on this guard.
    let links = browser.eval("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))");
    let links: Vec<String> = serde_json::from_value(links).unwrap();
    assert!(links.len() > 8, "{links:?}");
    for link in links {
        assert!(link == "#main" || stage.get(&link).status == 200, "{link}");
    }
}

#[test]
fn whatever_exporters_say_stays_text() {
    let evil = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>\\\"'&amp;\u{202e}";
    let stage = Stage::set();
    let body: String =
        (0..80).map(|n| format!("jobs_total{{job_id=\"{evil}{n}\",\"<b>label</b>\"=\"{evil}{n}\"}} 1\n")).collect();
    let body = format!(
        "# TYPE jobs_total counter\n{body}# TYPE \"<img src=x onerror=window.pwned=1>\" gauge\n{{\"<img src=x onerror=window.pwned=1>\"}} 1\n"
    );
    stage.scrape(&body);
    stage.scrape(&body);
    let reason = "HTTP/1.1 500 <img src=x onerror=window.pwned=1>\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stage.exporter.say_raw(reason.into());
    assert_eq!(stage.guard.scrape("worker").status, 502);
    let mut browser = Browser::start();
    browser.open(&stage.url("/?target=worker"));
    let shown = browser.text_of("main");
    for text in ["onerror=window.pwned=1", "</script><script>", "<b>label</b>"] {
        assert!(shown.contains(text), "{text} is shown as it is:\n{shown}");
    }
    let found = browser.eval("[document.querySelectorAll('img, b, main script').length, typeof window.pwned]");
    assert_eq!(found, serde_json::json!([0, "undefined"]));
    let search = "/?q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E&target=%3Cimg%20src%3Dx%3E";
    browser.open(&stage.url(search));
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.complaints(), [""; 0], "not even the security policy had anything to do");
}

/// The least contrast of any text with what is behind it, and where.
const CONTRAST: &str = r"(() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgba = (text) => text.match(/[\d.]+/g).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = [];
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const front = rgba(e.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(front), light(behind(e))].sort((a, b) => b - a);
    seen.push([(a + 0.05) / (b + 0.05), e.className + ' ' + node.textContent.trim().slice(0, 40)]);
  }
  return seen.sort((a, b) => a[0] - b[0]);
})()";

#[test]
fn it_can_be_read_by_day_and_by_night_at_the_desk_and_on_a_phone() {
    let stage = troubled();
    let mut browser = Browser::start();
    for theme in Theme::BOTH {
        for (size, width, height) in SIZES {
            browser.looks(theme, width, height);
            browser.open(&stage.url("/"));
            browser.eval("document.querySelectorAll('details').forEach(d => { d.open = true; })");
            let seen: Vec<(f64, String)> = serde_json::from_value(browser.eval(CONTRAST)).unwrap();
            assert!(seen.len() > 100, "{} texts", seen.len());
            assert!(seen[0].0 >= 4.5, "{theme:?}: {:?}", &seen[..5]);
            let overflow = browser.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_i64().unwrap() <= 0, "{size}: {overflow} pixels stick out");
            browser.open(&stage.url("/"));
            browser.screenshot(&shots().join(format!("page-{}-{size}.png", theme.name())));
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Where screenshots go: with `BLESS=1` into the documents.
fn shots() -> std::path::PathBuf {
    match std::env::var_os("BLESS") {
        Some(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("page"),
    }
}

#[test]
fn everything_is_reached_and_used_by_keyboard() {
    let stage = troubled();
    let mut browser = Browser::start();
    browser.looks(Theme::Light, 1280, 900);
    browser.open(&stage.url("/"));
    browser.eval("document.getElementById('live').click()");
    let here = "(() => { const e = document.activeElement; const s = getComputedStyle(e); \
                return [e.id || e.localName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; })()";
    let mut reached: Vec<String> = Vec::new();
    browser.press("Tab");
    assert_eq!(browser.text_of(":focus"), "Skip to what explodes");
    loop {
        let (name, outlined): (String, bool) = serde_json::from_value(browser.eval(here)).unwrap();
        if name == "body" {
            break;
        }
        assert!(outlined, "{name} shows that it has the focus");
        reached.push(name);
        assert!(reached.len() < 200, "{reached:?}");
        browser.press("Tab");
    }
    for name in ["q", "live", "copy-worker", "text-worker", "summary"] {
        assert!(reached.iter().any(|other| other == name), "{name}: {reached:?}");
    }
    let all = browser.eval("[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')].filter(e => e.checkVisibility() && e.type !== 'hidden').length");
    assert_eq!(all.as_u64().unwrap() as usize, reached.len());

    let endpoints = "document.getElementById('e-worker')";
    browser.eval(&format!("{endpoints}.querySelector('summary').focus()"));
    browser.press("Enter");
    assert_eq!(browser.eval(&format!("{endpoints}.open")), Value::Bool(true));
    // A renewal leaves open what is open, and the focus where it is.
    browser.eval("document.getElementById('main').dataset.old = '1'");
    browser.eval("document.getElementById('live').dispatchEvent(new Event('click'))");
    eventually("it is renewed", &Value::Bool(true), || browser.eval("!document.getElementById('main').dataset.old"));
    assert_eq!(browser.eval(&format!("{endpoints}.open")), Value::Bool(true));
    assert_eq!(browser.eval("document.activeElement.parentElement.id"), "e-worker");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_screen_reader_finds_its_way() {
    let stage = troubled();
    let mut browser = Browser::start();
    browser.open(&stage.url("/"));
    let twice = "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); \
                 return ids.filter((id, at) => ids.indexOf(id) !== at); })()";
    assert_eq!(browser.eval(twice), serde_json::json!([]));
    let nameless = "[...document.querySelectorAll('a, button, input:not([type=hidden]), svg, [role=region]')]\
        .filter(e => !(e.textContent || '').trim() && !e.getAttribute('aria-label') && !e.labels?.length \
            && !document.getElementById(e.getAttribute('aria-labelledby')))\
        .map(e => e.outerHTML.slice(0, 80))";
    assert_eq!(browser.eval(nameless), serde_json::json!([]));
    let heads = "[document.querySelectorAll('h1').length, document.querySelectorAll('th:not([scope])').length, \
                 document.documentElement.lang, document.querySelectorAll('main').length]";
    assert_eq!(browser.eval(heads), serde_json::json!([1, 0, "en", 1]));
}

#[test]
fn a_guard_that_is_gone_is_said_to_be() {
    let stage = Stage::set();
    stage.exporter.say(TEXT, calm(1).as_bytes(), Framing::ContentLength);
    let mut browser = Browser::start();
    browser.open(&stage.url("/"));
    stage.guard.terminate();
    eventually("it says so", &true, || browser.text_of("#status").contains("does not answer"));
}
