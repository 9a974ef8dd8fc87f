//! The keys an issuer publishes: a JWK set (RFC 7517, section 5) as far as it can verify.
//!
//! Receives the provider's document, bounded; produces the keys that fit an algorithm of ours. A key that does not is
//! left out and never fails the set, since a provider may publish keys for other purposes beside it. Leaves what a key
//! can do to `signature`.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    algorithm::{Algorithm, KeyType},
    signature::PublicKey,
    unique_json,
};

/// The largest JWK set read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The most keys of a set that are considered.
const MAX_KEYS: usize = 128;

/// What RFC 7518 section 6 and RFC 8037 section 2 keep private. Whoever publishes one has given the key away.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An issuer's verification keys.
pub struct KeySet(Vec<Key>);

/// One key, and the algorithm it is limited to where its JWK names one.
pub(super) struct Key {
    kid: Option<String>,
    alg: Option<Algorithm>,
    public: PublicKey,
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
        let document = unique_json::object(document).ok_or(InvalidKeySet::NotAKeySet)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(InvalidKeySet::NotAKeySet)?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys);
        }
        let usable: Vec<Key> = keys.iter().filter_map(Value::as_object).filter_map(Key::read).collect();
        if usable.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(Self(usable)) }
    }

    /// The key that a token's header asks for: the only one that fits. Without `kid` that is among all of the set. Two
    /// that fit are none: RFC 7517 section 4.5 wants different ids, and to try both would let the set's order decide.
    pub(super) fn find(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let named = |key: &&Key| unverified_kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        let mut fitting = self.0.iter().filter(|key| key.fits(algorithm)).filter(named);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Whether the set settles which key is meant: it has the token's `kid`, or for a token without one, a key that fits.
    /// Then no newer set is asked for, even where [`find`](Self::find) finds none: what a key is for does not change.
    pub(super) fn knows(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| match unverified_kid {
            Some(kid) => key.kid.as_deref() == Some(kid),
            None => key.fits(algorithm),
        })
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
        f.debug_list().entries(self.0.iter().map(|key| (&key.kid, key.public.key_type(), key.alg))).finish()
    }
}

impl Key {
    /// Whether this key made `signature` over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm) && self.public.verifies(algorithm, message, signature)
    }

    /// By its type, and by `alg` where it is there. Many providers leave it out of their RSA keys, which then serve
    /// whatever RSA algorithm the issuer's configuration lists.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.key_type() == algorithm.key_type() && self.alg.is_none_or(|own| own == algorithm)
    }

    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        if !is_for_verifying(jwk) || PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return None;
        }
        let alg = optional_text(jwk, "alg")?.map(str::parse).transpose().ok()?;
        let kid = optional_text(jwk, "kid")?.map(str::to_owned);
        let key_type = KeyType::named(text(jwk, "kty")?, optional_text(jwk, "crv")?)?;
        let key = Self { kid, alg, public: public_key(jwk, key_type)? };
        // A key made for an algorithm that its type cannot serve fits nothing.
        key.alg.is_none_or(|alg| key.fits(alg)).then_some(key)
    }
}

/// RFC 7517, sections 4.2 and 4.3.
fn is_for_verifying(jwk: &Map<String, Value>) -> bool {
    let used_for_signatures = jwk.get("use").is_none_or(|value| value == "sig");
    let may_verify = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    used_for_signatures && jwk.get("key_ops").is_none_or(may_verify)
}

fn public_key(jwk: &Map<String, Value>, key_type: KeyType) -> Option<PublicKey> {
    match key_type {
        KeyType::Rsa => PublicKey::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
        KeyType::P256 | KeyType::P384 | KeyType::P521 => {
            PublicKey::ec(key_type, &bytes(jwk, "x")?, &bytes(jwk, "y")?)
        }
        KeyType::Ed25519 => PublicKey::ed25519(&bytes(jwk, "x")?),
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

/// `None` where the member is there and is no text.
fn optional_text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<Option<&'a str>> {
    jwk.get(name).map_or(Some(None), |value| value.as_str().map(Some))
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

/// Why a document is not a usable JWK set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Over [`MAX_JWKS_BYTES`].
    #[error("the JWK set is larger than {MAX_JWKS_BYTES} bytes")]
    TooLarge,
    /// Not `{"keys": [...]}`, or a member is there twice.
    #[error("it is not a JWK set: a JSON object with a list `keys`, and no member twice")]
    NotAKeySet,
    /// Over the most keys considered.
    #[error("the JWK set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// None of its keys can verify one of our algorithms.
    #[error(
        "the JWK set holds no public key for signatures: RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"
    )]
    NoUsableKey,
}
