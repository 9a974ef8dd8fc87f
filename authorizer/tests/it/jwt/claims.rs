//! Whose token it is, for whom, and from when to when.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::*;

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
