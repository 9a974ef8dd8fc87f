//! Whose token it is, for whom, and from when to when.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::*;

#[test]
fn rejects_an_unknown_issuer_and_every_near_miss() {
    let near = json!([
        "https://login.example.com",
        "https://LOGIN.example.com/",
        "https://login.example.com/ ",
        "x",
        ""
    ]);
    claim_gets("issuer_unknown", "iss", near);
    claim_gets("claim_missing", "iss", json!([null, [ISSUER], 7]));
}

#[test]
fn the_same_subject_at_two_issuers_is_two_callers() {
    let bed = Bed::new();
    for (token, caller, grant) in [
        (good_token(), "corp:alice", "orders-reader"),
        (partner_token(json!({"scope": "orders:read"})), "partner:alice", "partner-reader"),
    ] {
        let line = bed.line(&event(&token));
        assert_eq!((line["caller_id"].as_str(), line["grant"].as_str()), (Some(caller), Some(grant)));
    }
}

#[test]
fn rejects_claims_that_imitate_an_iam_identity() {
    let role = "arn:aws:iam::123456789012:role/admin";
    let token = token_with(json!({"sub": role, "arn": role, "callerKind": "aws_identity"}));
    let line = Bed::new().line(&event(&token));
    assert_eq!(line["caller_kind"], "jwt");
    assert_eq!(line["caller_id"], format!("corp:{role}"));
}

#[test]
fn rejects_audience_confusion() {
    claim_gets("allowed", "aud", json!([["other", "orders-api"]]));
    claim_gets("audience_mismatch", "aud", json!(["other-api", ["other-api"], [], "orders-api-2"]));
    claim_gets("claim_missing", "aud", json!([null, 7, ["orders-api", 7]]));
    let elsewhere = json!({"aud": null, "client_id": "orders-api", "azp": "orders-api"});
    refused(&token_with(elsewhere), "claim_missing");
}

#[test]
fn rejects_a_list_where_the_audience_is_one_client() {
    for (client_id, expected) in [
        (json!("orders-api"), "allowed"),
        (json!(["orders-api"]), "claim_missing"),
        (json!("other"), "audience_mismatch"),
    ] {
        refused(&partner_token(json!({"client_id": client_id})), expected);
    }
}

/// OpenID Connect Core: the party that the token was issued to.
#[test]
fn rejects_a_token_that_was_issued_to_another_party() {
    let bed = Bed::of(document_with("issuers: {partner: {audience_claim: azp}}"));
    for (azp, expected) in [
        (json!("orders-api"), "allowed"),
        (json!("other"), "audience_mismatch"),
        (json!(["orders-api"]), "claim_missing"),
        (Value::Null, "claim_missing"),
    ] {
        assert_eq!(bed.code_for(&partner_token(json!({"azp": azp, "aud": "orders-api"}))), expected);
    }
}

#[test]
fn a_stage_narrows_the_audiences() {
    let bed = Bed::new();
    for (aud, expected) in [
        (json!(["orders-api", "orders-api-narrow"]), "allowed"),
        (json!("orders-api"), "audience_mismatch"),
        (json!("orders-api-narrow"), "audience_mismatch"),
    ] {
        let event = event_on(&token_with(json!({"aud": aud})), "narrow", "GET", "/status");
        assert_eq!(bed.code(&event), expected);
    }
}

#[test]
fn exp_is_required_and_has_no_leeway() {
    claim_gets("allowed", "exp", json!([NOW + 16, (NOW + 16) as f64 + 0.5]));
    claim_gets("token_expired", "exp", json!([NOW, NOW - 1, 0]));
    claim_gets("claim_missing", "exp", json!([null, "never", (NOW + 600).to_string(), -1, true, 1e300]));
}

/// The keys came, and by then the token was over: also where no Vault token would end with it.
#[tokio::test]
async fn rejects_a_token_that_ends_while_its_issuers_keys_are_fetched() {
    let clock = Arc::new(OnceLock::<Arc<SetClock>>::new());
    let slow = Arc::clone(&clock);
    let server = Server::start(move |_| {
        slow.get().unwrap().forward_seconds(3);
        Reply::new(200, keys().jwks().to_string())
    })
    .await;
    let bed = Bed::of(document().keys_at(&server.url));
    clock.set(Arc::clone(&bed.clock)).ok().unwrap();
    let status = event_on(&token_with(json!({"exp": NOW + 2})), "prod", "GET", "/status");
    assert_eq!(bed.code_of(&status).await, "token_expired");
}

#[test]
fn nbf_and_iat_have_the_leeway_and_no_more() {
    for claim in ["nbf", "iat"] {
        claim_gets("allowed", claim, json!([NOW + 30]));
        claim_gets("token_not_yet_valid", claim, json!([NOW + 31]));
        claim_gets("claim_missing", claim, json!(["soon"]));
    }
}

#[test]
fn max_age_counts_from_iat() {
    claim_gets("allowed", "iat", json!([NOW - 3600]));
    claim_gets("token_too_old", "iat", json!([NOW - 3601]));
    claim_gets("claim_missing", "iat", json!([null]));
}

#[test]
fn rejects_a_caller_name_that_is_absent_or_could_break_a_header() {
    claim_gets("claim_missing", "sub", json!([null, "", 7, ["alice"]]));
    let hostile =
        ["a\r\nX-Vault-Context-Grant: admin", "a\u{0}", "al\u{e9}", "a\u{202e}b", " ", &"a".repeat(257)];
    claim_gets("identity_value_refused", "sub", json!(hostile));
    // OpenID Connect Core, section 2: at most 255 ASCII characters. The issuer's name is not the provider's.
    claim_gets("allowed", "sub", json!(["a".repeat(255), "Alice Example <alice@example.com>"]));
}
