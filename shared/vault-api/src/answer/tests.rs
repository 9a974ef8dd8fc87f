//! Vault's answers, as OpenBao 2.7 writes them.

use super::*;

const WRAPPED: &str = r#"{"request_id":"","lease_id":"","renewable":false,"lease_duration":0,"data":null,"warnings":null,"auth":null,
 "wrap_info":{"token":"s.KGXDu8CLc1DnGKEU4KBqXzzW","accessor":"AKUe","ttl":60,"creation_time":"2026-11-23T17:51:30.377802691Z",
 "creation_path":"auth/token/create/api-caller","wrapped_accessor":"BJ2J7fl2ksKbSCQaYIgIx3cU"}}"#;
const UNWRAPPED: &str = r#"{"data":null,"wrap_info":null,"auth":{"client_token":"s.0x7lCyKBqXzzWDu8CLc1DnGK","accessor":"BJ2J",
 "policies":["api-read"],"token_policies":["api-read"],"identity_policies":null,"metadata":{"sub":"alice"},"lease_duration":300,
 "renewable":false,"entity_id":"","token_type":"service","orphan":true,"num_uses":5,"mfa_requirement":null}}"#;

fn parse(body: &str) -> VaultAnswer {
    VaultAnswer::parse("a/b", body.as_bytes()).unwrap()
}

#[test]
fn reads_a_wrapped_answer() {
    let info = parse(WRAPPED).wrap_info.unwrap();
    assert_eq!(info.token.expose(), "s.KGXDu8CLc1DnGKEU4KBqXzzW");
    assert_eq!((info.ttl, info.creation_path.as_str()), (60, "auth/token/create/api-caller"));
    assert_eq!(info.wrapped_accessor.as_deref(), Some("BJ2J7fl2ksKbSCQaYIgIx3cU"));
}

#[test]
fn a_wrapped_batch_token_has_no_accessor() {
    for absent in [r#","wrapped_accessor":"""#, r#","wrapped_accessor":null"#, ""] {
        let body = format!(
            r#"{{"wrap_info":{{"token":"s.a","accessor":"b","ttl":60,"creation_path":"c"{absent}}}}}"#
        );
        assert_eq!(parse(&body).wrap_info.unwrap().wrapped_accessor, None);
    }
}

#[test]
fn reads_an_unwrapped_answer_with_its_nulls() {
    let auth = parse(UNWRAPPED).auth.unwrap();
    assert_eq!(auth.client_token.expose(), "s.0x7lCyKBqXzzWDu8CLc1DnGK");
    assert!(auth.identity_policies.is_empty() && auth.orphan && !auth.renewable);
    assert_eq!((auth.lease_duration, auth.num_uses, auth.token_type.as_str()), (300, 5, "service"));
    assert_eq!(auth.metadata.get("sub").map(String::as_str), Some("alice"));
}

#[test]
fn reads_a_lease_and_warnings() {
    let answer = parse(
        r#"{"lease_id":"database/creds/x/abc","renewable":true,"lease_duration":60,"data":{"a":1},"warnings":["capped"]}"#,
    );
    let lease = answer.lease.unwrap();
    assert_eq!((lease.id.as_str(), lease.duration_seconds), ("database/creds/x/abc", 60));
    assert!(lease.renewable);
    assert_eq!(answer.warnings, ["capped"]);
    assert!(parse(WRAPPED).lease.is_none());
}

#[test]
fn rejects_what_is_not_vaults_without_quoting_it() {
    let bodies = [
        "",
        "[]",
        r#"[null, null, "s.secret"]"#,
        "<html>s.secret</html>",
        r#"["s.secret"]"#,
        r#""s.secret""#,
        r#"{"auth":"s.secret"}"#,
        r#"{"auth":{"client_token":""}}"#,
        r#"{"lease_id":"s.secret","lease_duration":-1}"#,
        r#"{"data":{}} s.secret"#,
    ];
    for body in bodies {
        let error = VaultAnswer::parse("a/b", body.as_bytes()).unwrap_err();
        assert!(matches!(error.kind, VaultErrorKind::AnswerInvalid { .. }), "{body}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{body}: {error}");
    }
}

#[test]
fn debug_shows_neither_tokens_nor_data() {
    let secret = r#"{"data":{"password":"hunter2"},"lease_id":"database/creds/x/abc","lease_duration":60}"#;
    assert_eq!(
        format!("{:?}", parse(secret)),
        "VaultAnswer { auth: None, wrap_info: None, lease: Some(Lease { duration_seconds: 60, renewable: false, .. }), .. }"
    );
    assert_eq!(
        format!("{:?}", parse(WRAPPED).wrap_info.unwrap()),
        r#"WrapInfo { accessor: "AKUe", ttl: 60, creation_path: "auth/token/create/api-caller", wrapped_accessor: Some("BJ2J7fl2ksKbSCQaYIgIx3cU"), .. }"#
    );
    assert_eq!(
        format!("{:?}", parse(UNWRAPPED).auth.unwrap()),
        r#"Auth { accessor: "BJ2J", policies: ["api-read"], identity_policies: [], lease_duration: 300, renewable: false, num_uses: 5, orphan: true, token_type: "service", .. }"#
    );
}

#[test]
fn a_token_in_an_answer_of_odd_form_is_kept_to_be_given_back() {
    const CLEAR: (Option<&str>, Option<&str>) = (Some("s.clear"), None);
    const WRAPPED: (Option<&str>, Option<&str>) = (None, Some("s.wrapped"));
    for (body, (clear, wrapped)) in [
        (r#"{"wrap_info": {"token": "s.wrapped", "ttl": 30, "wrapped_accessor": "b"}}"#, WRAPPED),
        (r#"{"wrap_info": {"token": "s.wrapped", "ttl": 30, "creation_path": null}}"#, WRAPPED),
        (r#"{"wrap_info": {"token": "s.wrapped", "ttl": "30s", "creation_path": "a"}}"#, WRAPPED),
        (r#"{"auth": {}, "wrap_info": {"token": "s.wrapped", "ttl": 30, "creation_path": "a"}}"#, WRAPPED),
        (r#"{"auth": {"client_token": "s.clear", "lease_duration": -1}}"#, CLEAR),
        (r#"{"auth": {"client_token": "s.clear", "metadata": {"n": 1}}}"#, CLEAR),
        (r#"{"auth": {"client_token": "s.clear"}, "wrap_info": {}}"#, CLEAR),
    ] {
        let answer = VaultAnswer::parse("p", body.as_bytes()).unwrap();
        assert!(answer.malformed, "{body}");
        assert_eq!(answer.auth.as_ref().map(|auth| auth.client_token.expose()), clear, "{body}");
        assert_eq!(answer.wrap_info.as_ref().map(|wrap| wrap.token.expose()), wrapped, "{body}");
        assert!(answer.wrap_info.is_none_or(|wrap| wrap.creation_path.is_empty() && wrap.ttl == 0), "{body}");
    }
    for body in [
        r#"{"auth": {}}"#,
        r#"{"auth": 7, "wrap_info": []}"#,
        r#"{"lease_duration": -1}"#,
        r#"{"auth": {"client_token": 7}}"#,
    ] {
        assert!(VaultAnswer::parse("p", body.as_bytes()).is_err(), "{body}");
    }
}
