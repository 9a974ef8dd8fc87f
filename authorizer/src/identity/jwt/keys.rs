//! The keys an issuer publishes: a JWK set (RFC 7517, section 5) as far as it can verify.
//!
//! Receives the provider's document, bounded; produces the keys that fit an algorithm of ours. A key that does not is
//! left out and never fails the set, since a provider may publish keys for other purposes beside it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::Algorithm;

/// The largest JWK set read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The most keys of a set that are considered.
const MAX_KEYS: usize = 128;

/// 2048 bits, as RFC 7518 section 3.3 demands.
const MIN_RSA_MODULUS_BYTES: usize = 256;
const MAX_RSA_MODULUS_BYTES: usize = 1024;

/// An issuer's verification keys.
pub struct KeySet(Vec<Key>);

/// One key and the one algorithm its type and curve fit.
pub(super) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    decoding_key: DecodingKey,
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    ///
    /// See [`InvalidKeySet`].
    pub fn parse(document: &[u8]) -> Result<Self, InvalidKeySet> {
        if document.len() > MAX_JWKS_BYTES {
            return Err(InvalidKeySet::TooLarge);
        }
        let document: Value = serde_json::from_slice(document).map_err(|_| InvalidKeySet::NotAKeySet)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(InvalidKeySet::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys);
        }
        let usable: Vec<Key> = keys.iter().filter_map(Key::read).collect();
        if usable.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(Self(usable)) }
    }

    /// The key that a token's header asks for. A token without `kid` is served only where one key alone fits.
    pub(super) fn find(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        match unverified_kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }

    /// How many keys can verify.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a set without a usable key is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| (&key.kid, key.algorithm))).finish()
    }
}

impl Key {
    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.decoding_key
    }

    fn read(jwk: &Value) -> Option<Self> {
        if !is_for_verifying(jwk) {
            return None;
        }
        let (algorithm, decoding_key) = match (text(jwk, "kty")?, text(jwk, "crv")) {
            ("RSA", None) => (Algorithm::Rs256, rsa(jwk)?),
            ("EC", Some("P-256")) => (Algorithm::Es256, p256(jwk)?),
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, ed25519(jwk)?),
            _ => return None,
        };
        // A key made for another algorithm is not used for this one; many providers leave `alg` out.
        let alg_agrees = jwk.get("alg").is_none_or(|alg| alg.as_str() == Some(algorithm.as_str()));
        alg_agrees.then(|| Self { kid: text(jwk, "kid").map(str::to_owned), algorithm, decoding_key })
    }
}

fn is_for_verifying(jwk: &Value) -> bool {
    let used_for_signatures = jwk.get("use").is_none_or(|value| value == "sig");
    let may_verify = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    used_for_signatures && jwk.get("key_ops").is_none_or(may_verify)
}

fn rsa(jwk: &Value) -> Option<DecodingKey> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let modulus = strip_leading_zeros(&modulus);
    let long_enough = (MIN_RSA_MODULUS_BYTES..=MAX_RSA_MODULUS_BYTES).contains(&modulus.len());
    // 256 bytes whose first has no high bit are fewer than 2048 bits.
    let full =
        modulus.len() > MIN_RSA_MODULUS_BYTES || modulus.first().is_some_and(|first| first & 0x80 != 0);
    (long_enough && full).then(|| DecodingKey::from_rsa_raw_components(modulus, &exponent))
}

fn p256(jwk: &Value) -> Option<DecodingKey> {
    let sized = bytes(jwk, "x")?.len() == 32 && bytes(jwk, "y")?.len() == 32;
    sized.then(|| DecodingKey::from_ec_components(text(jwk, "x")?, text(jwk, "y")?).ok()).flatten()
}

fn ed25519(jwk: &Value) -> Option<DecodingKey> {
    let sized = bytes(jwk, "x")?.len() == 32;
    sized.then(|| DecodingKey::from_ed_components(text(jwk, "x")?).ok()).flatten()
}

fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

fn strip_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

impl Algorithm {
    pub(super) fn to_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Why a document is not a usable JWK set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Over [`MAX_JWKS_BYTES`].
    #[error("the JWK set is larger than {MAX_JWKS_BYTES} bytes")]
    TooLarge,
    /// Not `{"keys": [...]}`.
    #[error("it is not a JWK set: a JSON object with a list `keys`")]
    NotAKeySet,
    /// Over the most keys considered.
    #[error("the JWK set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// None of its keys can verify one of our algorithms.
    #[error("the JWK set holds no key for RS256 (2048 bits or more), ES256 or EdDSA (Ed25519)")]
    NoUsableKey,
}
