//! Algorithms, keys and signatures.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The good set with its RSA key changed.
fn jwks_with_rsa(changes: &Value) -> Value {
    let mut jwks = keys().jwks();
    let rsa = jwks["keys"].as_array_mut().unwrap().iter_mut().find(|jwk| jwk["kid"] == "rsa").unwrap();
    *rsa = changed(rsa, changes);
    jwks
}

/// Of a token that says one algorithm and key, and was signed by another.
fn code_of(said: &str, kid: &str, made: &str) -> String {
    code_of_all(&keys().token(made, &header(said, kid), &claims()))
}

#[test]
fn every_algorithm_of_the_issuer_is_accepted() {
    for (algorithm, kid) in ALGORITHMS {
        assert_eq!(code_of(algorithm, kid, algorithm), "allowed", "{algorithm}");
    }
}

/// One RSA key serves six algorithms; a signature of one of them is none of another.
#[test]
fn rejects_a_signature_that_another_algorithm_made_with_the_same_key() {
    let (rsa, _) = ALGORITHMS.split_at(6);
    for (made, _) in rsa {
        for (said, kid) in rsa.iter().filter(|(said, _)| said != made) {
            assert_eq!(code_of(said, kid, made), "signature_invalid", "{made} as {said}");
        }
    }
}

#[test]
fn rejects_a_signature_of_another_type_of_key() {
    for (said, kid) in ALGORITHMS {
        for (made, other) in ALGORITHMS.iter().filter(|(_, other)| *other != kid) {
            assert_eq!(code_of(said, kid, made), "signature_invalid", "{made} as {said}");
            assert_eq!(code_of(said, other, made), "key_unknown", "{said} with the key `{other}`");
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
fn rejects_an_algorithm_that_the_issuer_does_not_list() {
    assert!(published("rsa").get("alg").is_none(), "the key alone would serve it");
    let token = |algorithm, kid| keys().token(algorithm, &header(algorithm, kid), &claims());
    let public = keys().rsa_public_jwk().to_string();
    let partners = claims_with(json!({"iss": PARTNER, "client_id": "orders-api"}));
    for (attack, token) in [
        ("PS256 with a key without `alg`", token("PS256", "rsa")),
        ("RS512 with a key without `alg`", token("RS512", "rsa")),
        ("ES384", token("ES384", "ec384")),
        ("the public key as HMAC secret", hs256(public.as_bytes(), &header("HS256", "rsa"), &claims())),
        ("one that another issuer may use", keys().rs256(&header("RS256", "rsa"), &partners)),
    ] {
        assert_eq!(code(&token), "algorithm_refused", "{attack}");
    }
}

#[test]
fn rejects_none_in_all_spellings() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        refused(&sign(&header(alg, "ed"), &claims(), |_| Vec::new()), "algorithm_refused");
    }
    let spellings = json!(["none", "None", "NONE", "nOnE", "", null, ["EdDSA"], {"EdDSA": 1}, 7]);
    member_gets("algorithm_refused", "alg", spellings);
    let null = keys().ed25519(&json!({"alg": null, "kid": "ed"}), &claims());
    refused(&null, "algorithm_refused");
}

#[test]
fn rejects_a_stripped_zero_or_foreign_signature() {
    let token = good_token();
    let (message, _) = token.rsplit_once('.').unwrap();
    for signature in [vec![], vec![0; 64], vec![0; 63]] {
        refused(&format!("{message}.{}", b64(&signature)), "signature_invalid");
    }
    for header in [header("EdDSA", "ed"), json!({"alg": "EdDSA"})] {
        refused(&keys().partner(&header, &claims()), "signature_invalid");
    }
    refused(&sign(&header("ES256", "ec"), &claims(), |_| vec![0; 64]), "signature_invalid");
}

/// `r = s = 0` verified for every message in some implementations (CVE-2022-21449).
#[test]
fn rejects_ecdsa_with_a_zero_of_another_length_or_in_der() {
    for (algorithm, kid, size) in [("ES256", "ec", 32), ("ES384", "ec384", 48)] {
        let code = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            let made = |message: &[u8]| change(keys().signature(algorithm, message));
            code_of_all(&sign(&header(algorithm, kid), &claims(), made))
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
        assert_eq!(code_of(algorithm, kid, &format!("{algorithm} in DER")), "signature_invalid");
    }
}

#[test]
fn rejects_an_rsa_signature_of_another_length() {
    for algorithm in ["RS256", "PS256"] {
        let code = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            let made = |message: &[u8]| change(keys().signature(algorithm, message));
            code_of_all(&sign(&header(algorithm, "rsa"), &claims(), made))
        };
        for cut in [1, 128, 255, 256] {
            assert_eq!(code(&|made| made[cut..].to_vec()), "signature_invalid", "{algorithm}, {cut} less");
        }
        assert_eq!(code(&|made| [&[0], &made[..]].concat()), "signature_invalid");
    }
}

/// The key of RFC 7515, appendix A.4. Nothing here verifies on its curve, so it must serve no other algorithm.
#[test]
fn rejects_es512_and_serves_the_other_keys_of_its_set() {
    let mut jwks = keys().jwks();
    let ec521 = json!({
        "kty": "EC", "crv": "P-521", "kid": "ec521", "alg": "ES512",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    jwks["keys"].as_array_mut().unwrap().insert(0, ec521);
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
    member_gets("key_unknown", "kid", json!(["ec", "nobody"]));
    refused(&keys().rs256(&header("RS256", "enc"), &claims()), "key_unknown");
}

#[test]
fn a_token_without_kid_is_served_where_one_key_fits() {
    accepted(&token_with_header(json!({"kid": null})));
    for (algorithm, _) in ALGORITHMS {
        let token = keys().token(algorithm, &json!({"alg": algorithm}), &claims());
        assert_eq!(code_of_all(&token), "allowed", "{algorithm}");
    }
}

#[test]
fn rejects_a_token_without_kid_where_two_keys_fit() {
    let second = json!({"n": other_modulus(), "kid": "rsa-2", "alg": "RS256"});
    let bed = Bed::with_keys(&jwks_and([changed(&keys().rsa_public_jwk(), &second)]));
    let code = |algorithm, header| bed.code_for(&keys().token(algorithm, &header, &claims()));
    assert_eq!(code("RS256", json!({"alg": "RS256"})), "key_unknown");
    assert_eq!(code("RS256", json!({"alg": "RS256", "kid": "rsa"})), "allowed");
    assert_eq!(code("RS384", json!({"alg": "RS384"})), "allowed", "the second key is for RS256 alone");
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

#[test]
fn ed25519_and_eddsa_are_one_algorithm_in_tokens_configuration_and_keys() {
    for configured in ["EdDSA", "Ed25519", "EdDSA, Ed25519"] {
        let bed = Bed::of(document().corp(&format!("algorithms: [{configured}]")));
        let code = |alg| bed.code_for(&token_with_header(json!({"alg": alg})));
        assert_eq!(["EdDSA", "Ed25519", "Ed448"].map(code), ["allowed", "allowed", "algorithm_refused"]);
    }
    refused(&keys().rs256(&header("Ed25519", "rsa"), &claims()), "key_unknown");
}

/// The attacker's key is a good one, is embedded, and is served where the header points.
#[tokio::test]
async fn rejects_an_embedded_key_and_every_pointer_to_one() {
    let attacker = Keys::generate();
    let mut jwk = attacker.jwks()["keys"].as_array().unwrap().last().unwrap().clone();
    let bed = Bed::new();
    for (kid, code) in [("ed", "signature_invalid"), ("attackers", "key_unknown")] {
        jwk["kid"] = kid.into();
        let server = Server::giving(Reply::new(200, json!({"keys": [jwk]}).to_string())).await;
        let (jku, x5u) = (format!("{}/jwks", server.url), format!("{}/cert", server.url));
        let header = json!({"kid": kid, "jwk": jwk, "jku": jku, "x5u": x5u, "x5c": [jwk["x"]]});
        let token = attacker.ed25519(&header_with(header), &claims());
        let trusting = Bed::with_keys(&json!({"keys": [jwk]}));
        assert_eq!(trusting.code_of(&event(&token)).await, "allowed", "it is the key that is not trusted");
        assert_eq!(bed.code_of(&event(&token)).await, code, "{kid}");
        assert_eq!(server.asked(), Vec::<String>::new());
    }
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
        let code = code_of_all(&flipped);
        prop_assert!(form::REFUSALS.contains(&code.as_str()), "{code}: {flipped}");
    }
}
