//! What a policy does to a body: the block before is guarded by the policy above it, and gives the
//! block after.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::markdown::Block;
use crate::scratch::Scratch;

pub(crate) fn check(before: &str, after: &Block, scratch: &Scratch) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardinality-guard"));
    command.args(["filter", "--policy"]).arg(scratch.path("policy.yaml"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(before.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", after.place);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), after.text, "{}", after.place);
}
