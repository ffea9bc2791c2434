//! The JSON schema of policy files, derived from the raw types.
