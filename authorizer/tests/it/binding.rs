//! Sender-constrained tokens: a stolen one opens nothing, and its holder's opens what it should, in each shape of
//! event.
//!
//! The table says how each case changes a good call. `$jkt` stands for the thumbprint of the key that the token is
//! bound to, `$proof` for the proof, `$cert` for the certificate's thumbprint and `$pem` for the certificate.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

const OWN_HOST: &str = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com";
const API: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGUgb25l\n-----END CERTIFICATE-----\n";
const OTHER_PEM: &str = "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGUgdHdv\n-----END CERTIFICATE-----\n";

fn callers_keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(Keys::generate)
}

fn sha256(bytes: &[u8]) -> String {
    b64(digest(&SHA256, bytes).as_ref())
}

fn kid_of(algorithm: &str) -> &'static str {
    ALGORITHMS.into_iter().find(|(own, _)| *own == algorithm).map_or("ec", |(_, kid)| kid)
}

/// The public key with the members that its type needs alone, and its thumbprint (RFC 7638).
fn public_key(keys: &Keys, algorithm: &str) -> (Value, String) {
    let set = keys.jwks();
    let jwk = set["keys"].as_array().unwrap().iter().rfind(|jwk| jwk["kid"] == kid_of(algorithm)).unwrap();
    let needed: &[&str] = match jwk["kty"].as_str().unwrap() {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        _ => &["crv", "kty", "x"],
    };
    let members: Vec<_> = needed.iter().map(|name| format!("{name:?}:{}", jwk[*name])).collect();
    let text = format!("{{{}}}", members.join(","));
    (serde_json::from_str(&text).unwrap(), sha256(text.as_bytes()))
}

fn document_of(binding: &str) -> Document {
    document().corp(&format!("binding: {binding}")).with(
        r#"stages: {prod: {grants: [{name: bound, mode: none, caller: {issuer: corp, any: true},
            routes: ["GET /orders", "GET /orders/{id}", "$connect"]}]}}"#,
    )
}

/// The URL that the caller of an event used.
fn url(shape: &str) -> String {
    match shape {
        "rest" => "https://api.example.com/v1/orders".to_owned(),
        "websocket" => format!("https://{OWN_HOST}/prod"),
        _ => format!("https://{OWN_HOST}/prod/orders"),
    }
}

fn event_of(shape: &str, authorization: &str, proofs: &[Value]) -> Value {
    let one_each = json!({"Authorization": authorization, "DPoP": proofs.last()});
    let all = json!({"Authorization": [authorization], "DPoP": proofs});
    let context = json!({"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod"});
    match shape {
        "rest" => {
            let more = json!({"domainName": "api.example.com", "path": "/v1/orders"});
            json!({"type": "REQUEST", "methodArn": format!("{API}/GET/orders"), "resource": "/orders", "path": "/orders",
                "headers": one_each, "multiValueHeaders": all, "requestContext": changed(&context, &more)})
        }
        "http_v1" => {
            let more = json!({"domainName": OWN_HOST, "path": "/prod/orders"});
            json!({"version": "1.0", "type": "REQUEST", "methodArn": format!("{API}/GET/orders"), "resource": "/orders",
                "path": "/prod/orders", "headers": one_each, "multiValueHeaders": all,
                "requestContext": changed(&context, &more)})
        }
        "http_v2" => {
            let joined =
                proofs.iter().map(|proof| proof.as_str().unwrap_or_default()).collect::<Vec<_>>().join(",");
            json!({"version": "2.0", "type": "REQUEST", "routeArn": format!("{API}/GET/orders"),
                "routeKey": "GET /orders", "rawPath": "/prod/orders",
                "headers": {"authorization": authorization, "dpop": joined},
                "requestContext": changed(&context, &json!({"domainName": OWN_HOST}))})
        }
        "websocket" => {
            let more = json!({"domainName": OWN_HOST, "eventType": "CONNECT", "routeKey": "$connect"});
            json!({"type": "REQUEST", "methodArn": format!("{API}/$connect"), "headers": one_each,
                "multiValueHeaders": all, "requestContext": changed(&context, &more)})
        }
        _ => {
            json!({"type": "TOKEN", "methodArn": format!("{API}/GET/orders"), "authorizationToken": authorization})
        }
    }
}

/// A call whose token is bound to the caller's key, with a good proof; changed as a line of the table says.
struct Call {
    changes: Value,
}

impl Call {
    fn with(changes: &str) -> Self {
        let (_, thumbprint) = public_key(callers_keys(), "ES256");
        let cert = sha256(b"certificate one");
        let text = changes.replace("$jkt", &thumbprint).replace("$cert", &cert);
        let text = text.replace("$long", &"x".repeat(8_000)).replace("$256", &"x".repeat(256));
        let text = text
            .replace("$pem", &PEM.replace('\n', "\\n"))
            .replace("$other_pem", &OTHER_PEM.replace('\n', "\\n"));
        Self { changes: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) }
    }

    fn text<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.changes[name].as_str().unwrap_or(otherwise)
    }

    fn bed(&self) -> Bed {
        Bed::of(document_of(self.text("binding", "{require: none}")))
    }

    fn token(&self) -> String {
        let (_, thumbprint) = public_key(callers_keys(), self.text("by", "ES256"));
        let cnf = self.changes.get("cnf").cloned().unwrap_or_else(|| json!({"jkt": thumbprint}));
        token_with(json!({"cnf": cnf}))
    }

    fn proof(&self, token: &str) -> String {
        let by = self.text("by", "ES256");
        let (jwk, _) = public_key(callers_keys(), by);
        let jwk = changed(&jwk, self.changes.get("jwk").unwrap_or(&json!({})));
        let header = json!({"typ": "dpop+jwt", "alg": by.split(' ').next(), "jwk": jwk});
        let header = changed(&header, self.changes.get("header").unwrap_or(&json!({})));
        let claims = json!({"jti": "one", "htm": "GET", "htu": url(self.text("shape", "rest")), "iat": NOW,
            "ath": sha256(token.as_bytes())});
        let claims = changed(&claims, self.changes.get("proof").unwrap_or(&json!({})));
        callers_keys().token(by, &header, &claims)
    }

    fn event(&self) -> Value {
        let token = self.token();
        let proof = self.proof(&token);
        let send = self.changes.get("send").cloned().unwrap_or_else(|| json!(["$proof"])).to_string();
        let send: Vec<Value> = serde_json::from_str(&send.replace("$proof", &proof)).unwrap();
        let authorization = format!("{} {token}", self.text("scheme", "DPoP"));
        let mut event = event_of(self.text("shape", "rest"), &authorization, &send);
        for (pointer, value) in self.changes["event"].as_object().into_iter().flatten() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        event
    }

    fn code(&self) -> String {
        self.bed().code(&self.event())
    }
}

fn holds([changes, expected]: [&str; 2]) {
    assert_eq!(Call::with(changes).code(), expected, "{changes}");
}

tests_of_table! {
    include_str!("golden/binding.txt"), holds {
        fn a_bound_token_with_its_proof_is_accepted_in_each_shape_of_event();
        fn rejects_a_stolen_bound_token_without_a_proof();
        fn rejects_a_proof_that_another_key_made();
        fn rejects_a_proof_that_is_forged_or_malformed();
        fn rejects_a_proof_for_another_call();
        fn spellings_of_one_url_are_one();
        fn the_url_is_derived_only_where_the_event_tells_it();
        fn rejects_a_proof_out_of_its_time();
        fn rejects_a_second_proof_header();
        fn a_certificate_bound_token_needs_its_certificate();
        fn a_token_bound_to_both_needs_both();
        fn rejects_what_cannot_be_proven();
        fn keycloaks_marker_beside_a_thumbprint_changes_nothing();
        fn an_issuer_can_demand_a_binding();
    }
}

#[test]
fn nothing_is_read_of_a_token_that_nobody_signed_and_null_is_absent() {
    let bed = Bed::new();
    let bound = token_with(json!({"cnf": {"kid": "k"}}));
    let (signed, _) = bound.rsplit_once('.').unwrap();
    assert_eq!(bed.code_for(&format!("{signed}.{}", b64(&[0; 64]))), "signature_invalid");
    assert_eq!(bed.code_for(&token_with_text(claims(), "cnf", "null")), "allowed");
}

/// RFC 9449, section 11.1.
#[test]
fn rejects_a_replayed_proof() {
    let call = Call::with("{}");
    let (bed, event) = (call.bed(), call.event());
    assert_eq!(bed.code(&event), "allowed");
    assert_eq!(bed.code(&event), "proof_replayed");
    // ECDSA has another signature of the same proof.
    assert_eq!(bed.code(&call.event()), "proof_replayed");
    assert_eq!(bed.code(&Call::with(r#"{"proof": {"jti": "two"}}"#).event()), "allowed");
    bed.clock.forward_seconds(60);
    assert_eq!(bed.code(&event), "proof_replayed", "to the end of its window");
    bed.clock.forward_seconds(1);
    assert_eq!(bed.code(&event), "proof_expired");
}

/// A call waits for Vault there, and others come in between.
fn minting_bed() -> Bed {
    Bed::of(document_of("{require: dpop}").with(
        r#"stages: {prod: {grants: [{name: bound, caller: {issuer: corp, any: true}, routes: ["GET /orders"],
            token: {role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s}}]}}"#,
    ))
}

#[test]
fn rejects_a_replayed_proof_after_the_clock_went_back() {
    let bed = Call::with("{}").bed();
    let event = Call::with("{}").event();
    assert_eq!(bed.code(&event), "allowed");
    bed.clock.forward_seconds(100);
    let later = format!(r#"{{"proof": {{"jti": "two", "iat": {}}}}}"#, NOW + 100);
    assert_eq!(bed.code(&Call::with(&later).event()), "allowed");
    bed.clock.back_seconds(95);
    assert_eq!(bed.code(&event), "proof_expired");
}

#[test]
fn rejects_one_proof_sent_many_times_at_once() {
    let call = Call::with("{}");
    let codes = minting_bed().codes_at_once(&vec![call.event(); 20]);
    assert_eq!(codes.iter().filter(|code| *code == "allowed").count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| code == "allowed" || code == "proof_replayed"), "{codes:?}");
}

/// An honest client repeats its request when it gets a 503: what was down must not become a 401.
#[test]
fn a_proof_whose_call_came_to_nothing_may_be_sent_again() {
    let call = Call::with("{}");
    let bed = minting_bed().vault_fails(1, || authorizer_steps::mint::MintError::Late);
    let event = call.event();
    assert_eq!(bed.code(&event), "vault_unreachable");
    assert_eq!(bed.code(&event), "allowed");
    assert_eq!(bed.code(&event), "proof_replayed");
}

#[test]
fn a_flood_of_one_callers_proofs_turns_away_no_other_caller() {
    let bed = Call::with("{}").bed();
    let flood = |n: usize| bed.code(&Call::with(&format!(r#"{{"proof": {{"jti": "{n}"}}}}"#)).event());
    assert!((0..4096).all(|n| flood(n) == "allowed"));
    assert_eq!(flood(4096), "rate_limited");
    assert_eq!(flood(0), "proof_replayed", "none is forgotten");
    let (jwk, jkt) = public_key(callers_keys(), "EdDSA");
    let token = token_with(json!({"sub": "bob", "cnf": {"jkt": jkt}}));
    let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk});
    let claims =
        json!({"jti": "0", "htm": "GET", "htu": url("rest"), "iat": NOW, "ath": sha256(token.as_bytes())});
    let proof = callers_keys().token("EdDSA", &header, &claims);
    assert_eq!(bed.code(&event_of("rest", &format!("DPoP {token}"), &[json!(proof)])), "allowed");
}

#[test]
fn the_context_and_the_log_name_the_binding() {
    for (changes, expected) in [
        (r#"{"cnf": null, "scheme": "Bearer"}"#, "none"),
        ("{}", "dpop"),
        (
            r#"{"cnf": {"x5t#S256": "$cert"}, "scheme": "Bearer", "event": {"/requestContext/identity": {"clientCert": {"clientCertPem": "$pem"}}}}"#,
            "mtls",
        ),
    ] {
        let call = Call::with(changes);
        let bed = call.bed();
        let event = call.event();
        assert_eq!(bed.decision(&event)["context"]["callerBinding"], expected);
        assert_eq!(call.bed().line(&event)["caller_binding"], expected);
    }
}

#[test]
fn a_grant_can_be_for_bound_callers_alone() {
    let document = |binding: &str| {
        document_of("{require: none}").with(&format!(
            r#"stages: {{prod: {{grants: [{{name: bound, mode: none, routes: ["GET /orders"],
                caller: {{issuer: corp, any: true, binding: {binding}}}}}]}}}}"#
        ))
    };
    let bearer = r#"{"cnf": null, "scheme": "Bearer"}"#;
    for (binding, changes, expected) in [
        ("dpop", "{}", "allowed"),
        ("any", "{}", "allowed"),
        ("mtls", "{}", "no_grant"),
        ("any", bearer, "no_grant"),
    ] {
        assert_eq!(Bed::of(document(binding)).code(&Call::with(changes).event()), expected, "{binding}");
    }
}

/// The token's own signature and claims hold, so it is known whose it is, and not who sent it.
#[test]
fn the_log_says_whose_token_was_stolen() {
    for (changes, code) in
        [(r#"{"scheme": "Bearer"}"#, "binding_missing"), (r#"{"proof": {"ath": "x"}}"#, "binding_refused")]
    {
        let call = Call::with(changes);
        let line = call.bed().line(&call.event());
        let told = ["code", "caller_kind", "caller_issuer", "caller_id", "caller_binding"]
            .map(|name| line[name].clone());
        assert_eq!(told, [json!(code), json!("jwt"), json!("corp"), json!("corp:alice"), Value::Null]);
    }
}

/// What the operator reads: what does not hold, and what to do.
#[test]
fn refusals_say_what_to_send_or_to_set() {
    let rows = [
        r#"{"scheme": "Bearer"}"#,
        r#"{"send": []}"#,
        r#"{"proof": {"htu": "https://api.example.com/v2/orders"}}"#,
        r#"{"proof": {"htu": "https://api.example.com/v1/orders/"}}"#,
        r#"{"proof": {"htu": "https://api.example.com/v1/orders"}, "binding": "{public_urls: ['https://shop.example/', 'https://b.example']}"}"#,
        r#"{"proof": {"ath": null}}"#,
        r#"{"proof": {"iat": 1800000000000}}"#,
        r#"{"proof": {"htu": "https://u:pw@api.example.com/v1/orders?api_key=s3cr3t#f"}}"#,
        r#"{"proof": {"htu": "https://api.example.com/v2/orders?api_key=s3cr3t"}}"#,
        r#"{"event": {"/requestContext/domainName": null}}"#,
        r#"{"binding": "{require: mtls}"}"#,
        r#"{"cnf": {"jwk": {}}}"#,
        r#"{"by": "RS384"}"#,
        r#"{"cnf": {"x5t#S256": "$cert"}, "scheme": "Bearer"}"#,
    ];
    let messages = rows.map(|changes| {
        let call = Call::with(changes);
        call.bed().line(&call.event())["message"].as_str().unwrap().to_owned()
    });
    insta::assert_json_snapshot!(messages);
}

#[test]
fn neither_token_nor_proof_reaches_the_log() {
    for changes in
        ["{}", r#"{"scheme": "Bearer"}"#, r#"{"proof": {"ath": "x"}}"#, r#"{"send": ["$proof", "$proof"]}"#]
    {
        let call = Call::with(changes);
        let event = call.event();
        let line = call.bed().line(&event).to_string();
        for header in ["DPoP", "Authorization"] {
            let value = event["headers"][header].as_str().unwrap().rsplit(' ').next().unwrap();
            assert!(value.split('.').all(|part| part.len() > 20 && !line.contains(part)), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 100_000 }))]

    /// A byte of a good proof is another, gone, or twice there.
    #[test]
    fn rejects_every_mutation_of_a_good_proof(at in any::<prop::sample::Index>(), byte in any::<u8>(), way in 0..3) {
        thread_local!(static BED: Bed = Call::with("{}").bed());
        let event = Call::with("{}").event();
        let proof = event["headers"]["DPoP"].as_str().unwrap().as_bytes().to_vec();
        let (at, mut mutant) = (at.index(proof.len()), proof.clone());
        match way {
            0 => mutant[at] = byte,
            1 => drop(mutant.remove(at)),
            _ => mutant.insert(at, byte),
        }
        let mutant = String::from_utf8_lossy(&mutant).into_owned();
        // White space around a header's value and empty values beside it do not count.
        prop_assume!(mutant.trim_matches([' ', '\t', ',']).as_bytes() != proof);
        let authorization = event["headers"]["Authorization"].as_str().unwrap();
        let code = BED.with(|bed| bed.code(&event_of("rest", authorization, &[json!(mutant)])));
        prop_assert!(["binding_refused", "binding_missing"].contains(&code.as_str()), "{code}: {mutant}");
    }
}
