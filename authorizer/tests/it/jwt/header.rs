//! The other members of the header.

use serde_json::json;

use super::*;

/// RFC 9068, section 4: a resource server that wants access tokens alone lists `at+jwt`, and an ID token has no `typ`.
#[test]
fn rejects_a_token_without_typ_where_jwt_is_not_listed() {
    for (types, untyped) in [
        ("[at+jwt]", "type_refused"),
        ("[application/at+jwt, logout+jwt]", "type_refused"),
        ("[JWT]", "allowed"),
        ("[at+jwt, application/jwt]", "allowed"),
    ] {
        let bed = Bed::of(document().corp(&format!("types: {types}")));
        for header in [header("EdDSA", "ed"), json!({"alg": "EdDSA", "kid": "ed", "typ": null})] {
            assert_eq!(bed.code_for(&keys().ed25519(&header, &claims())), untyped, "{types}");
        }
        assert_eq!(bed.code_for(&token_with_header(json!({"typ": "JWT"}))), untyped, "{types}");
    }
    let bed = Bed::of(document().corp("types: [at+jwt]"));
    assert_eq!(bed.code_for(&token_with_header(json!({"typ": "application/AT+JWT"}))), "allowed");
    accepted(&token_with_header(json!({})));
}

#[test]
fn null_is_absent_in_headers_and_times() {
    accepted(&keys().ed25519(&json!({"alg": "EdDSA", "kid": null, "typ": null}), &claims()));
    let with_null = |claim: &str| token_with_text(claims(), claim, "null");
    let ageless = Bed::of(document().corp("max_age: null"));
    for (claim, without_age, with_age) in [
        ("nbf", "allowed", "allowed"),
        ("iat", "allowed", "claim_missing"),
        ("exp", "claim_missing", "claim_missing"),
    ] {
        assert_eq!(ageless.code_for(&with_null(claim)), without_age, "{claim}");
        refused(&with_null(claim), with_age);
    }
}

#[test]
fn leeway_and_types_are_the_issuers_own() {
    let bed = Bed::of(document().corp("leeway: 0s, types: [dpop+jwt]"));
    for (typ, iat, expected) in [
        ("dpop+jwt", NOW, "allowed"),
        ("dpop+jwt", NOW + 1, "token_not_yet_valid"),
        ("JWT", NOW, "type_refused"),
    ] {
        let token = keys().ed25519(&header_with(json!({"typ": typ})), &claims_with(json!({"iat": iat})));
        assert_eq!(bed.code_for(&token), expected);
    }
}
