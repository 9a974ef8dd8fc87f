//! IAM callers by proof: whom a presigned GetCallerIdentity proves, for how long, and every attack on the way.
//! `sts-identity` tests what the proof itself may look like. These tests cover the scheme, its memory and its limits.

mod floods;
mod replays;

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sts_identity::{SigningRequest, StsEndpoint, presign_get_caller_identity};

use crate::support::*;

const STAGES: &str = r#"
aws_identity:
  server_id: orders.example.com
  accounts: ["123456789012", "210987654321"]
  sts_regions: [eu-west-1]
stages:
  narrow: null
  prod:
    grants:
      - name: nightly-batch
        routes: ["GET /orders"]
        caller: {aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]}
        token: {role: orders-prod-batch, policies: [batch], ttl: 15m, wrap_ttl: 60s}
      - name: by-id
        routes: ["GET /orders"]
        caller: {aws_identity: true, bound_iam_principal_ids: [AIDAEXAMPLEALICE]}
        token: {role: orders-prod-alice, policies: [batch], ttl: 1m, wrap_ttl: 30s}
      - name: a-claim-like-an-arn
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_subject: "somebody"}
        token: {role: orders-prod-jwt, policies: [batch], ttl: 1m, wrap_ttl: 30s}
  staging:
    api_ids: [a1b2c3d4e5]
    server_id: staging.orders.example.com
    grants:
      - name: staging-batch
        mode: none
        routes: ["GET /orders"]
        caller: {aws_identity: true, any: true}
"#;

fn bed() -> Bed {
    Bed::of(document_with(STAGES))
}

/// Where each proof is good once.
fn once() -> Document {
    document_with(STAGES).with("aws_identity: {single_use: true}")
}

fn single_use() -> Bed {
    Bed::of(once())
}

/// A proof signed `at`, for a server id, in base64url.
fn signed(at: u64, server_id: &str, endpoint: &StsEndpoint) -> String {
    let credentials =
        Credentials::new("ASIAEXAMPLE0EXAMPLE0", "secret", Some("session-token".into()), None, "test");
    let signing = SigningRequest {
        credentials: &credentials,
        endpoint,
        server_id: Some(&server_id.parse().unwrap()),
        now: UNIX_EPOCH + Duration::from_secs(at),
    };
    let url = presign_get_caller_identity(signing, Duration::from_secs(900)).unwrap();
    b64(url.expose().as_bytes())
}

fn proof_at(at: u64) -> Value {
    proof_for("orders.example.com", at)
}

fn proof_for(server_id: &str, at: u64) -> Value {
    let endpoint = StsEndpoint::regional(&"eu-west-1".parse().unwrap());
    event_with(&format!("AWS-Identity {}", signed(at, server_id, &endpoint)))
}

/// A proof for the loopback STS of a development configuration.
pub fn emulated_proof(at: u64, server_id: &str) -> String {
    let region = "us-east-1".parse().unwrap();
    signed(at, server_id, &StsEndpoint::loopback("http://127.0.0.1:4566", &region).unwrap())
}

fn proof() -> Value {
    proof_at(NOW)
}

/// [`proof`] with another URL.
fn proof_with(change: impl Fn(&str) -> String) -> Value {
    let event = proof();
    let encoded = event["headers"]["Authorization"].as_str().unwrap().split_once(' ').unwrap().1.to_owned();
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
    let changed = change(&url);
    assert_ne!(changed, url);
    event_with(&format!("AWS-Identity {}", b64(changed.as_bytes())))
}

/// The codes that only an IAM proof can have, each from a call that has it.
pub fn codes() -> Vec<String> {
    let bed = single_use();
    let old = proof_at(NOW - 61);
    let refused = proof_with(|url| format!("{url}#x"));
    let mut codes = vec![bed.code(&old), bed.code(&refused)];
    bed.sts.answer(no_answer());
    codes.extend([proof(), proof(), proof()].map(|proof| bed.code(&proof)));
    codes
}

fn on_stage(event: &Value, stage: &str) -> Value {
    let event = event.to_string().replace("/prod/", &format!("/{stage}/"));
    serde_json::from_str(&event.replace("\"stage\":\"prod\"", &format!("\"stage\":\"{stage}\""))).unwrap()
}

#[test]
fn an_iam_caller_is_known_by_the_canonical_arn_and_sts_is_asked_in_our_words() {
    let bed = bed();
    let line = bed.line(&proof());
    let told = ["outcome", "grant", "caller_kind", "caller_id"].map(|name| line[name].as_str().unwrap());
    assert_eq!(told, ["allowed", "nightly-batch", "aws_identity", "arn:aws:iam::123456789012:role/batch"]);
    assert_eq!((line["ttl_seconds"].as_u64(), line.get("caller_issuer")), (Some(900), None));
    let asked = bed.sts.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&"),
        "{asked:?}"
    );
    assert!(asked[0].contains("X-Vault-AWS-IAM-Server-ID: orders.example.com"), "{asked:?}");
    assert!(asked[0].to_lowercase().contains("accept: text/xml"), "{asked:?}");
}

#[test]
fn a_user_is_known_by_the_unique_id() {
    let bed = bed();
    let alice = "arn:aws:iam::123456789012:user/staff/alice";
    bed.sts.answer(Ok(caller_answer(alice, "AIDAEXAMPLEALICE")));
    let line = bed.line(&proof());
    assert_eq!((line["grant"].as_str(), line["caller_id"].as_str()), (Some("by-id"), Some(alice)));
    // The same name, created anew by whoever may create users.
    bed.sts.answer(Ok(caller_answer(alice, "AIDAEXAMPLEANOTHER")));
    assert_eq!(bed.code(&proof_at(NOW - 1)), "no_grant");
}

#[test]
fn a_verified_proof_is_remembered_until_its_window_ends() {
    let bed = bed();
    for _ in 0..3 {
        assert_eq!(bed.code(&proof()), "allowed");
    }
    assert_eq!(bed.sts.asked().len(), 1);
    bed.clock.forward_seconds(60);
    assert_eq!(bed.code(&proof()), "allowed");
    bed.clock.forward_seconds(1);
    assert_eq!(bed.code(&proof()), "proof_expired");
    assert!(bed.sts.asked().is_empty());
}

#[test]
fn rejects_a_proof_of_another_second_as_if_it_were_a_new_one() {
    let bed = bed();
    assert_eq!(bed.code(&proof()), "allowed");
    bed.sts.answer(Ok(error_answer(403, "SignatureDoesNotMatch")));
    let earlier = proof_with(|url| url.replace("Date=20270115T080000Z", "Date=20270115T075959Z"));
    assert_eq!(bed.code(&earlier), "proof_refused");
    assert_eq!(bed.sts.asked().len(), 2);
}

#[test]
fn rejects_a_future_dated_and_an_outdated_proof_without_asking_sts() {
    let bed = bed();
    for (at, code) in
        [(NOW + 31, "proof_refused"), (NOW - 61, "proof_expired"), (NOW - 90_000, "proof_expired")]
    {
        assert_eq!(bed.code(&proof_at(at)), code, "{at}");
    }
    assert!(bed.sts.asked().is_empty());
    for at in [NOW + 30, NOW - 60] {
        assert_eq!(bed.code(&proof_at(at)), "allowed", "{at}");
    }
}

#[test]
fn a_role_is_known_by_its_unique_id() {
    let by_id = STAGES.replace("AIDAEXAMPLEALICE", "AROAEXAMPLEBATCH").replace("role/batch", "role/none");
    let bed = Bed::of(document_with(&by_id));
    assert_eq!(bed.line(&proof())["grant"], "by-id");
    // A role of the same name, made after the first was deleted.
    bed.sts.answer(Ok(caller_answer(ROLE_SESSION, "AROAEXAMPLEANOTHER:nightly-7")));
    assert_eq!(bed.code(&proof_at(NOW - 1)), "no_grant");
}

#[test]
fn rejects_a_proof_for_another_server_or_another_stage_although_it_was_verified_before() {
    let bed = bed();
    assert_eq!(bed.code(&proof()), "allowed");
    bed.sts.asked();
    // STS sees our own server id and the stage's own, so the signature does not fit.
    for (proof, server_id) in [
        (proof_for("vault.example.com", NOW), "orders.example.com"),
        (on_stage(&proof(), "staging"), "staging.orders.example.com"),
    ] {
        bed.sts.answer(Ok(error_answer(403, "SignatureDoesNotMatch")));
        assert_eq!(bed.code(&proof), "proof_refused", "{server_id}");
        let asked = bed.sts.asked();
        assert!(asked[0].contains(&format!("X-Vault-AWS-IAM-Server-ID: {server_id}")), "{asked:?}");
    }
    let signed_for_it = on_stage(&proof_for("staging.orders.example.com", NOW), "staging");
    assert_eq!(bed.code(&signed_for_it), "allowed");
}

/// CVE-2025-11621: an identity that was found for one account stood for the same name in another.
#[test]
fn rejects_the_same_role_name_in_another_account() {
    let bed = bed();
    assert_eq!(bed.code(&proof()), "allowed");
    let session = |account: &str| {
        let arn = format!("arn:aws:sts::{account}:assumed-role/batch/nightly-7");
        Ok(caller_answer(&arn, "AROAOTHER:nightly-7"))
    };
    bed.sts.answer(session("999999999999"));
    assert_eq!(bed.code(&proof_at(NOW - 1)), "account_refused");
    // Accepted as an account, and still not the role that the grant names.
    bed.sts.answer(session("210987654321"));
    assert_eq!(bed.code(&proof_at(NOW - 2)), "no_grant");
}

/// Each kind of principal that is none is tested in `sts-identity`.
#[test]
fn rejects_a_session_whose_name_imitates_a_role_and_who_is_no_principal() {
    for (arn, user_id, code) in [
        ("arn:aws:sts::123456789012:assumed-role/other/batch", "AROAOTHER:batch", "no_grant"),
        ("arn:aws:iam::123456789012:root", "123456789012", "proof_refused"),
    ] {
        let bed = bed();
        bed.sts.answer(Ok(caller_answer(arn, user_id)));
        assert_eq!(bed.code(&proof()), code, "{arn}");
    }
}

#[test]
fn rejects_a_jwt_whose_claims_imitate_an_arn() {
    let arn = "arn:aws:iam::123456789012:role/batch";
    for claims in [
        json!({"sub": arn, "callerKind": "aws_identity"}),
        json!({"sub": arn, "arn": arn, "https://sts.amazonaws.com/": {"aws_account": "123456789012"}}),
    ] {
        let line = bed().line(&event(&token_with(claims)));
        assert_eq!(json!([line["code"], line["caller_kind"]]), json!(["no_grant", "jwt"]));
        assert_eq!(line["caller_id"], format!("corp:{arn}"));
    }
}

/// Each answer that proves nothing is tested in `sts-identity`, CVE-2020-16250's among them.
#[test]
fn whatever_sts_fails_with_is_a_fault() {
    let answers = [
        Ok(error_answer(403, "AccessDenied")),
        Ok(error_answer(503, "ServiceUnavailable")),
        Ok(sts_answer(200, "<html>sign in</html>")),
        no_answer(),
    ];
    for answer in answers {
        let bed = bed();
        let shown = format!("{answer:?}");
        bed.sts.answer(answer);
        assert_eq!(bed.code(&proof()), "sts_unavailable", "{shown}");
        // And nothing of it is remembered.
        assert_eq!(bed.code(&proof()), "allowed", "{shown}");
    }
}

fn refused_unasked(proof: &Value, what: &str) {
    let bed = bed();
    assert_eq!((bed.code(proof).as_str(), bed.sts.asked().len()), ("proof_refused", 0), "{what}");
}

#[test]
fn rejects_a_proof_that_is_no_plain_request_without_asking_sts() {
    let signature = format!("X-Amz-Signature={}", "0".repeat(64));
    for more in ["&action=GetCallerIdentity", &format!("&{signature}"), "&WebIdentityToken=x", "#x"] {
        refused_unasked(&proof_with(|url| format!("{url}{more}")), more);
    }
    for (from, to) in [
        ("https://", "http://"),
        ("sts.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com.evil.example"),
        ("sts.eu-west-1", "sts.eu-west-2"),
        ("https://", "https://user@"),
        (".com/", ".com:443/"),
        (".com/", ".com./"),
        ("GetCallerIdentity", "AssumeRoleWithWebIdentity"),
        ("host%3Bx-vault-aws-iam-server-id", "host"),
    ] {
        refused_unasked(&proof_with(|url| url.replace(from, to)), to);
    }
    for text in ["a", "aHR0cHM6Ly9zdHM", "__79"] {
        refused_unasked(&event_with(&format!("AWS-Identity {text}")), text);
    }
    let padded = format!("AWS-Identity {}=", b64(b"https://sts.amazonaws.com/"));
    assert_eq!(bed().code(&event_with(&padded)), "credential_malformed");
}

#[test]
fn without_its_section_no_proof_is_accepted() {
    assert_eq!(Bed::new().code(&proof()), "scheme_unsupported");
}

#[test]
fn no_part_of_a_proof_is_in_a_record() {
    for answer in [Ok(error_answer(403, "SignatureDoesNotMatch")), no_answer()] {
        let bed = bed();
        bed.sts.answer(answer);
        let event = proof();
        let encoded = event["headers"]["Authorization"].as_str().unwrap().to_owned();
        let (_, record) = bed.decide(&event);
        let shown = format!("{record:?} {}", bed.line(&event));
        for secret in [encoded.as_str(), "session-token", "ASIAEXAMPLE0EXAMPLE0", "X-Amz-Signature"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
