//! Rows of text as columns of one width.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The head in `paint` (a sequence before, one after), then the rows, all indented by two.
pub(super) fn columns<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    align: [Align; N],
    paint: (&str, &str),
) -> String {
    let head = head.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|i| {
        let cells = std::iter::once(&head).chain(rows).map(|row| row[i].chars().count());
        cells.max().unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells: Vec<String> = (0..N).map(|i| cell(&row[i], widths[i], align[i])).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    let mut text = format!("{}{}{}\n", paint.0, line(&head), paint.1);
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

fn cell(text: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{text:<width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["ä".to_owned(), "1,000".to_owned(), "x".to_owned()], ["long".to_owned(), "2".to_owned(), String::new()]];
        let got = columns(["a", "n", "s"], &rows, [Align::Left, Align::Right, Align::Left], ("<", ">"));
        assert_eq!(got, "<  a         n  s>\n  ä     1,000  x\n  long      2\n");
    }
}
