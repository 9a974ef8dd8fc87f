//! Every check of a JWT: one that accepts, one that refuses with the exact code. Attacks by their names.

use serde_json::{Value, json};

use crate::support::*;

fn accepted(token: &str) {
    assert_eq!(Bed::new().code_for(token), "allowed");
}

fn refused(token: &str, code: &str) {
    assert_eq!(Bed::new().code_for(token), code);
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid})
}

#[test]
fn every_algorithm_of_the_issuer_is_accepted() {
    accepted(&keys().rs256(&header("RS256", "rsa"), &claims()));
    accepted(&keys().es256(&header("ES256", "ec"), &claims()));
    accepted(&keys().ed25519(&header("EdDSA", "ed"), &claims()));
}

#[test]
fn rejects_algorithm_confusion_with_the_public_key_as_hmac_secret() {
    use aws_lc_rs::hmac;
    let public = keys().rsa_public_jwk().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
    let token =
        sign(&header("HS256", "rsa"), &claims(), |message| hmac::sign(&key, message).as_ref().to_vec());
    refused(&token, "algorithm_refused");
}

#[test]
fn rejects_none_in_all_spellings() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = sign(&header(alg, "ed"), &claims(), |_| Vec::new());
        refused(&unsigned, "algorithm_refused");
        refused(&keys().ed25519(&header(alg, "ed"), &claims()), "algorithm_refused");
    }
    for alg in [json!(null), json!(["EdDSA"]), json!({"EdDSA": 1}), json!(7)] {
        refused(&token_with_header(json!({"alg": alg, "kid": "ed"})), "algorithm_refused");
    }
    refused(&token_with_header(json!({"kid": "ed"})), "algorithm_refused");
}

#[test]
fn rejects_an_algorithm_that_another_issuer_may_use() {
    let claims = claims_with(json!({"iss": "https://partner.example.net", "client_id": "orders-api"}));
    refused(&keys().rs256(&header("RS256", "rsa"), &claims), "algorithm_refused");
}

#[test]
fn rejects_a_stripped_zero_or_foreign_signature() {
    let token = good_token();
    let (message, _) = token.rsplit_once('.').unwrap();
    refused(&format!("{message}."), "signature_invalid");
    refused(&format!("{message}.{}", b64(&[0; 64])), "signature_invalid");
    refused(&format!("{message}.{}", b64(&[0; 63])), "signature_invalid");
    refused(&keys().partner(&header("EdDSA", "ed"), &claims()), "signature_invalid");
    let zero_ecdsa = sign(&header("ES256", "ec"), &claims(), |_| vec![0; 64]);
    refused(&zero_ecdsa, "signature_invalid");
}

#[test]
fn rejects_der_encoded_es256() {
    refused(&keys().es256_der(&header("ES256", "ec"), &claims()), "signature_invalid");
}

#[test]
fn rejects_claims_swapped_under_a_good_signature() {
    let (good, other) = (good_token(), token_with(json!({"sub": "mallory"})));
    let part = |token: &str, index: usize| token.split('.').nth(index).unwrap().to_owned();
    refused(&format!("{}.{}.{}", part(&good, 0), part(&other, 1), part(&good, 2)), "signature_invalid");
}

#[test]
fn rejects_a_swapped_kid() {
    refused(&keys().ed25519(&header("EdDSA", "ec"), &claims()), "key_unknown");
    refused(&keys().ed25519(&header("EdDSA", "nobody"), &claims()), "key_unknown");
    refused(&keys().rs256(&header("RS256", "enc"), &claims()), "key_unknown");
}

#[test]
fn a_token_without_kid_is_served_where_one_key_fits() {
    accepted(&token_with_header(json!({"alg": "EdDSA"})));
}

#[test]
fn rejects_an_embedded_key_and_every_pointer_to_one() {
    let claims = claims();
    let embedded = json!({"alg": "EdDSA", "kid": "mine", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        "jku": "https://attacker.example/jwks", "x5u": "https://attacker.example/cert", "x5c": ["AAAA"]});
    refused(&keys().partner(&embedded, &claims), "key_unknown");
    let with_own_kid =
        json!({"alg": "EdDSA", "kid": "ed", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}});
    refused(&keys().partner(&with_own_kid, &claims), "signature_invalid");
}

#[test]
fn rejects_critical_extensions_and_unencoded_payloads() {
    refused(
        &token_with_header(json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"]})),
        "credential_malformed",
    );
    refused(&token_with_header(json!({"alg": "EdDSA", "kid": "ed", "b64": false})), "credential_malformed");
    refused(&token_with_header(json!({"alg": "EdDSA", "kid": ["ed"]})), "credential_malformed");
    refused(&token_with_header(json!({"alg": "EdDSA", "kid": "k".repeat(257)})), "credential_malformed");
}

#[test]
fn types_are_compared_as_media_types() {
    for typ in ["JWT", "jwt", "application/jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        accepted(&token_with_header(json!({"alg": "EdDSA", "kid": "ed", "typ": typ})));
    }
    for typ in [json!("id+jwt"), json!("dpop+jwt"), json!(""), json!(1), json!("application/x/jwt")] {
        refused(&token_with_header(json!({"alg": "EdDSA", "kid": "ed", "typ": typ})), "type_refused");
    }
}

#[test]
fn rejects_a_token_that_is_not_three_canonical_parts() {
    let token = good_token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    for malformed in [
        "a",
        "a.b",
        "..",
        "a.b.c",
        "a.b.c.d",
        message,
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{message}.{signature}AAA"),
    ] {
        refused(malformed, "credential_malformed");
    }
    // The last letter of 64 bytes carries two bits that must be zero: another spelling of the same signature.
    let last = signature.chars().last().unwrap();
    let other = if last == 'A' { 'B' } else { char::from(u8::try_from(u32::from(last)).unwrap() + 1) };
    let respelled = format!("{message}.{}{other}", &signature[..signature.len() - 1]);
    refused(&respelled, "credential_malformed");
}

#[test]
fn rejects_duplicate_members_in_header_and_claims() {
    let good_claims = claims().to_string();
    let twice = good_claims.replacen('{', r#"{"sub":"root","#, 1);
    let good_header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    accepted(&keys().ed25519_raw(good_header, &good_claims));
    refused(&keys().ed25519_raw(good_header, &twice), "credential_malformed");
    refused(
        &keys().ed25519_raw(r#"{"alg":"none","kid":"ed","alg":"EdDSA"}"#, &good_claims),
        "credential_malformed",
    );
    refused(&keys().ed25519_raw(good_header, "[]"), "credential_malformed");
    refused(&keys().ed25519_raw("\"EdDSA\"", &good_claims), "credential_malformed");
}

#[test]
fn rejects_an_unknown_issuer_and_every_near_miss() {
    for issuer in
        ["https://login.example.com", "https://LOGIN.example.com/", "https://login.example.com/ ", "x", ""]
    {
        refused(&token_with(json!({"iss": issuer})), "issuer_unknown");
    }
    for issuer in [json!(null), json!([ISSUER]), json!(7)] {
        refused(&token_with(json!({"iss": issuer})), "claim_missing");
    }
}

#[test]
fn rejects_another_issuers_valid_signature() {
    let as_corp = keys().partner(&json!({"alg": "EdDSA"}), &claims());
    refused(&as_corp, "signature_invalid");
}

#[test]
fn the_same_subject_at_two_issuers_is_two_callers() {
    let bed = Bed::new();
    let partner_claims = json!({"iss": "https://partner.example.net", "client_id": "orders-api", "exp": NOW + 600,
        "user": {"name": "alice"}, "scope": "orders:read"});
    let partner = keys().partner(&json!({"alg": "EdDSA"}), &partner_claims);
    let (corp_line, partner_line) = (bed.line(&event(&good_token())), bed.line(&event(&partner)));
    assert_eq!(
        (&corp_line["caller_id"], &corp_line["grant"]),
        (&json!("corp:alice"), &json!("orders-reader"))
    );
    assert_eq!(
        (&partner_line["caller_id"], &partner_line["grant"]),
        (&json!("partner:alice"), &json!("partner-reader"))
    );
}

#[test]
fn rejects_audience_confusion() {
    accepted(&token_with(json!({"aud": ["other", "orders-api"]})));
    refused(&token_with(json!({"aud": "other-api"})), "audience_mismatch");
    refused(&token_with(json!({"aud": ["other-api"]})), "audience_mismatch");
    refused(&token_with(json!({"aud": []})), "audience_mismatch");
    refused(&token_with(json!({"aud": "orders-api-2"})), "audience_mismatch");
    refused(&token_with(json!({"aud": null})), "claim_missing");
    refused(&token_with(json!({"aud": 7})), "claim_missing");
    refused(&token_with(json!({"aud": ["orders-api", 7]})), "claim_missing");
    refused(
        &token_with(json!({"aud": null, "client_id": "orders-api", "azp": "orders-api"})),
        "claim_missing",
    );
}

#[test]
fn rejects_a_list_where_the_audience_is_one_client() {
    let claims = |client_id: Value| json!({"iss": "https://partner.example.net", "client_id": client_id, "exp": NOW + 600, "user": {"name": "a"}});
    let token = |client_id| keys().partner(&json!({"alg": "EdDSA"}), &claims(client_id));
    accepted(&token(json!("orders-api")));
    refused(&token(json!(["orders-api"])), "claim_missing");
    refused(&token(json!("other")), "audience_mismatch");
}

#[test]
fn a_stage_narrows_the_audiences() {
    let bed = Bed::new();
    let code = |aud: Value| bed.code(&event_on(&token_with(json!({"aud": aud})), "narrow", "GET", "/status"));
    assert_eq!(code(json!(["orders-api", "orders-api-narrow"])), "allowed");
    assert_eq!(code(json!("orders-api")), "audience_mismatch");
    assert_eq!(code(json!("orders-api-narrow")), "audience_mismatch");
}

#[test]
fn exp_is_required_and_has_no_leeway() {
    accepted(&token_with(json!({"exp": NOW + 16})));
    accepted(&token_with(json!({"exp": (NOW + 16) as f64 + 0.5})));
    refused(&token_with(json!({"exp": NOW})), "token_expired");
    refused(&token_with(json!({"exp": NOW - 1})), "token_expired");
    refused(&token_with(json!({"exp": 0})), "token_expired");
    for exp in
        [json!(null), json!("never"), json!((NOW + 600).to_string()), json!(-1), json!(true), json!(1e300)]
    {
        refused(&token_with(json!({"exp": exp})), "claim_missing");
    }
}

#[test]
fn nbf_and_iat_have_the_leeway_and_no_more() {
    for claim in ["nbf", "iat"] {
        accepted(&token_with(json!({claim: NOW + 30})));
        refused(&token_with(json!({claim: NOW + 31})), "token_not_yet_valid");
        refused(&token_with(json!({claim: "soon"})), "claim_missing");
    }
}

#[test]
fn max_age_counts_from_iat() {
    accepted(&token_with(json!({"iat": NOW - 3600})));
    refused(&token_with(json!({"iat": NOW - 3601})), "token_too_old");
    refused(&token_with(json!({"iat": null})), "claim_missing");
}

#[test]
fn rejects_a_caller_name_that_is_absent_or_could_break_a_header() {
    for sub in [json!(null), json!(""), json!(7), json!(["alice"])] {
        refused(&token_with(json!({"sub": sub})), "claim_missing");
    }
    for sub in
        ["a\r\nX-Vault-Context-Grant: admin", "a\u{0}", "al\u{e9}", "a\u{202e}b", " ", &"a".repeat(300)]
    {
        refused(&token_with(json!({"sub": sub})), "identity_value_refused");
    }
    accepted(&token_with(json!({"sub": "Alice Example <alice@example.com>"})));
}

#[test]
fn rejects_claims_that_imitate_an_iam_identity() {
    let token = token_with(json!({"sub": "arn:aws:iam::123456789012:role/admin",
        "arn": "arn:aws:iam::123456789012:role/admin", "callerKind": "aws_identity"}));
    let line = Bed::new().line(&event(&token));
    assert_eq!(line["caller_kind"], "jwt");
    assert_eq!(line["caller_id"], "corp:arn:aws:iam::123456789012:role/admin");
}

#[test]
fn rejects_a_weak_rsa_key_and_a_set_without_a_usable_key() {
    use vault_authorizer::identity::jwt::{InvalidKeySet, KeySet};
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        bytes[0] = 0x80;
        b64(&bytes)
    };
    let set =
        |jwk: Value| KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).map(|keys| keys.len());
    let rsa = |n: String| json!({"kty": "RSA", "n": n, "e": "AQAB"});
    assert_eq!(set(rsa(modulus(2048))), Ok(1));
    let weak = [modulus(1024), modulus(2040), b64(&[&[0u8; 128][..], &[0xff; 128][..]].concat())];
    for n in weak {
        assert_eq!(set(rsa(n)), Err(InvalidKeySet::NoUsableKey));
    }
    for unusable in [
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": b64(&[1; 57])}),
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "ES256", "x": b64(&[1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "use": "enc", "x": b64(&[1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "key_ops": ["sign"], "x": b64(&[1; 32])}),
        json!("key"),
    ] {
        assert_eq!(set(unusable.clone()), Err(InvalidKeySet::NoUsableKey), "{unusable}");
    }
    assert!(matches!(KeySet::parse(b"<html>"), Err(InvalidKeySet::NotAKeySet)));
    assert!(matches!(KeySet::parse(b"{}"), Err(InvalidKeySet::NotAKeySet)));
    assert!(matches!(KeySet::parse(&vec![b' '; 300_000]), Err(InvalidKeySet::TooLarge)));
    let many = json!({"keys": vec![json!({}); 129]}).to_string();
    assert!(matches!(KeySet::parse(many.as_bytes()), Err(InvalidKeySet::TooManyKeys)));
}
