//! Every check of a JWT: a test that accepts, and a test that refuses with the exact code. Attacks have their usual
//! names.

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

/// What the usual configuration says to each of these for one member of the header; null is a token without it.
fn member_gets(expected: &str, member: &str, values: Value) {
    for value in values.as_array().unwrap() {
        assert_eq!(code(&token_with_header(json!({member: value}))), expected, "{member}: {value}");
    }
}

/// Which part of the token is changed, the changes at 1800000000, the time of the tests, and the code.
fn gets([part, changes, expected]: [&str; 3]) {
    let change = serde_json::from_str(changes).unwrap();
    let token = if part == "header" { token_with_header(change) } else { token_with(change) };
    assert_eq!(code(&token), expected, "{part} {changes}");
}

tests_of_table! {
    include_str!("golden/jwt.txt"), gets {
        fn rejects_an_unknown_issuer_and_every_near_miss();
        fn rejects_audience_confusion();
        fn exp_is_required_and_has_no_leeway();
        fn nbf_and_iat_have_the_leeway_and_no_more();
        fn max_age_counts_from_iat();
        /// OpenID Connect Core, section 2: at most 255 ASCII characters. The issuer's name is not the provider's.
        fn rejects_a_caller_name_that_is_absent_or_could_break_a_header();
        fn types_are_compared_as_media_types();
        fn rejects_critical_extensions_and_unencoded_payloads();
        fn rejects_a_kid_that_is_not_the_keys_to_the_letter();
    }
}
