//! What the log says of a refused token: what it has and what is configured. The sender chooses the former, so
//! neither the log nor a terminal may obey it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::*;

/// A line for each token: what is particular to it, and the message.
fn told<'a>(bed: &Bed, tokens: impl IntoIterator<Item = (&'a Value, String)>) -> String {
    let mut told = String::new();
    for (changes, token) in tokens {
        let changes = changes.to_string().replace('\u{202e}', "\\u202e");
        writeln!(told, "{changes:.80}\n  {}", bed.message_for(&token)).unwrap();
    }
    told
}

/// Which key was sought and what is the matter with it.
#[test]
fn an_unknown_key_is_told_from_one_that_cannot_be_used() {
    let twin = changed(&keys().rsa_public_jwk(), &json!({"kid": "twin"}));
    let bed = Bed::with_keys(&jwks_and([
        json!({"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": b64(&[1; 57])}),
        json!({"kty": "RSA", "kid": "weak", "n": b64(&[0xff; 128]), "e": "AQAB"}),
        changed(&twin, &json!({"n": other_modulus()})),
        twin,
    ]));
    let headers = [
        header("EdDSA", "nobody"),
        header("EdDSA", "a\u{1b}[2J`"),
        header("EdDSA", &"k".repeat(256)),
        header("EdDSA", "ed448"),
        header("RS256", "weak"),
        header("RS256", "enc"),
        header("ES256", "ed"),
        header("RS256", "twin"),
        json!({"alg": "RS256"}),
    ];
    let token = |header: &Value| keys().ed25519(header, &claims());
    for header in &headers {
        assert_eq!(bed.code_for(&token(header)), "key_unknown", "{header}");
    }
    insta::assert_snapshot!(told(&bed, headers.iter().map(|header| (header, token(header)))));
}

#[test]
fn a_refused_token_is_told_with_what_it_has_and_what_is_configured() {
    let hostile = "`x`\u{1b}[2J\r\n\u{202e}";
    let headers = [
        json!({"alg": "HS256"}),
        json!({"alg": 7}),
        json!({"alg": hostile}),
        json!({"typ": "Refresh"}),
        json!({"typ": hostile}),
    ];
    let numbers: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let claims = [
        json!({"iss": "https://login.example.com"}),
        json!({"iss": hostile}),
        json!({"iss": "i".repeat(5000)}),
        json!({"aud": ["billing", hostile]}),
        json!({"aud": []}),
        json!({"aud": numbers}),
        json!({"sub": "al\u{e9}"}),
        json!({"sub": "a".repeat(257)}),
        json!({"cnf": {"jkt": "x"}}),
    ];
    let headers = headers.iter().map(|changes| (changes, token_with_header(changes.clone())));
    let claims = claims.iter().map(|changes| (changes, token_with(changes.clone())));
    let bed = Bed::new();
    let narrow = bed.line(&event_on(&good_token(), "narrow", "GET", "/status"));
    let told = told(&bed, headers.chain(claims));
    insta::assert_snapshot!(format!(
        "{told}on the stage `narrow`\n  {}",
        narrow["message"].as_str().unwrap()
    ));
}

#[test]
fn a_claim_that_is_absent_is_told_from_one_that_is_something_else() {
    let claims = [
        json!({"iss": null}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"aud": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"exp": "never"}),
        json!({"exp": 1e300}),
        json!({"nbf": -1}),
        json!({"iat": []}),
    ];
    let tokens = claims.iter().map(|changes| (changes, token_with(changes.clone())));
    insta::assert_snapshot!(told(&Bed::new(), tokens));
}

#[test]
fn a_malformed_token_is_told_with_the_part_and_the_member() {
    let good = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let of_text = |header: &str, claims: &str| (json!([header, claims]), keys().ed25519_raw(header, claims));
    let tokens = [
        (json!("a.b"), "a.b".to_owned()),
        (json!("a.b.c"), "a.b.c".to_owned()),
        of_text(good, r#"{"sub":"a","sub":"b"}"#),
        of_text(r#"{"alg":"EdDSA","alg":"none"}"#, "{}"),
        of_text(good, "[]"),
        of_text("\"x\"", "{}"),
        of_text(good, r#"{"exp":1e999}"#),
        of_text(r#"{"alg":"EdDSA","crit":["b64"]}"#, "{}"),
    ];
    insta::assert_snapshot!(told(&Bed::new(), tokens.iter().map(|(name, token)| (name, token.clone()))));
}
