//! The words of an expression.

/// One word. What Grafana puts in for a variable is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A metric, label, function or keyword.
    Word(&'t str),
    /// A number or duration.
    Number,
    /// What stands in quotes.
    Text(String),
    /// `$name`, `${name:regex}`, `[[name]]`.
    Variable,
    /// An operator or bracket.
    Mark(&'t str),
}

/// Longest first.
const OPERATORS: [&str; 6] = ["=~", "!~", "!=", "==", "<=", ">="];

pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, len) = match first {
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' | '\'' | '`' => quoted(rest, first),
            '$' => (Some(Token::Variable), variable(rest)),
            '[' if rest.starts_with("[[") => (Some(Token::Variable), rest.find("]]").map_or(rest.len(), |at| at + 2)),
            '0'..='9' => (Some(Token::Number), run(rest, |c| c.is_alphanumeric() || matches!(c, '.' | '_'))),
            c if is_word(c) => {
                let len = run(rest, is_word);
                (Some(Token::Word(&rest[..len])), len)
            }
            c => {
                let len = OPERATORS.iter().find(|op| rest.starts_with(*op)).map_or(c.len_utf8(), |op| op.len());
                (Some(Token::Mark(&rest[..len])), len)
            }
        };
        found.extend(token);
        rest = rest[len..].trim_start();
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

fn run(text: &str, part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !part(c)).unwrap_or(text.len())
}

fn variable(text: &str) -> usize {
    match text[1..].chars().next() {
        Some('{') => text.find('}').map_or(text.len(), |at| at + 1),
        _ => 1 + run(&text[1..], |c| c.is_ascii_alphanumeric() || c == '_'),
    }
}

/// The text in quotes, and how long it is with them. Without an end it is the rest.
fn quoted(text: &str, quote: char) -> (Option<Token<'_>>, usize) {
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return (Some(Token::Text(plain)), at + 1),
            '\\' if quote != '`' => plain.extend(chars.next().map(|(_, escaped)| unescaped(escaped))),
            _ => plain.push(c),
        }
    }
    (Some(Token::Text(plain)), text.len())
}

/// What matters in regexes and label names; the rarer escapes stay as they are.
fn unescaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_variables_and_operators() {
        use Token::{Mark, Number, Text, Variable, Word};
        let got = tokens("a:b{x=~\"\\\\d\\\"\", y!='`'} [$__rate_interval] # x\n`\\d` 5m ${v:regex}>=[[w]]é");
        let want = [
            Word("a:b"),
            Mark("{"),
            Word("x"),
            Mark("=~"),
            Text("\\d\"".into()),
            Mark(","),
            Word("y"),
            Mark("!="),
            Text("`".into()),
            Mark("}"),
            Mark("["),
            Variable,
            Mark("]"),
            Text("\\d".into()),
            Number,
            Variable,
            Mark(">="),
            Variable,
            Mark("é"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn what_does_not_end_ends_with_the_text() {
        for text in ["\"abc", "${abc", "[[abc", "$", "# x", "'\\", "\u{0}"] {
            assert!(tokens(text).len() <= 1, "{text}");
        }
    }
}
