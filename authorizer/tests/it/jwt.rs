//! Every check of a JWT: one that accepts, one that refuses with the exact code. Attacks by their names.

mod claims;
mod entries;
mod form;
mod header;
mod messages;
mod signatures;

use serde_json::{Value, json};

use crate::support::*;

thread_local! {
    /// One for all the tokens of a test: each test has its own thread.
    static USUAL: Bed = Bed::new();
    /// An issuer that uses all algorithms.
    static ALL: Bed = Bed::with_keys(&keys().jwks());
}

fn code(token: &str) -> String {
    USUAL.with(|bed| bed.code_for(token))
}

/// The same of the issuer that uses all algorithms.
fn code_of_all(token: &str) -> String {
    ALL.with(|bed| bed.code_for(token))
}

fn accepted(token: &str) {
    assert_eq!(code(token), "allowed");
}

fn refused(token: &str, expected: &str) {
    assert_eq!(code(token), expected);
}

/// What the usual configuration says to each of these for one claim; null is a token without it.
fn claim_gets(expected: &str, claim: &str, values: Value) {
    for value in values.as_array().unwrap() {
        assert_eq!(code(&token_with(json!({claim: value}))), expected, "{claim}: {value}");
    }
}

/// The same for one member of the header.
fn member_gets(expected: &str, member: &str, values: Value) {
    for value in values.as_array().unwrap() {
        assert_eq!(code(&token_with_header(json!({member: value}))), expected, "{member}: {value}");
    }
}
