//! The tokens of the usual caller, and what a test changes in them.

use serde_json::{Value, json};

use super::*;

pub fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "orders-api", "exp": NOW + 600, "iat": NOW - 10, "nbf": NOW - 10,
        "scope": "orders:read profile"})
}

/// [`claims`] with some changed, or removed where the value is null.
pub fn claims_with(changes: Value) -> Value {
    changed(&claims(), &changes)
}

pub fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid})
}

/// The usual header with members changed, or removed where the value is null.
pub fn header_with(changes: Value) -> Value {
    changed(&header("EdDSA", "ed"), &changes)
}

pub fn good_token() -> String {
    token_with(json!({}))
}

/// With claims changed, or removed where the value is null.
pub fn token_with(changes: Value) -> String {
    keys().ed25519(&header_with(json!({"typ": "JWT"})), &claims_with(changes))
}

/// With members of the header changed, or removed where the value is null.
pub fn token_with_header(changes: Value) -> String {
    keys().ed25519(&header_with(changes), &claims())
}

/// Of the issuer `partner`, whose set has one key, without a `kid`.
pub fn partner_token(changes: Value) -> String {
    let claims =
        json!({"iss": PARTNER, "client_id": "orders-api", "exp": NOW + 600, "user": {"name": "alice"}});
    keys().partner(&json!({"alg": "EdDSA"}), &changed(&claims, &changes))
}

/// A good header over claims that are not what `serde_json` would write.
pub fn token_of_text(claims: &str) -> String {
    keys().ed25519_raw(r#"{"alg":"EdDSA","kid":"ed"}"#, claims)
}

/// With the text of one claim as it is here.
pub fn token_with_text(claims: Value, claim: &str, text: &str) -> String {
    let claims = changed(&claims, &json!({claim: "its text"})).to_string();
    token_of_text(&claims.replacen("\"its text\"", text, 1))
}

/// An object with members changed, or removed where the value is null.
pub fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

pub fn sign(header: &Value, claims: &Value, signature: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
    let signature = signature(message.as_bytes());
    format!("{message}.{}", b64(&signature))
}

/// As whoever knows a secret signs it.
pub fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    sign(header, claims, |message| hmac::sign(&key, message).as_ref().to_vec())
}
