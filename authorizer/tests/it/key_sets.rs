//! JWK sets: which keys of a set can verify, and which sets are none. Each by what a provider, or who sits in its place,
//! could publish.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use vault_authorizer::identity::jwt::{InvalidKeySet, KeySet};

use crate::support::*;

/// How many keys of a set with this one key can verify.
fn usable(jwk: &Value) -> Result<usize, InvalidKeySet> {
    KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).map(|keys| keys.len())
}

#[test]
fn rejects_a_weak_rsa_key_and_a_set_without_a_usable_key() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        bytes[0] = 0x80;
        b64(&bytes)
    };
    let rsa = |n: String, e: &str| json!({"kty": "RSA", "n": n, "e": e});
    assert_eq!(usable(&rsa(modulus(2048), "AQAB")), Ok(1));
    let weak =
        [modulus(1024), modulus(2040), b64(&[&[0u8; 128][..], &[0xff; 128][..]].concat()), modulus(8200)];
    for n in weak {
        assert_eq!(usable(&rsa(n, "AQAB")), Err(InvalidKeySet::NoUsableKey));
    }
    for e in ["", "AQ", "Aw", "AQAA", "AQABAQABAQAB"] {
        assert_eq!(usable(&rsa(modulus(2048), e)), Err(InvalidKeySet::NoUsableKey), "{e}");
    }
    assert!(matches!(KeySet::parse(b"<html>"), Err(InvalidKeySet::NotAKeySet)));
    assert!(matches!(KeySet::parse(b"{}"), Err(InvalidKeySet::NotAKeySet)));
    assert!(matches!(KeySet::parse(br#"{"keys": {}}"#), Err(InvalidKeySet::NotAKeySet)));
    assert!(matches!(KeySet::parse(br#"{"keys": []}"#), Err(InvalidKeySet::NoUsableKey)));
    assert!(matches!(KeySet::parse(&vec![b' '; 300_000]), Err(InvalidKeySet::TooLarge)));
    let many = json!({"keys": vec![json!({}); 129]}).to_string();
    assert!(matches!(KeySet::parse(many.as_bytes()), Err(InvalidKeySet::TooManyKeys)));
}

/// Each key of the good set, with what makes it unusable.
#[test]
fn rejects_a_key_that_is_not_a_public_key_for_signatures() {
    for (_, kid) in ALGORITHMS.iter().skip(5) {
        let jwk = |changes: Value| usable(&changed(&published(kid), &changes));
        assert_eq!(jwk(json!({})), Ok(1), "{kid}");
        assert_eq!(
            jwk(json!({"use": "sig", "key_ops": ["verify"], "kid": null, "alg": null})),
            Ok(1),
            "{kid}"
        );
        assert_eq!(jwk(json!({"key_ops": ["sign", "verify"], "x5c": ["AAAA"], "ext": true})), Ok(1), "{kid}");
        for unusable in [
            json!({"use": "enc"}),
            json!({"use": "SIG"}),
            json!({"use": ["sig"]}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": []}),
            json!({"key_ops": "verify"}),
            json!({"alg": "HS256"}),
            json!({"alg": "none"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": ""}),
            json!({"alg": 7}),
            json!({"kid": 7}),
            json!({"kty": "oct"}),
            json!({"kty": "AKP"}),
            json!({"kty": null}),
            json!({"crv": "P-224"}),
            json!({"crv": "secp256k1"}),
            json!({"crv": "Ed448"}),
            json!({"crv": "X25519"}),
            json!({"crv": 7}),
            json!({"d": "AQAB"}),
            json!({"p": "AQAB"}),
            json!({"k": "AQAB"}),
        ] {
            assert_eq!(jwk(unusable.clone()), Err(InvalidKeySet::NoUsableKey), "{kid} with {unusable}");
        }
    }
    for unusable in [
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": b64(&[1; 57])}),
        json!({"kty": "OKP", "crv": "X25519", "x": b64(&[9; 32])}),
        json!("key"),
        json!(null),
        json!([]),
    ] {
        assert_eq!(usable(&unusable), Err(InvalidKeySet::NoUsableKey), "{unusable}");
    }
}

#[test]
fn rejects_a_key_whose_numbers_have_another_size_or_form() {
    for (kid, member) in [
        ("ec", "x"),
        ("ec", "y"),
        ("ec384", "x"),
        ("ec384", "y"),
        ("ec521", "x"),
        ("ec521", "y"),
        ("ed", "x"),
    ] {
        let jwk = published(kid);
        let good = jwk[member].as_str().unwrap().to_owned();
        let number = URL_SAFE_NO_PAD.decode(&good).unwrap();
        let with = |value: Value| {
            let mut jwk = jwk.clone();
            jwk[member] = value;
            usable(&jwk)
        };
        assert_eq!(with(json!(good)), Ok(1), "{kid}");
        for other in [
            json!(b64(&number[1..])),
            json!(b64(&[&[0], &number[..]].concat())),
            json!(format!("{good}=")),
            json!(format!("{good} ")),
            json!(format!("{good}\n")),
            json!(""),
            json!(null),
            json!(number),
        ] {
            assert_eq!(with(other.clone()), Err(InvalidKeySet::NoUsableKey), "{kid}: {member} {other}");
        }
    }
    let swapped = |kid: &str, crv: &str| {
        let mut jwk = published(kid);
        jwk["crv"] = json!(crv);
        jwk["alg"] = json!(match crv {
            "P-256" => "ES256",
            "P-384" => "ES384",
            _ => "ES512",
        });
        usable(&jwk)
    };
    for (kid, own) in [("ec", "P-256"), ("ec384", "P-384"), ("ec521", "P-521")] {
        for crv in ["P-256", "P-384", "P-521"] {
            let expected = if crv == own { Ok(1) } else { Err(InvalidKeySet::NoUsableKey) };
            assert_eq!(swapped(kid, crv), expected, "{kid} as {crv}");
        }
    }
}

#[test]
fn rejects_a_key_set_with_a_member_twice() {
    let good = keys().rsa_public_jwk().to_string();
    let set = |jwk: &str| KeySet::parse(format!(r#"{{"keys": [{jwk}]}}"#).as_bytes()).map(|keys| keys.len());
    assert_eq!(set(&good), Ok(1));
    assert_eq!(set(&good.replacen('{', r#"{"kid":"another","#, 1)), Err(InvalidKeySet::NotAKeySet));
    let two_lists = format!(r#"{{"keys": [{good}], "keys": [{good}]}}"#);
    assert!(matches!(KeySet::parse(two_lists.as_bytes()), Err(InvalidKeySet::NotAKeySet)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_key_set_of_any_bytes_is_refused(document in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(KeySet::parse(&document).is_err());
    }

    #[test]
    fn a_damaged_key_set_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut document = keys().jwks().to_string().into_bytes();
        let at = at.index(document.len());
        document[at] = byte;
        let usable = KeySet::parse(&document).map_or(0, |keys| keys.len());
        // One more than is usable: the key for encryption, where the damage is in its `use`.
        prop_assert!(usable <= 6, "{usable}");
    }
}
