//! A YAML document as a tree in which everything knows where it stands.

/// Where something stands in its file, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub at: Mark,
    pub value: Value,
}

/// What a node holds. Scalars stay as written: what they mean is decided by whoever asks, so that
/// `values: [007, 1.10]` are the label values `007` and `1.10`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// May be a number or a boolean.
    Plain,
    /// Quoted or a block: nothing but text.
    Quoted,
}

/// A key of a mapping with its value, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub at: Mark,
    pub value: Node,
}

impl Node {
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The items of a list, or the node itself where it is none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The node's sort in words, as in "a list is wanted here, this is a mapping".
    pub fn sort(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(scalar) => scalar.sort(),
        }
    }
}

impl Scalar {
    fn sort(&self) -> &'static str {
        match self.style {
            Style::Quoted => "text",
            Style::Plain if self.text == "true" || self.text == "false" => "a boolean",
            Style::Plain if self.text.parse::<f64>().is_ok() => "a number",
            Style::Plain => "text",
        }
    }
}
