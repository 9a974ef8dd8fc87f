//! Whose token it is, whom it is for, and when it is valid.

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

/// OpenID Connect Core has `azp`: the party that the token was issued to.
#[test]
fn rejects_a_token_for_another_audience_client_or_party_or_one_that_a_stage_leaves_out() {
    let (usual, by_azp) = (Bed::new(), Bed::of(document_with("issuers: {partner: {audience_claim: azp}}")));
    let client = |client_id: Value| event(&partner_token(json!({"client_id": client_id})));
    let party = |azp: Value| event(&partner_token(json!({"azp": azp, "aud": "orders-api"})));
    let narrow = |aud: Value| event_on(&token_with(json!({"aud": aud})), "narrow", "GET", "/status");
    for (case, bed, event, expected) in [
        ("a client", &usual, client(json!("orders-api")), "allowed"),
        ("a list where the audience is one client", &usual, client(json!(["orders-api"])), "claim_missing"),
        ("another client", &usual, client(json!("other")), "audience_mismatch"),
        ("a party", &by_azp, party(json!("orders-api")), "allowed"),
        ("another party", &by_azp, party(json!("other")), "audience_mismatch"),
        ("a list of parties", &by_azp, party(json!(["orders-api"])), "claim_missing"),
        ("no party", &by_azp, party(Value::Null), "claim_missing"),
        ("both", &usual, narrow(json!(["orders-api", "orders-api-narrow"])), "allowed"),
        ("the issuer's alone", &usual, narrow(json!("orders-api")), "audience_mismatch"),
        ("the stage's alone", &usual, narrow(json!("orders-api-narrow")), "audience_mismatch"),
    ] {
        assert_eq!(bed.code(&event), expected, "{case}");
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
