//! Operators' YAML, read so that every mistake can be named at once and at its place: a tree with
//! line and column ([`parse`]), and a [`Checker`] that collects findings while the tree is walked.
//! Policy files and the settings file are both read with it.
//!
//! ```
//! use cardinality_guard::engine::policy::yaml::{self, Checker};
//!
//! let root = yaml::parse("guard.yaml", "mode: enforce\nstorage: {endpoint_tll: 6h}\n").unwrap();
//! let mut check = Checker::new("guard.yaml");
//! if let Some(top) = check.fields(&root, &["mode", "storage"]) {
//!     let mode = top.get("mode").and_then(|node| check.text(node));
//!     assert_eq!(mode, Some("enforce"));
//!     if let Some(storage) = top.get("storage").and_then(|node| check.fields(node, &["path", "endpoint_ttl"])) {
//!         let _ttl = storage.get("endpoint_ttl").and_then(|node| check.duration(node));
//!     }
//! }
//! let findings = check.into_findings();
//! assert_eq!(findings[0].to_string(), "guard.yaml:2:11: unknown key `endpoint_tll`");
//! assert_eq!(findings[0].help.as_deref(), Some("did you mean `endpoint_ttl`?"));
//! ```

mod checker;
mod node;
mod parse;
mod suggest;
mod units;

pub use checker::{Checker, Fields};
pub use node::{Entry, Mark, Node, Scalar, Style, Value};
pub use parse::{MAX_BYTES, parse};
pub use suggest::closest;
pub use units::{bytes, duration};
