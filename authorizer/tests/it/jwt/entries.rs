//! Several entries of one issuer, and which of them a token belongs to.

use serde_json::{Value, json};

use super::*;

const POOL: &str = "https://pool.example.com";
const BY_AUD: &str = "audiences: [app]";
const BY_CLIENT_ID: &str = "audiences: [app], audience_claim: client_id";

/// Two entries of one issuer, each with changes, and a grant for each.
fn two_entries(first: &str, second: &str) -> Bed {
    let entry = |changes: &str| {
        let entry = document().corp(&format!("issuer: {POOL}, algorithms: [EdDSA], max_age: null"));
        let entry = entry.corp(changes);
        serde_json::from_str::<Value>(&entry.to_string()).unwrap()["issuers"]["corp"].take()
    };
    let grant = |name: &str| json!({"name": name, "mode": "none", "routes": ["GET /orders"], "caller": {"issuer": name, "any": true}});
    let entries = json!({
        "issuers": {"corp": null, "partner": null, "first": entry(first), "second": entry(second)},
        "stages": {"narrow": null, "prod": {"grants": [grant("first"), grant("second")]}},
    });
    Bed::of(document_with(&entries.to_string()))
}

fn pool_claims(changes: Value) -> Value {
    changed(&json!({"iss": POOL, "sub": "alice", "exp": NOW + 600}), &changes)
}

fn pool_event(claims: Value) -> Value {
    event(&keys().ed25519(&header("EdDSA", "ed"), &pool_claims(claims)))
}

/// The caller where the call was allowed, else the code.
fn caller(bed: &Bed, claims: Value) -> String {
    let line = bed.line(&pool_event(claims));
    let caller = line.get("caller_id").filter(|_| line["Code"] == "allowed");
    caller.unwrap_or(&line["Code"]).as_str().unwrap().to_owned()
}

/// Amazon Cognito: an ID token names the app client in `aud`, an access token in `client_id`, and neither has the other.
#[test]
fn id_and_access_tokens_of_one_pool_have_an_entry_each() {
    for (first, second, id, access) in [
        (BY_AUD, BY_CLIENT_ID, "first:alice", "second:alice"),
        (BY_CLIENT_ID, BY_AUD, "second:alice", "first:alice"),
    ] {
        let bed = two_entries(first, second);
        assert_eq!(caller(&bed, json!({"aud": "app", "token_use": "id"})), id);
        assert_eq!(caller(&bed, json!({"client_id": "app", "token_use": "access"})), access);
        // A resource server's audience, bound into the access token, is not the app client.
        assert_eq!(caller(&bed, json!({"client_id": "app", "aud": "https://api.example.com"})), access);
        assert_eq!(caller(&bed, json!({"aud": ["app", "other"], "client_id": "other"})), id);
    }
}

/// The order of the configuration must not decide whose grants such a token gets.
#[test]
fn rejects_a_token_that_is_for_two_entries() {
    const OTHER: &str = "audiences: [admin]";
    for (first, second, claims) in [
        (BY_AUD, BY_CLIENT_ID, json!({"aud": "app", "client_id": "app"})),
        (BY_AUD, BY_CLIENT_ID, json!({"aud": ["app"], "client_id": "app"})),
        (BY_AUD, BY_CLIENT_ID, json!({"aud": ["other", "app"], "client_id": "app"})),
        (BY_AUD, OTHER, json!({"aud": ["app", "admin"]})),
        (BY_AUD, OTHER, json!({"aud": ["admin", "app"]})),
        (BY_AUD, OTHER, json!({"aud": ["x", "admin", "app", "app"]})),
    ] {
        for bed in [two_entries(first, second), two_entries(second, first)] {
            assert_eq!(caller(&bed, claims.clone()), "audience_mismatch");
        }
    }
    let bed = two_entries(BY_AUD, OTHER);
    assert_eq!(caller(&bed, json!({"aud": ["app", "x"]})), "first:alice");
    assert_eq!(caller(&bed, json!({"aud": "admin"})), "second:alice");
    assert_eq!(
        bed.line(&pool_event(json!({"aud": ["app", "admin"]})))["message"],
        "the token's audiences match several issuers with its `iss`, but must match exactly one: `first` (`aud`), \
         `second` (`aud`)"
    );
}

#[test]
fn rejects_a_token_that_is_for_none_of_an_issuers_entries() {
    let bed = two_entries(BY_AUD, BY_CLIENT_ID);
    for claims in [
        json!({}),
        json!({"aud": "other"}),
        json!({"client_id": "other", "aud": []}),
        json!({"azp": "app"}),
        json!({"client_id": ["app"]}),
        json!({"aud": ["app", 7]}),
        json!({"aud": "APP"}),
    ] {
        assert_eq!(caller(&bed, claims.clone()), "audience_mismatch", "{claims}");
    }
    assert_eq!(
        bed.line(&pool_event(json!({"aud": "other"})))["message"],
        "the token's audience matches none of the issuers with its `iss`: `first` (`aud`), `second` (`client_id`)"
    );
}

/// Whom a token is for is only looked at to choose: keys, algorithms and types are those of the entry that was chosen.
#[test]
fn rejects_a_token_of_one_entry_by_the_keys_algorithms_or_types_of_another() {
    let second = |changes: &str| two_entries(BY_AUD, &format!("{BY_CLIENT_ID}, {changes}"));
    let (by_aud, by_client_id) = (|| json!({"aud": "app"}), || json!({"client_id": "app"}));

    let bed = second("jwks: {file: partner.json}");
    let partner_signed = |claims| keys().partner(&json!({"alg": "EdDSA"}), &pool_claims(claims));
    assert_eq!(bed.code_for(&partner_signed(by_client_id())), "allowed");
    assert_eq!(bed.code_for(&partner_signed(by_aud())), "signature_invalid");
    assert_eq!(caller(&bed, by_aud()), "first:alice");
    assert_eq!(caller(&bed, by_client_id()), "key_unknown");

    let bed = second("algorithms: [RS256]");
    let rsa_signed = |claims| keys().rs256(&header("RS256", "rsa"), &pool_claims(claims));
    assert_eq!(caller(&bed, by_client_id()), "algorithm_refused");
    assert_eq!(bed.code_for(&rsa_signed(by_client_id())), "allowed");
    assert_eq!(bed.code_for(&rsa_signed(by_aud())), "algorithm_refused");

    let bed = second("types: [at+jwt]");
    assert_eq!(caller(&bed, by_client_id()), "type_refused");
    assert_eq!(caller(&bed, by_aud()), "first:alice");
}

/// The grant names the entry: an ID token is not worth what an access token of the same client and user is.
#[test]
fn rejects_an_id_token_where_the_access_tokens_entry_is_granted() {
    let id = format!(
        "id: {{kind: jwt, issuer: {PARTNER}, {BY_AUD}, algorithms: [EdDSA], jwks: {{file: partner.json}}}}"
    );
    let bed = Bed::of(document_with(&format!("issuers: {{{id}}}")));
    for (claims, expected) in [
        (json!({}), "allowed"),
        (json!({"client_id": null, "aud": "app", "sub": "alice"}), "no_grant"),
        (json!({"client_id": null, "aud": "orders-api", "sub": "alice"}), "audience_mismatch"),
    ] {
        assert_eq!(bed.code_for(&partner_token(claims)), expected);
    }
}
