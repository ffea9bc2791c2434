//! Series received and forwarded over time, as a drawing that needs no script.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::admin::when::span;
use crate::advice::count;
use crate::state::Point;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;
/// For the words above and below.
const TOP: f64 = 24.0;
const BOTTOM: f64 = 24.0;

pub(super) fn write(points: &[Point], now: Duration, page: &mut String) -> fmt::Result {
    let ([first, .., last], Some(most)) = (points, points.iter().map(|p| p.received.max(p.forwarded)).max()) else {
        return Ok(());
    };
    let (begin, length) = (first.at, now.saturating_sub(first.at).as_secs_f64().max(1.0));
    let x = |point: &Point| (point.at - begin).as_secs_f64() / length * WIDTH;
    let y = |value: u64| TOP + (1.0 - value as f64 / most.max(1) as f64) * (HEIGHT - TOP - BOTTOM);
    let line = |value: fn(&Point) -> u64| {
        let mut line = String::new();
        for point in points {
            // Writing to a String cannot fail.
            let _ = write!(line, "{:.1},{:.1} ", x(point), y(value(point)));
        }
        let _ = write!(line, "{WIDTH:.1},{:.1}", y(value(last)));
        line
    };
    let ago = span(now.saturating_sub(begin));
    let (received, forwarded) = (count(last.received), count(last.forwarded));
    write!(
        page,
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Series over the last {ago}: "
    )?;
    write!(page, "received went from {} to {received}, ", count(first.received))?;
    writeln!(page, "forwarded from {} to {forwarded}\">", count(first.forwarded))?;
    let bottom = HEIGHT - BOTTOM;
    writeln!(page, "<line class=\"axis\" x1=\"0\" y1=\"{bottom}\" x2=\"{WIDTH}\" y2=\"{bottom}\"/>")?;
    writeln!(page, "<polyline class=\"received\" points=\"{}\"/>", line(|point| point.received))?;
    writeln!(page, "<polyline class=\"forwarded\" points=\"{}\"/>", line(|point| point.forwarded))?;
    writeln!(page, "<text x=\"0\" y=\"18\">{} series</text>", count(most))?;
    writeln!(page, "<text x=\"0\" y=\"{}\">{ago} ago</text>", HEIGHT - 4.0)?;
    writeln!(page, "<text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">now</text>\n</svg>", HEIGHT - 4.0)?;
    write!(page, "<figcaption><span class=\"received\">received {received}</span> ")?;
    writeln!(page, "<span class=\"forwarded\">forwarded {forwarded}</span></figcaption></figure>")
}
