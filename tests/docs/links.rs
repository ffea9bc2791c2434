//! Every link of a page leads to a file of the repository, and to a heading that is there.

use std::collections::BTreeSet;

use crate::markdown::{Page, pages, root};

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = without_blocks(page).into_iter().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn without_blocks(page: &Page) -> Vec<&str> {
    let mut inside = false;
    let prose = page.text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !fence && !inside
    });
    prose.collect()
}

fn links(page: &Page) -> Vec<String> {
    let text = without_blocks(page).join("\n");
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let images = text.split("src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    inline.chain(images).map(|(link, _)| link.to_owned()).filter(|link| !link.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut seen = 0;
    for page in &pages {
        for link in links(page) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let here = std::path::Path::new(&page.name);
            let path = if file.is_empty() { here.to_owned() } else { here.parent().unwrap().join(file) };
            let path = root().join(path).canonicalize().unwrap_or_else(|_| panic!("{}: {link}", page.name));
            if !heading.is_empty() {
                let other = pages.iter().find(|page| root().join(&page.name).canonicalize().unwrap() == path);
                let other = other.unwrap_or_else(|| panic!("{}: {link} is no page", page.name));
                assert!(anchors(other).contains(heading), "{}: {link}: {:?}", page.name, anchors(other));
            }
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen}");
}

/// Whoever reads the README finds every page for users.
#[test]
fn every_page_is_linked_from_the_first_one() {
    let pages = pages();
    let readme = pages.iter().find(|page| page.name == "README.md").unwrap();
    let linked = links(readme);
    for page in pages.iter().filter(|page| page.name.starts_with("docs/")) {
        assert!(linked.iter().any(|link| link.split('#').next() == Some(&page.name)), "{}", page.name);
    }
}

#[test]
fn headings_become_anchors() {
    assert_eq!(anchor("`GET /api/v1/targets`"), "get-apiv1targets");
    assert_eq!(anchor("The exporter's body is refused"), "the-exporters-body-is-refused");
}
