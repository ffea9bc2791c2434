//! All targets in a table.

use std::fmt::{self, Write as _};

use super::html::Text;
use super::{Known, View, link};
use crate::admin::metrics::holds;
use crate::admin::when::{ago, span, wall};
use crate::advice::count;
use crate::telemetry::ScrapeResult;

const HEAD: &str = "\
<section aria-labelledby=\"targets\">
<h2 id=\"targets\">Targets</h2>
<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"targets\">
<table>
<thead><tr><th scope=\"col\">Target</th><th scope=\"col\">State</th><th scope=\"col\">Last scrape</th>\
<th scope=\"col\" class=\"n\">Received</th><th scope=\"col\" class=\"n\">Forwarded</th>\
<th scope=\"col\" class=\"n\">Dropped</th><th scope=\"col\" class=\"n\">Took</th>\
<th scope=\"col\" class=\"n\">Endpoints</th><th scope=\"col\">Mode</th><th scope=\"col\">May be scraped</th></tr></thead>
<tbody>
";

pub(super) fn write(view: &View<'_>, page: &mut String) -> fmt::Result {
    page.push_str(HEAD);
    let mut shown = 0;
    for known in view.known.iter().filter(|known| is_listed(view, known)) {
        write_row(view, known, page)?;
        shown += 1;
    }
    if view.known.is_empty() {
        writeln!(
            page,
            "<tr><td colspan=\"10\">None. Name some under <code>targets:</code>; anything else is refused.</td></tr>"
        )?;
    } else if shown == 0 {
        writeln!(page, "<tr><td colspan=\"10\">Nothing fits. <a href=\"/\">Show all</a></td></tr>")?;
    }
    writeln!(page, "</tbody>\n</table>\n</div>\n</section>")
}

fn is_listed(view: &View<'_>, known: &Known) -> bool {
    match (&view.question.target, &view.question.search) {
        (Some(name), _) => known.target.name() == name,
        (None, Some(word)) => known.found.all > 0 || holds(known.target.name(), word),
        (None, None) => true,
    }
}

fn write_row(view: &View<'_>, known: &Known, page: &mut String) -> fmt::Result {
    let target = &known.target;
    let name = target.name();
    write!(page, "<tr><th scope=\"row\"><a href=\"{}\">{}</a></th>", link(name, ""), Text(name))?;
    match &target.last {
        None => write!(page, "<td class=\"quiet\">not yet scraped</td><td></td>")?,
        Some(last) => {
            let ago = ago(wall(last.at), view.now);
            match last.result {
                ScrapeResult::Ok => write!(page, "<td><span class=\"good\">up</span></td><td>{ago}</td>")?,
                _ => write!(
                    page,
                    "<td><span class=\"bad\">failed</span></td><td class=\"why\">{ago}: {}</td>",
                    Text(&last.reason)
                )?,
            }
        }
    }
    let sums = [target.sum(|live| live.received), target.sum(|live| live.forwarded), target.sum(|live| live.dropped)];
    for sum in sums {
        write!(page, "<td class=\"n\">{}</td>", count(sum))?;
    }
    let took = target.last.as_ref().map_or(String::new(), |last| format!("{:.3} s", last.took.as_secs_f64()));
    write!(page, "<td class=\"n\">{took}</td><td class=\"n\">{}</td>", count(target.endpoints.len() as u64))?;
    write!(page, "<td>{}", target.active.mode.as_str())?;
    if let Some((_, until)) = target.set {
        let left = std::time::Duration::from_secs_f64((until - view.now).max(0.0));
        write!(page, " <span class=\"quiet\">by hand, for {}</span>", span(left))?;
    }
    writeln!(page, "</td><td><code>{}</code></td></tr>", Text(&target.entry))
}
