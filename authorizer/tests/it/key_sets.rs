//! JWK sets: which keys of a set can verify, and which sets are invalid. Each case is something that a provider, or
//! an attacker in its place, could publish.

use authorizer_steps::identity::jwt::{Algorithm, InvalidKeySet, KeySet, Unusable};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::*;

fn set(jwks: &[Value]) -> Result<KeySet, InvalidKeySet> {
    KeySet::parse(json!({"keys": jwks}).to_string().as_bytes())
}

/// How many keys of a set with this one key can verify, or why it cannot.
fn usable(jwk: &Value) -> Result<usize, Unusable> {
    match set(std::slice::from_ref(jwk)) {
        Ok(keys) => Ok(keys.len()),
        Err(InvalidKeySet::NoUsableKey(unusable)) => Err(unusable[0].why().clone()),
        Err(other) => panic!("{other}"),
    }
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
    // Every other size and exponent is tried beside the type.
    assert_eq!(usable(&rsa(modulus(2040), "AQAB")), Err(Unusable::Rsa { bits: 2040 }));
    assert_eq!(usable(&rsa(modulus(2048), "Aw")), Err(Unusable::Rsa { bits: 2048 }), "an exponent of 3");
    for no_set in ["<html>", "{}", r#"{"keys": {}}"#] {
        assert_matches!(KeySet::parse(no_set.as_bytes()), Err(InvalidKeySet::NotAKeySet));
    }
    assert_matches!(KeySet::parse(br#"{"keys": []}"#), Err(InvalidKeySet::NoUsableKey(none)) if none.is_empty());
    assert!(matches!(KeySet::parse(&vec![b' '; 300_000]), Err(InvalidKeySet::TooLarge)));
    let many = json!({"keys": vec![json!({}); 129]}).to_string();
    assert!(matches!(KeySet::parse(many.as_bytes()), Err(InvalidKeySet::TooManyKeys)));
}

/// Keys of the good set, members changed in each, and what makes it unusable then.
fn changed_keys([kids, changes, expected]: [&str; 3]) {
    for kid in kids.split(' ') {
        let mut jwk = published(kid);
        let members: Map<String, Value> = serde_json::from_str(changes).unwrap();
        jwk.as_object_mut().unwrap().extend(members);
        let found = usable(&jwk).map_or_else(|why| format!("{why:?}"), |_| "usable".to_owned());
        assert_eq!(found, expected, "{kid} with {changes}");
    }
}

tests_of_table! {
    include_str!("golden/key_sets.txt"), changed_keys {
        fn rejects_a_key_that_is_not_a_public_key_for_signatures();
        /// Providers that write each key with one record leave such members behind.
        fn null_is_absent_and_what_a_key_type_does_not_define_is_ignored();
    }
}

#[test]
fn rejects_what_is_no_key_of_a_kind_that_can_verify() {
    for (unusable, why) in [
        (json!({"kty": "oct", "k": "c2VjcmV0"}), Unusable::Type("oct".to_owned())),
        (json!({"kty": "OKP", "crv": "Ed448", "x": b64(&[1; 57])}), Unusable::Curve("Ed448".to_owned())),
        (json!({"kty": "OKP", "crv": "X25519", "x": b64(&[9; 32])}), Unusable::Curve("X25519".to_owned())),
        (json!("key"), Unusable::NotAnObject),
        (json!(null), Unusable::NotAnObject),
        (json!([]), Unusable::NotAnObject),
    ] {
        assert_eq!(usable(&unusable), Err(why), "{unusable}");
    }
    for kid in ALGORITHMS[5..].iter().map(|(_, kid)| kid) {
        assert_eq!(usable(&published(kid)), Ok(1), "{kid}");
    }
}

#[test]
fn ed25519_and_eddsa_are_one_algorithm() {
    for alg in ["Ed25519", "EdDSA"] {
        assert_eq!(usable(&changed(&published("ed"), &json!({"alg": alg}))), Ok(1));
        let other = usable(&changed(&published("rsa"), &json!({"alg": alg})));
        assert_eq!(other, Err(Unusable::OtherType(Algorithm::EDDSA)));
    }
}

/// GitHub Enterprise Server lists its key twice.
#[test]
fn the_same_key_twice_is_one_key() {
    let rsa = published("rsa");
    let keys = set(&[rsa.clone(), rsa.clone(), changed(&rsa, &json!({"alg": "RS256"}))]).unwrap();
    assert_eq!((keys.len(), keys.ambiguous_kids(&Algorithm::ALL)), (1, Vec::new()));
    let other = changed(&rsa, &json!({"n": other_modulus()}));
    let keys = set(&[rsa.clone(), other]).unwrap();
    assert_eq!((keys.len(), keys.ambiguous_kids(&Algorithm::ALL)), (2, vec!["rsa".to_owned()]));
    let keys = set(&[rsa, changed(&published("ed"), &json!({"kid": "rsa"}))]).unwrap();
    let ambiguous = keys.ambiguous_kids(&Algorithm::ALL);
    assert_eq!((keys.len(), ambiguous), (2, Vec::new()), "the algorithm tells them apart");
}

#[test]
fn keys_are_counted_by_algorithm() {
    let keys = KeySet::parse(keys().jwks().to_string().as_bytes()).unwrap();
    let count = |algorithms: &[Algorithm]| keys.serving(algorithms);
    assert_eq!([count(&[Algorithm::RS256]), count(&[Algorithm::ES384]), count(&[])], [1, 1, 0]);
    assert_eq!(count(&[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256]), 2);
    assert_eq!(count(&Algorithm::ALL), keys.len());
    let limited = set(&[changed(&published("rsa"), &json!({"alg": "RS256"}))]).unwrap();
    assert_eq!([Algorithm::RS256, Algorithm::PS256].map(|one| limited.serving(&[one])), [1, 0]);
}

#[test]
fn a_set_without_a_usable_key_names_what_it_has() {
    let reason = |jwks: &[Value]| set(jwks).unwrap_err().to_string();
    assert_eq!(reason(&[]), "the JWK set has no key that can verify: it is empty");
    let ed448 = json!({"kty": "OKP", "crv": "Ed448", "kid": "ed448\n\u{202e}", "x": b64(&[1; 57])});
    assert_eq!(
        reason(&[ed448.clone(), json!(7)]),
        "the JWK set has no key that can verify: `ed448\\u{a}\\u{202e}`: its `crv` `Ed448` is not supported; P-256, P-384 \
         and Ed25519 are; a key without `kid`: it is not a JSON object"
    );
    assert!(reason(&vec![ed448; 128]).ends_with("; and 125 more"));
}

#[test]
fn rejects_a_key_whose_numbers_are_missing_or_have_another_size_or_form() {
    for (kid, member) in
        [("rsa", "n"), ("rsa", "e"), ("ec", "x"), ("ec", "y"), ("ec384", "x"), ("ec384", "y"), ("ed", "x")]
    {
        let jwk = published(kid);
        let good = jwk[member].as_str().unwrap().to_owned();
        let number = URL_SAFE_NO_PAD.decode(&good).unwrap();
        let with = |value: Value| {
            let mut jwk = jwk.clone();
            jwk[member] = value;
            usable(&jwk)
        };
        assert_eq!(with(json!(good)), Ok(1), "{kid}");
        assert_eq!(usable(&changed(&jwk, &json!({member: null}))), Err(Unusable::Missing(member)), "{kid}");
        for (other, why) in [
            (json!(null), Unusable::Missing(member)),
            (json!(7), Unusable::NotText(member)),
            (json!(number), Unusable::NotText(member)),
            (json!("="), Unusable::NotBase64(member)),
        ] {
            assert_eq!(with(other.clone()), Err(why), "{kid}: {member} {other}");
        }
        for other in [format!("{good}="), format!("{good} "), format!("{good}\n"), String::new()] {
            assert!(with(json!(other)).is_err(), "{kid}: {member} {other}");
        }
        for other in [&number[1..], &[&[0], &number[..]].concat()] {
            assert!(kid == "rsa" || with(json!(b64(other))).is_err(), "{kid}: {member} {other:?}");
        }
    }
    for (kid, own) in [("ec", "P-256"), ("ec384", "P-384")] {
        for (crv, alg) in [("P-256", "ES256"), ("P-384", "ES384")] {
            let expected = if crv == own { Ok(1) } else { Err(Unusable::Point) };
            let swapped = changed(&published(kid), &json!({"crv": crv, "alg": alg}));
            assert_eq!(usable(&swapped), expected, "{kid} as {crv}");
        }
    }
}

/// The crate looks at a point with each signature alone.
#[test]
fn rejects_a_key_off_its_curve_when_the_set_is_read_and_serves_the_others() {
    let good = published("ec");
    let off_curve = changed(&good, &json!({"kid": "off", "y": good["x"]}));
    let keys = set(&[off_curve, good]).unwrap();
    assert_eq!(keys.len(), 1);
    let [unusable] = keys.unusable() else { panic!("{:?}", keys.unusable()) };
    assert_eq!((unusable.kid(), unusable.why()), (Some("off".to_owned()), &Unusable::Point));
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
        prop_assert!(usable <= 5, "{usable}");
    }
}
