//! Every check of a JWT: one that accepts, one that refuses with the exact code. Attacks by their names.

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

thread_local! {
    /// One for all the tokens of a test: each test has its own thread.
    static USUAL: Bed = Bed::new();
    static ALL: Bed = all();
}

fn code(token: &str) -> String {
    USUAL.with(|bed| bed.code_for(token))
}

fn accepted(token: &str) {
    assert_eq!(code(token), "allowed");
}

fn refused(token: &str, expected: &str) {
    assert_eq!(code(token), expected);
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid})
}

/// An issuer that uses all ten algorithms.
fn all() -> Bed {
    Bed::with_keys(&keys().jwks())
}

/// The good set with its RSA key changed.
fn jwks_with_rsa(changes: &Value) -> Value {
    let mut jwks = keys().jwks();
    let rsa = jwks["keys"].as_array_mut().unwrap().iter_mut().find(|jwk| jwk["kid"] == "rsa").unwrap();
    *rsa = changed(rsa, changes);
    jwks
}

#[test]
fn every_algorithm_of_the_issuer_is_accepted() {
    let bed = all();
    for (algorithm, kid) in ALGORITHMS {
        let token = keys().token(algorithm, &header(algorithm, kid), &claims());
        assert_eq!(bed.code_for(&token), "allowed", "{algorithm}");
    }
}

/// One RSA key serves six algorithms; a signature of one of them is none of another.
#[test]
fn rejects_a_signature_that_another_algorithm_made_with_the_same_key() {
    let bed = all();
    let (rsa, _) = ALGORITHMS.split_at(6);
    for (made, _) in rsa {
        for (said, kid) in rsa.iter().filter(|(said, _)| said != made) {
            let token = keys().token(made, &header(said, kid), &claims());
            assert_eq!(bed.code_for(&token), "signature_invalid", "{made} as {said}");
        }
    }
}

#[test]
fn rejects_a_signature_of_another_type_of_key() {
    let bed = all();
    for (said, kid) in ALGORITHMS {
        for (made, other) in ALGORITHMS.iter().filter(|(_, other)| *other != kid) {
            let swapped = keys().token(made, &header(said, kid), &claims());
            assert_eq!(bed.code_for(&swapped), "signature_invalid", "{made} as {said}");
            let crossed = keys().token(made, &header(said, other), &claims());
            assert_eq!(bed.code_for(&crossed), "key_unknown", "{said} with the key `{other}`");
        }
    }
}

#[test]
fn rejects_an_algorithm_other_than_the_one_its_key_is_published_for() {
    for (published, _) in ALGORITHMS.iter().take(6) {
        let bed = Bed::with_keys(&jwks_with_rsa(&json!({"alg": published})));
        for (algorithm, kid) in ALGORITHMS.iter().take(6) {
            let code = bed.code_for(&keys().token(algorithm, &header(algorithm, kid), &claims()));
            let expected = if algorithm == published { "allowed" } else { "key_unknown" };
            assert_eq!(code, expected, "{algorithm} with a key for {published}");
        }
    }
}

#[test]
fn a_key_without_alg_serves_only_what_the_issuer_lists() {
    assert!(published("rsa").get("alg").is_none());
    refused(&keys().token("PS256", &header("PS256", "rsa"), &claims()), "algorithm_refused");
    refused(&keys().token("RS512", &header("RS512", "rsa"), &claims()), "algorithm_refused");
    refused(&keys().token("ES384", &header("ES384", "ec384"), &claims()), "algorithm_refused");
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
fn rejects_der_encoded_ecdsa() {
    let bed = all();
    for (algorithm, kid) in [("ES256", "ec"), ("ES384", "ec384")] {
        let der = keys().token(&format!("{algorithm} in DER"), &header(algorithm, kid), &claims());
        assert_eq!(bed.code_for(&der), "signature_invalid", "{algorithm}");
    }
}

/// `r = s = 0` verified for every message in some implementations (CVE-2022-21449).
#[test]
fn rejects_ecdsa_with_a_zero_or_of_another_length() {
    let bed = all();
    for (algorithm, kid, size) in [("ES256", "ec", 32), ("ES384", "ec384", 48)] {
        let code = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            let made = |message: &[u8]| change(keys().signature(algorithm, message));
            bed.code_for(&sign(&header(algorithm, kid), &claims(), made))
        };
        assert_eq!(code(&|signature| signature), "allowed");
        let zero = vec![0; size];
        let forged: [&dyn Fn(Vec<u8>) -> Vec<u8>; 8] = [
            &|_| [&zero[..], &zero].concat(),
            &|made| [&zero, &made[size..]].concat(),
            &|made| [&made[..size], &zero].concat(),
            &|made| [&made[size..], &made[..size]].concat(),
            &|made| made[..size].to_vec(),
            &|made| [&made[..], &[0]].concat(),
            &|made| [&[0], &made[..]].concat(),
            // Each half with a zero more before it: the same numbers, and not the one form they have.
            &|made| [&[0], &made[..size], &[0], &made[size..]].concat(),
        ];
        for (index, forge) in forged.into_iter().enumerate() {
            assert_eq!(code(forge), "signature_invalid", "{algorithm}, {index}");
        }
    }
}

#[test]
fn rejects_an_rsa_signature_of_another_length() {
    let bed = all();
    for algorithm in ["RS256", "PS256"] {
        for cut in [1, 128, 255, 256] {
            let short = |message: &[u8]| keys().signature(algorithm, message)[cut..].to_vec();
            let short = sign(&header(algorithm, "rsa"), &claims(), short);
            assert_eq!(bed.code_for(&short), "signature_invalid", "{algorithm}, {cut} bytes less");
        }
        let long = |message: &[u8]| [&[0], &keys().signature(algorithm, message)[..]].concat();
        assert_eq!(bed.code_for(&sign(&header(algorithm, "rsa"), &claims(), long)), "signature_invalid");
    }
}

/// The key of RFC 7515, appendix A.4. Nothing here verifies on its curve, so it must serve no other algorithm.
#[test]
fn rejects_es512_and_serves_the_other_keys_of_its_set() {
    let mut jwks = keys().jwks();
    jwks["keys"].as_array_mut().unwrap().insert(
        0,
        json!({
            "kty": "EC", "crv": "P-521", "kid": "ec521", "alg": "ES512",
            "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
        }),
    );
    let bed = Bed::with_keys(&jwks);
    let code = |alg, kid| bed.code_for(&keys().token("ES256", &header(alg, kid), &claims()));
    assert_eq!(code("ES512", "ec521"), "algorithm_refused");
    assert_eq!(code("ES256", "ec521"), "key_unknown");
    assert_eq!(code("ES256", "ec"), "allowed");
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
fn rejects_a_kid_that_is_not_the_keys_to_the_letter() {
    for kid in ["ED", "Ed", "ed ", " ed", "ed\u{0}", "e", "edd"] {
        refused(&keys().ed25519(&header("EdDSA", kid), &claims()), "key_unknown");
    }
}

#[test]
fn a_token_without_kid_is_served_where_one_key_fits() {
    accepted(&token_with_header(json!({"alg": "EdDSA"})));
    let bed = all();
    for (algorithm, _) in ALGORITHMS {
        let token = keys().token(algorithm, &json!({"alg": algorithm}), &claims());
        assert_eq!(bed.code_for(&token), "allowed", "{algorithm}");
    }
}

#[test]
fn rejects_a_token_without_kid_where_two_keys_fit() {
    let mut jwks = keys().jwks();
    let mut second = keys().rsa_public_jwk();
    second["n"] = json!(other_modulus());
    second["kid"] = json!("rsa-2");
    second["alg"] = json!("RS256");
    jwks["keys"].as_array_mut().unwrap().push(second);
    let bed = Bed::with_keys(&jwks);
    let code = |algorithm, header| bed.code_for(&keys().token(algorithm, &header, &claims()));
    assert_eq!(code("RS256", json!({"alg": "RS256"})), "key_unknown");
    assert_eq!(code("RS256", json!({"alg": "RS256", "kid": "rsa"})), "allowed");
    assert_eq!(code("RS384", json!({"alg": "RS384"})), "allowed", "the second key is for RS256 alone");
}

/// Of another key.
fn other_modulus() -> String {
    b64(&[&[0x80], &keys().rsa_modulus()[1..]].concat())
}

/// Which of two would be asked must not depend on how the provider sorts its set: neither is. The same key twice is one.
#[test]
fn rejects_a_kid_that_two_different_keys_have() {
    let with_second = |changes: Value| {
        let mut jwks = jwks_with_rsa(&changes);
        jwks["keys"].as_array_mut().unwrap().push(keys().rsa_public_jwk());
        Bed::with_keys(&jwks)
    };
    let code =
        |bed: &Bed, algorithm| bed.code_for(&keys().token(algorithm, &header(algorithm, "rsa"), &claims()));
    let different = with_second(json!({"n": other_modulus()}));
    assert_eq!(code(&different, "RS256"), "key_unknown");
    assert_eq!(different.code_for(&good_token()), "allowed", "the other keys serve on");
    // One of them is for RS256 alone: for PS512 the other is the only one.
    let limited = with_second(json!({"n": other_modulus(), "alg": "RS256"}));
    assert_eq!((code(&limited, "RS256"), code(&limited, "PS512")), ("key_unknown".into(), "allowed".into()));
    for same in [json!({}), json!({"alg": "RS256"}), json!({"crv": ""})] {
        let twice = with_second(same);
        assert_eq!((code(&twice, "RS256"), code(&twice, "PS512")), ("allowed".into(), "allowed".into()));
        assert_eq!(code(&twice, "ES256"), "key_unknown");
    }
    let for_encryption = with_second(json!({"n": other_modulus(), "use": "enc"}));
    assert_eq!(code(&for_encryption, "RS256"), "allowed", "a key that cannot verify is not in the way");
}

/// The message says which key was sought and what is the matter with it.
#[test]
fn an_unknown_key_is_told_from_one_that_cannot_be_used() {
    let mut jwks = keys().jwks();
    let list = jwks["keys"].as_array_mut().unwrap();
    list.push(json!({"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": b64(&[1; 57])}));
    list.push(json!({"kty": "RSA", "kid": "weak", "n": b64(&[0xff; 128]), "e": "AQAB"}));
    list.push(changed(&keys().rsa_public_jwk(), &json!({"n": other_modulus(), "kid": "twin"})));
    list.push(changed(&keys().rsa_public_jwk(), &json!({"kid": "twin"})));
    let bed = Bed::with_keys(&jwks);
    let ends = |header: Value| {
        let line = bed.line(&event(&token_with_header(header)));
        assert_eq!(line["code"], "key_unknown", "{line}");
        line["message"].as_str().unwrap().to_owned()
    };
    for (header, expected) in [
        (header("EdDSA", "nobody"), "issuer `corp` publishes no key with the token's `kid` `nobody`"),
        (
            header("EdDSA", "a\u{1b}[2J`"),
            "issuer `corp` publishes no key with the token's `kid` `a\\u{1b}[2J\\u{60}`",
        ),
        (
            header("EdDSA", "ed448"),
            "issuer `corp` publishes the token's key `ed448`, but it cannot be used: its `crv` `Ed448` is not supported; \
             P-256, P-384 and Ed25519 are",
        ),
        (
            header("RS256", "weak"),
            "issuer `corp` publishes the token's key `weak`, but it cannot be used: its RSA modulus has 1024 bits; it needs \
             2048 to 8192, an odd modulus and an odd exponent of 17 to 33 bits",
        ),
        (
            header("RS256", "enc"),
            "issuer `corp` publishes the token's key `enc`, but it cannot be used: its `use` is not `sig`",
        ),
        (header("ES256", "ed"), "issuer `corp` publishes the token's key `ed`, but not for ES256"),
        (
            header("RS256", "twin"),
            "issuer `corp` publishes different keys under the token's `kid` `twin`, so none of them is used",
        ),
        (
            json!({"alg": "RS256"}),
            "issuer `corp` publishes different keys for RS256, and the token has no `kid` to choose by",
        ),
    ] {
        assert_eq!(ends(header), expected);
    }
    let long = ends(header("EdDSA", &"k".repeat(256)));
    assert!(long.ends_with(&format!("`{}...`", "k".repeat(128))), "{long}");
}

#[test]
fn ed25519_and_eddsa_are_one_algorithm_in_tokens_configuration_and_keys() {
    for configured in ["EdDSA", "Ed25519", "EdDSA, Ed25519"] {
        let bed = Bed::with(&CONFIG.replacen("RS256, ES256, EdDSA", configured, 1));
        for alg in ["EdDSA", "Ed25519"] {
            assert_eq!(
                bed.code_for(&token_with_header(header(alg, "ed"))),
                "allowed",
                "{alg} by {configured}"
            );
        }
        assert_eq!(bed.code_for(&token_with_header(header("Ed448", "ed"))), "algorithm_refused");
    }
    refused(&keys().rs256(&header("Ed25519", "rsa"), &claims()), "key_unknown");
}

#[test]
fn null_is_absent_in_headers_and_times() {
    accepted(&token_with_header(json!({"alg": "EdDSA", "kid": null, "typ": null})));
    for null in ["nbf", "iat"] {
        let mut claims = claims_with(json!({"scope": "orders:read"}));
        claims[null] = Value::Null;
        let header = header("EdDSA", "ed");
        let bed = Bed::with(&CONFIG.replacen("    max_age: 1h\n", "", 1));
        assert_eq!(bed.code_for(&keys().ed25519(&header, &claims)), "allowed", "{null}");
        claims["exp"] = Value::Null;
        assert_eq!(bed.code_for(&keys().ed25519(&header, &claims)), "claim_missing");
    }
    let mut claims = claims();
    claims["iat"] = Value::Null;
    refused(&keys().ed25519(&header("EdDSA", "ed"), &claims), "claim_missing");
}

/// The attacker's key is a good one, is embedded, and is served where the header points.
#[tokio::test]
async fn rejects_an_embedded_key_and_every_pointer_to_one() {
    let attacker = Keys::generate();
    let mut jwk = attacker.jwks()["keys"].as_array().unwrap().last().unwrap().clone();
    let bed = Bed::new();
    for (kid, code) in [("ed", "signature_invalid"), ("attackers", "key_unknown")] {
        jwk["kid"] = kid.into();
        let served = json!({"keys": [jwk]}).to_string();
        let server = Server::start(move |_| (200, served.clone())).await;
        let (jku, x5u) = (format!("{}/jwks", server.url), format!("{}/cert", server.url));
        let header =
            json!({"alg": "EdDSA", "kid": kid, "jwk": jwk, "jku": jku, "x5u": x5u, "x5c": [jwk["x"]]});
        let token = attacker.ed25519(&header, &claims());
        let trusting = Bed::with_keys(&json!({"keys": [jwk]}));
        assert_eq!(trusting.code_of(&event(&token)).await, "allowed", "it is the key that is not trusted");
        assert_eq!(bed.code_of(&event(&token)).await, code, "{kid}");
        assert_eq!(server.asked(), Vec::<String>::new());
    }
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

/// RFC 9068, section 4: a resource server that wants access tokens alone lists `at+jwt`, and an ID token has no `typ`.
#[test]
fn rejects_a_token_without_typ_where_jwt_is_not_listed() {
    let header = |typ: Option<Value>| match typ {
        Some(typ) => json!({"alg": "EdDSA", "kid": "ed", "typ": typ}),
        None => json!({"alg": "EdDSA", "kid": "ed"}),
    };
    let code = |bed: &Bed, typ| bed.code_for(&token_with_header(header(typ)));
    for (types, untyped) in [
        ("[at+jwt]", "type_refused"),
        ("[application/at+jwt, logout+jwt]", "type_refused"),
        ("[JWT]", "allowed"),
        ("[at+jwt, application/jwt]", "allowed"),
    ] {
        let bed = Bed::with(&CONFIG.replacen("max_age: 1h", &format!("types: {types}"), 1));
        assert_eq!(code(&bed, None), untyped, "{types}");
        assert_eq!(code(&bed, Some(Value::Null)), untyped, "{types}");
        assert_eq!(code(&bed, Some(json!("JWT"))), untyped, "{types}");
    }
    let bed = Bed::with(&CONFIG.replacen("max_age: 1h", "types: [at+jwt]", 1));
    assert_eq!(code(&bed, Some(json!("application/AT+JWT"))), "allowed");
    accepted(&token_with_header(header(None)));
    refused(&token_with_header(header(Some(json!("logout+jwt")))), "type_refused");
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
    // Padding, white space, and letters of the other alphabet, in each part.
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in parts.iter().enumerate() {
        for spelled in [
            format!("{part}="),
            format!("{part}=="),
            format!("{part} "),
            format!("{part}\n"),
            format!("\t{part}"),
            format!("{part}+"),
            format!("{part}/AA"),
            format!("{part}%"),
            String::new(),
        ] {
            let mut parts = parts.clone();
            parts[index] = &spelled;
            // A header value has no white space at its ends, so nothing is left to refuse there.
            let token = parts.join(".");
            if token.trim() == token {
                let code = code(&token);
                let empty_signature = index == 2 && spelled.is_empty();
                let expected = if empty_signature { "signature_invalid" } else { "credential_malformed" };
                assert_eq!(code, expected, "part {index}: {spelled:?}");
            }
        }
    }
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

/// OpenID Connect Core: the party that the token was issued to.
#[test]
fn rejects_a_token_that_was_issued_to_another_party() {
    let bed = Bed::with(&CONFIG.replacen("audience_claim: client_id", "audience_claim: azp", 1));
    let code = |azp: Value| {
        let claims = json!({"iss": "https://partner.example.net", "azp": azp, "aud": "orders-api", "client_id": "orders-api",
            "exp": NOW + 600, "user": {"name": "a"}});
        bed.code_for(&keys().partner(&json!({"alg": "EdDSA"}), &claims))
    };
    assert_eq!(code(json!("orders-api")), "allowed");
    assert_eq!(code(json!("other")), "audience_mismatch");
    assert_eq!(code(json!(["orders-api"])), "claim_missing");
    assert_eq!(code(json!(null)), "claim_missing");
}

/// [`CONFIG`] with two entries of one issuer, of which `first` and `second` are the rest, and a grant for each.
fn two_entries(first: &str, second: &str) -> Bed {
    let entry = |name: &str, rest: &str| {
        format!("  {name}: {{kind: jwt, issuer: \"https://pool.example.com\", {rest}}}\n")
    };
    let grant = |name: &str| {
        format!(
            "      - {{name: {name}, mode: none, routes: [\"GET /orders\"], caller: {{issuer: {name}, any: true}}}}\n"
        )
    };
    let entries = format!("issuers:\n{}{}", entry("first", first), entry("second", second));
    let grants = format!("    grants:\n{}{}", grant("first"), grant("second"));
    Bed::with(&CONFIG.replacen("issuers:\n", &entries, 1).replacen("    grants:\n", &grants, 1))
}

const BY_AUD: &str = "audiences: [app], algorithms: [EdDSA], jwks: {file: jwks.json}";
const BY_CLIENT_ID: &str =
    "audiences: [app], audience_claim: client_id, algorithms: [EdDSA], jwks: {file: jwks.json}";

fn pool_claims(changes: Value) -> Value {
    let mut claims = json!({"iss": "https://pool.example.com", "sub": "alice", "exp": NOW + 600});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// The caller where the call was allowed, else the code.
fn caller(bed: &Bed, claims: Value) -> String {
    let token = keys().ed25519(&header("EdDSA", "ed"), &pool_claims(claims));
    let line = bed.line(&event(&token));
    line.get("caller_id")
        .filter(|_| line["Code"] == "allowed")
        .unwrap_or(&line["Code"])
        .as_str()
        .unwrap()
        .to_owned()
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
    for (first, second) in [(BY_AUD, BY_CLIENT_ID), (BY_CLIENT_ID, BY_AUD)] {
        let bed = two_entries(first, second);
        for aud in [json!("app"), json!(["app"]), json!(["other", "app"])] {
            assert_eq!(caller(&bed, json!({"aud": aud, "client_id": "app"})), "audience_mismatch");
        }
    }
    let other = BY_AUD.replacen("[app]", "[admin]", 1);
    for (first, second) in [(BY_AUD, other.as_str()), (other.as_str(), BY_AUD)] {
        let bed = two_entries(first, second);
        for both in [json!(["app", "admin"]), json!(["admin", "app"]), json!(["x", "admin", "app", "app"])] {
            assert_eq!(caller(&bed, json!({"aud": both})), "audience_mismatch");
        }
    }
    let bed = two_entries(BY_AUD, &other);
    assert_eq!(caller(&bed, json!({"aud": ["app", "x"]})), "first:alice");
    assert_eq!(caller(&bed, json!({"aud": "admin"})), "second:alice");
    let token = keys().ed25519(&header("EdDSA", "ed"), &pool_claims(json!({"aud": ["app", "admin"]})));
    assert_eq!(
        bed.line(&event(&token))["message"],
        "the token names audiences of several issuers with its `iss`, and must be for one of them alone: `first` (`aud`), `second` (`aud`)"
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
    let token = keys().ed25519(&header("EdDSA", "ed"), &pool_claims(json!({"aud": "other"})));
    assert_eq!(
        bed.line(&event(&token))["message"],
        "the token names no audience of the issuers that have its `iss`: `first` (`aud`), `second` (`client_id`)"
    );
}

/// Whom a token is for is only looked at to choose: keys, algorithms and types are those of the entry that was chosen.
#[test]
fn rejects_a_token_of_one_entry_by_the_keys_algorithms_or_types_of_another() {
    let partner = BY_CLIENT_ID.replacen("jwks.json", "partner.json", 1);
    let bed = two_entries(BY_AUD, &partner);
    let partner_signed = |claims| keys().partner(&json!({"alg": "EdDSA"}), &pool_claims(claims));
    assert_eq!(bed.code_for(&partner_signed(json!({"client_id": "app"}))), "allowed");
    assert_eq!(bed.code_for(&partner_signed(json!({"aud": "app"}))), "signature_invalid");
    assert_eq!(caller(&bed, json!({"aud": "app"})), "first:alice");
    assert_eq!(caller(&bed, json!({"client_id": "app"})), "key_unknown");

    let rsa = BY_CLIENT_ID.replacen("EdDSA", "RS256", 1);
    let bed = two_entries(BY_AUD, &rsa);
    assert_eq!(caller(&bed, json!({"client_id": "app"})), "algorithm_refused");
    let rsa_signed = |claims| keys().rs256(&header("RS256", "rsa"), &pool_claims(claims));
    assert_eq!(bed.code_for(&rsa_signed(json!({"client_id": "app"}))), "allowed");
    assert_eq!(bed.code_for(&rsa_signed(json!({"aud": "app"}))), "algorithm_refused");

    let typed = format!("{BY_CLIENT_ID}, types: [at+jwt]");
    let bed = two_entries(BY_AUD, &typed);
    assert_eq!(caller(&bed, json!({"client_id": "app"})), "type_refused");
    assert_eq!(caller(&bed, json!({"aud": "app"})), "first:alice");
}

/// The grant names the entry: an ID token is not worth what an access token of the same client and user is.
#[test]
fn rejects_an_id_token_where_the_access_tokens_entry_is_granted() {
    let document = CONFIG.replacen(
        "  partner:\n",
        &format!("  id: {{kind: jwt, issuer: \"https://partner.example.net\", {BY_AUD}}}\n  partner:\n"),
        1,
    );
    let bed = Bed::with(&document.replacen(
        "EdDSA], jwks: {file: jwks.json}",
        "EdDSA], jwks: {file: partner.json}",
        1,
    ));
    let signed = |mut claims: Value| {
        claims["iss"] = "https://partner.example.net".into();
        claims["exp"] = (NOW + 600).into();
        claims["user"] = json!({"name": "alice"});
        keys().partner(&json!({"alg": "EdDSA"}), &claims)
    };
    assert_eq!(bed.code_for(&signed(json!({"client_id": "orders-api"}))), "allowed");
    assert_eq!(bed.code_for(&signed(json!({"aud": "app", "sub": "alice"}))), "no_grant");
    assert_eq!(bed.code_for(&signed(json!({"aud": "orders-api", "sub": "alice"}))), "audience_mismatch");
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

/// The keys came, and by then the token was over: also where no Vault token would end with it.
#[tokio::test]
async fn rejects_a_token_that_ends_while_its_issuers_keys_are_fetched() {
    let clock = Arc::new(OnceLock::<Arc<SetClock>>::new());
    let (slow, jwks) = (Arc::clone(&clock), keys().jwks().to_string());
    let server = Server::start(move |_| {
        slow.get().unwrap().forward_seconds(3);
        (200, jwks.clone())
    })
    .await;
    let bed =
        Bed::with(&CONFIG.replacen("{file: jwks.json}", &format!("{{uri: \"{}/keys\"}}", server.url), 1));
    clock.set(Arc::clone(&bed.clock)).ok().unwrap();
    let status = event_on(&token_with(json!({"exp": NOW + 2})), "prod", "GET", "/status");
    assert_eq!(bed.code_of(&status).await, "token_expired");
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
fn leeway_and_types_are_the_issuers_own() {
    let own = "leeway: 0s\n    types: [dpop+jwt]\n    max_age: 1h";
    let bed = Bed::with(&CONFIG.replacen("max_age: 1h", own, 1));
    let code = |typ: &str, iat: u64| {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        bed.code_for(&keys().ed25519(&header, &claims_with(json!({"iat": iat}))))
    };
    assert_eq!(code("dpop+jwt", NOW), "allowed");
    assert_eq!(code("dpop+jwt", NOW + 1), "token_not_yet_valid");
    assert_eq!(code("JWT", NOW), "type_refused");
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
        ["a\r\nX-Vault-Context-Grant: admin", "a\u{0}", "al\u{e9}", "a\u{202e}b", " ", &"a".repeat(257)]
    {
        refused(&token_with(json!({"sub": sub})), "identity_value_refused");
    }
    assert_eq!(
        message(&token_with(json!({"sub": "al\u{e9}"}))),
        "the caller's name, the claim `sub`, must be printable ASCII without a space at its end"
    );
    assert_eq!(
        message(&token_with(json!({"sub": "a".repeat(257)}))),
        "the caller's name, the claim `sub`, has 257 bytes, and at most 256 are accepted"
    );
    // OpenID Connect Core, section 2: at most 255 ASCII characters. The issuer's name is not the provider's.
    accepted(&token_with(json!({"sub": "a".repeat(255)})));
    accepted(&token_with(json!({"sub": "Alice Example <alice@example.com>"})));
}

/// RFC 9449 (`jkt`) and RFC 8705 (`x5t#S256`): whoever stole it lacks the key, and so must not have more than the key's holder.
#[test]
fn rejects_a_stolen_sender_constrained_token_that_is_sent_as_a_plain_bearer() {
    let bed = Bed::with(&CONFIG.replacen("max_age: 1h", "max_age: 1h\n    binding: {require: none}", 1));
    for cnf in [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"kid": "k"}),
        json!({}),
        json!([]),
        json!(""),
        json!(0),
        json!(false),
    ] {
        let token = token_with(json!({"cnf": cnf}));
        refused(&token, "binding_missing");
        assert_eq!(bed.code_for(&token), "binding_missing", "{cnf}");
    }
    let bound = token_with(json!({"cnf": {"jkt": "x"}}));
    assert_eq!(
        message(&bound),
        "the token is sender-constrained: its `cnf` binds it to a key that its sender must prove to hold (RFC 9449, RFC \
         8705), which is not supported yet. Issue it without `cnf`, or set `issuers.corp.binding: {verify: elsewhere}` if \
         something in front of the API verifies the proof"
    );
    // Nothing is read of a token that nobody signed.
    let (signed, _) = bound.rsplit_once('.').unwrap();
    refused(&format!("{signed}.{}", b64(&[0; 64])), "signature_invalid");
}

#[test]
fn a_token_whose_binding_is_verified_elsewhere_or_that_has_none_is_accepted() {
    let elsewhere =
        Bed::with(&CONFIG.replacen("max_age: 1h", "max_age: 1h\n    binding: {verify: elsewhere}", 1));
    assert_eq!(elsewhere.code_for(&token_with(json!({"cnf": {"jkt": "x"}}))), "allowed");
    assert_eq!(elsewhere.code_for(&good_token()), "allowed");
    let null = claims().to_string().replacen('{', r#"{"cnf":null,"#, 1);
    accepted(&keys().ed25519_raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &null));
}

fn message(token: &str) -> String {
    Bed::new().line(&event(token))["message"].as_str().unwrap().to_owned()
}

/// What the token has and what is configured. Whoever sends it chooses the first, and neither log nor terminal obeys it.
#[test]
fn a_refused_token_is_told_with_what_it_has_and_what_is_configured() {
    let hostile = "`x`\u{1b}[2J\r\n\u{202e}";
    let harmless = "`\\u{60}x\\u{60}\\u{1b}[2J\\u{d}\\u{a}\\u{202e}`";
    let header = |name: &str, value: Value| {
        let mut header = json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"});
        header[name] = value;
        message(&token_with_header(header))
    };
    let issuers =
        "and the configured issuers are `https://login.example.com/`, `https://partner.example.net`";
    for (told, expected) in [
        (
            message(&token_with(json!({"iss": "https://login.example.com"}))),
            format!("the token's `iss` is `https://login.example.com`, {issuers}"),
        ),
        (message(&token_with(json!({"iss": hostile}))), format!("the token's `iss` is {harmless}, {issuers}")),
        (
            message(&token_with(json!({"iss": "i".repeat(5000)}))),
            format!("the token's `iss` is `{}...`, {issuers}", "i".repeat(128)),
        ),
        (
            header("alg", json!("HS256")),
            "the token's `alg` is `HS256`, and `issuers.corp.algorithms` has `RS256`, `ES256`, `EdDSA`".to_owned(),
        ),
        (
            header("alg", json!(7)),
            "the token's `alg` is not text, and `issuers.corp.algorithms` has `RS256`, `ES256`, `EdDSA`".to_owned(),
        ),
        (
            header("alg", json!(hostile)),
            format!("the token's `alg` is {harmless}, and `issuers.corp.algorithms` has `RS256`, `ES256`, `EdDSA`"),
        ),
        (
            header("typ", json!("Refresh")),
            "the token's `typ` is `Refresh`, and `issuers.corp.types` has `JWT`, `at+jwt`".to_owned(),
        ),
        (
            header("typ", json!(hostile)),
            format!("the token's `typ` is {harmless}, and `issuers.corp.types` has `JWT`, `at+jwt`"),
        ),
        (
            message(&token_with(json!({"aud": ["billing", hostile]}))),
            format!("the token's `aud` is `billing`, {harmless}, and the `audiences` of the issuer are `orders-api`"),
        ),
        (
            message(&token_with(json!({"aud": []}))),
            "the token's `aud` is empty, and the `audiences` of the issuer are `orders-api`".to_owned(),
        ),
        (
            message(&token_with(json!({"aud": (0..100).map(|n| n.to_string()).collect::<Vec<_>>()}))),
            "the token's `aud` is `0`, `1`, `2`, `3`, `4`, `5`, `6`, `7` and 92 more, and the `audiences` of the issuer are \
             `orders-api`"
                .to_owned(),
        ),
    ] {
        assert_eq!(told, expected);
    }
    let narrow = event_on(&good_token(), "narrow", "GET", "/status");
    assert_eq!(
        Bed::new().line(&narrow)["message"],
        "the token's `aud` is `orders-api`, and the `audiences` of the stage are `orders-api-narrow`"
    );
}

#[test]
fn a_claim_that_is_absent_is_told_from_one_that_is_something_else() {
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        message(&keys().ed25519(&json!({"alg": "EdDSA", "kid": "ed"}), &claims))
    };
    const TIME: &str = "it must be seconds since 1970, a number from 0 to 2^53";
    assert_eq!(without("iss"), "the token's claim `iss` is absent, and it must be text");
    assert_eq!(without("exp"), format!("the token's claim `exp` is absent, and {TIME}"));
    assert_eq!(without("iat"), format!("the token's claim `iat` is absent, and {TIME}"));
    assert_eq!(without("aud"), "the token's claim `aud` is absent, and it must be text or a list of texts");
    assert_eq!(
        without("sub"),
        "the token's claim `sub` is absent, and it must be text, since it names the caller"
    );
    for (claim, value, found) in [
        ("exp", json!("never"), "text"),
        ("exp", json!(1e300), "a number"),
        ("nbf", json!(-1), "a number"),
        ("iat", json!([]), "a list"),
    ] {
        assert_eq!(
            message(&token_with(json!({claim: value}))),
            format!("the token's claim `{claim}` is {found}, and {TIME}")
        );
    }
    assert_eq!(
        message(&token_with(json!({"sub": ""}))),
        "the token's claim `sub` is empty, and it must be text, since it names the caller"
    );
}

#[test]
fn a_malformed_token_is_told_with_the_part_and_the_member() {
    let told = |header: &str, claims: &str| message(&keys().ed25519_raw(header, claims));
    let good = r#"{"alg":"EdDSA","kid":"ed"}"#;
    for (told, expected) in [
        (message("a.b"), "it must have three parts with dots between them"),
        (message("a.b.c"), "each of its parts must be base64url without padding"),
        (told(good, r#"{"sub":"a","sub":"b"}"#), "the claims must not have `sub` twice"),
        (told(r#"{"alg":"EdDSA","alg":"none"}"#, "{}"), "the header must not have `alg` twice"),
        (told(good, "[]"), "the claims must be a JSON object"),
        (told("\"x\"", "{}"), "the header must be a JSON object"),
        (told(good, r#"{"exp":1e999}"#), "the claims must be JSON: number out of range at line 1 column 12"),
        (told(r#"{"alg":"EdDSA","crit":["b64"]}"#, "{}"), "the header has `crit` or `b64`"),
    ] {
        assert_eq!(told, format!("the token is malformed: {expected}"));
    }
}

/// RFC 7519, section 2: a NumericDate is a JSON number. None of these is read as another time than every other reader has.
#[test]
fn rejects_a_time_that_two_readers_take_for_different_ones() {
    let code = |claim: &str, time: &str| {
        let claims = claims_with(json!({claim: 0})).to_string();
        let claims = claims.replacen(&format!("\"{claim}\":0"), &format!("\"{claim}\":{time}"), 1);
        Bed::new().code_for(&keys().ed25519_raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &claims))
    };
    for (time, expected) in [
        ("18446744073709551615", "allowed"),
        ("18446744073709551616", "claim_missing"),
        ("1e30", "claim_missing"),
        ("1e999", "credential_malformed"),
        ("0x6B49D200", "credential_malformed"),
        ("1800000600.9", "allowed"),
        ("1.8000006e9", "allowed"),
        ("1800000000.9", "token_expired"),
        ("-0", "token_expired"),
        ("-1800000600", "claim_missing"),
    ] {
        assert_eq!(code("exp", time), expected, "exp {time}");
    }
    for claim in ["nbf", "iat"] {
        assert_eq!(code(claim, "18446744073709551615"), "token_not_yet_valid");
        assert_eq!(code(claim, "18446744073709551616"), "claim_missing");
    }
}

#[test]
fn rejects_claims_that_imitate_an_iam_identity() {
    let token = token_with(json!({"sub": "arn:aws:iam::123456789012:role/admin",
        "arn": "arn:aws:iam::123456789012:role/admin", "callerKind": "aws_identity"}));
    let line = Bed::new().line(&event(&token));
    assert_eq!(line["caller_kind"], "jwt");
    assert_eq!(line["caller_id"], "corp:arn:aws:iam::123456789012:role/admin");
}

/// The keys of every algorithm, signed once: what a changed bit is changed in.
fn one_token_of_each_algorithm() -> &'static [String] {
    static TOKENS: OnceLock<Vec<String>> = OnceLock::new();
    let token = |(algorithm, kid): (&str, &str)| keys().token(algorithm, &header(algorithm, kid), &claims());
    TOKENS.get_or_init(|| ALGORITHMS.map(token).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rejects_a_token_with_any_bit_flipped(which in 0..ALGORITHMS.len(), byte in any::<prop::sample::Index>(), bit in 0..7) {
        let token = &one_token_of_each_algorithm()[which];
        let mut flipped = token.clone().into_bytes();
        let at = byte.index(flipped.len());
        flipped[at] ^= 1u8 << bit;
        let flipped = String::from_utf8(flipped).unwrap();
        let code = ALL.with(|bed| bed.code_for(&flipped));
        prop_assert!(REFUSALS.contains(&code.as_str()), "{code}: {flipped}");
    }

    #[test]
    fn a_token_of_any_text_is_refused_with_a_code(text in "[ -~]{0,200}") {
        let code = ALL.with(|bed| bed.code_for(&text));
        prop_assert!(REFUSALS.contains(&code.as_str()), "{code}: {text}");
    }

    #[test]
    fn a_token_of_any_three_parts_is_refused_with_a_code(
        header in "\\{(\"(alg|kid|typ|crit|x)\":(\"(EdDSA|ed|JWT|none)\"|null|7|\\[\\]),?){0,4}\\}",
        claims in "\\{?(\"(iss|sub|exp)\":(\"https://login.example.com/\"|9e999|null|-0|\\{\\}),?){0,3}\\}?",
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()), b64(&signature));
        let code = ALL.with(|bed| bed.code_for(&token));
        prop_assert!(REFUSALS.contains(&code.as_str()), "{code}: {header} {claims}");
    }
}

/// What a credential that was tampered with may be refused with: always the credential, never a fault.
const REFUSALS: [&str; 10] = [
    "credential_missing",
    "credential_duplicate",
    "credential_malformed",
    "scheme_unsupported",
    "issuer_unknown",
    "algorithm_refused",
    "type_refused",
    "key_unknown",
    "signature_invalid",
    "claim_missing",
];
