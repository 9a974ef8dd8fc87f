//! The keys that an issuer publishes: the usable part of its JWK set (RFC 7517, section 5).
//!
//! Receives the provider's document, bounded. Produces the keys that fit a supported algorithm, and for each other
//! key the reason why it does not fit. An unusable key never fails the set, because a provider may publish keys for
//! other purposes too. `public_key` checks the numbers of a key, and the signatures.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Algorithm,
    public_key::{P256, P384, PublicKey},
    unique_json,
    unusable::Unusable,
};
use crate::shown::shown;

/// The largest JWK set read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The most keys of a set that are considered.
const MAX_KEYS: usize = 128;

/// The most unusable keys that one message lists.
const MAX_LISTED: usize = 3;

/// An issuer's verification keys.
pub struct KeySet {
    keys: Vec<Key>,
    unusable: Vec<UnusableKey>,
}

/// One key, and the algorithm it is limited to where its JWK names one.
pub(super) struct Key {
    kid: Option<String>,
    alg: Option<Algorithm>,
    public: PublicKey,
}

/// A published key that cannot verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableKey {
    kid: Option<String>,
    why: Unusable,
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
        let jwks = document.get("keys").and_then(Value::as_array).ok_or(InvalidKeySet::NotAKeySet)?;
        if jwks.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys);
        }
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for jwk in jwks {
            match Key::read(jwk) {
                Ok(key) => keys.push(key),
                Err(key) => unusable.push(key),
            }
        }
        if keys.is_empty() { Err(InvalidKeySet::NoUsableKey(unusable)) } else { Ok(Self { keys, unusable }) }
    }

    /// The key that a token's header asks for: the only one that fits. Without `kid` that is among all of the set. Two
    /// different keys that fit are none: RFC 7517 section 4.5 wants different ids, and to try both would let the set's
    /// order decide. The same key twice is one.
    pub(super) fn find(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        let named = |key: &&Key| unverified_kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.fits(algorithm));
        let first = fitting.next().ok_or_else(|| self.why_none_fits(unverified_kid, algorithm))?;
        if fitting.all(|other| other.public == first.public) {
            return Ok(first);
        }
        Err(unverified_kid.map_or(NoKey::Several { algorithm }, |kid| NoKey::Ambiguous { kid: shown(kid) }))
    }

    fn why_none_fits(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> NoKey {
        let Some(kid) = unverified_kid else { return NoKey::NoneFits { algorithm } };
        if self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)) {
            return NoKey::OtherAlgorithm { kid: shown(kid), algorithm };
        }
        let unusable = self.unusable.iter().find(|key| key.kid.as_deref() == Some(kid));
        let kid = shown(kid);
        unusable
            .map_or(NoKey::Absent { kid: kid.clone() }, |key| NoKey::Unusable { kid, why: key.why.clone() })
    }

    /// Whether the set settles which key is meant: it has the token's `kid`, or for a token without one, a key that fits.
    /// Then no newer set is asked for, even where [`find`](Self::find) finds none: what a key is for does not change. A
    /// key that cannot be used settles nothing: the provider may mend it.
    pub(super) fn knows(&self, unverified_kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| match unverified_kid {
            Some(kid) => key.kid.as_deref() == Some(kid),
            None => key.fits(algorithm),
        })
    }

    /// How many different keys can verify.
    pub fn len(&self) -> usize {
        self.serving(&Algorithm::ALL)
    }

    /// Never true: a set without a usable key is refused.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many different keys can verify one of these algorithms.
    pub fn serving(&self, algorithms: &[Algorithm]) -> usize {
        let mut different: Vec<&PublicKey> = Vec::new();
        let serving = self.keys.iter().filter(|key| algorithms.iter().any(|own| key.fits(*own)));
        for Key { public, .. } in serving {
            if !different.contains(&public) {
                different.push(public);
            }
        }
        different.len()
    }

    /// The keys that cannot verify, in the set's order.
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// The `kid`s, made harmless, under which the set has different keys for one of these algorithms, so that none is used.
    pub fn ambiguous_kids(&self, algorithms: &[Algorithm]) -> Vec<String> {
        let mut kids: Vec<&str> = self.keys.iter().filter_map(|key| key.kid.as_deref()).collect();
        kids.sort_unstable();
        kids.dedup();
        let ambiguous = |kid: &&str| {
            algorithms.iter().any(|own| matches!(self.find(Some(kid), *own), Err(NoKey::Ambiguous { .. })))
        };
        kids.into_iter().filter(ambiguous).map(shown).collect()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.kid, key.public.serves(), key.alg))).finish()
    }
}

impl Key {
    /// Whether this key made `signature` over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        self.fits(algorithm) && self.public.verifies(algorithm, message, signature)
    }

    /// By its type, and by `alg` where it is there. Many providers leave it out of their RSA keys, which then serve
    /// whatever RSA algorithm the issuer's configuration lists.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.serves().contains(&algorithm) && self.alg.is_none_or(|own| own == algorithm)
    }

    pub(super) fn read(jwk: &Value) -> Result<Self, UnusableKey> {
        let unusable = |kid: Option<&str>, why| UnusableKey { kid: kid.map(str::to_owned), why };
        let jwk = Jwk(jwk.as_object().ok_or_else(|| unusable(None, Unusable::NotAnObject))?);
        let kid = jwk.optional_text("kid").map_err(|why| unusable(None, why))?;
        let (alg, public) = jwk.usable().map_err(|why| unusable(kid, why))?;
        Ok(Self { kid: kid.map(str::to_owned), alg, public })
    }
}

/// One JWK. A member that is `null` is absent, and one that the key's type does not define is ignored (RFC 7517,
/// section 4): providers that write every key with one record leave such members behind.
#[derive(Clone, Copy)]
struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> Jwk<'a> {
    fn usable(self) -> Result<(Option<Algorithm>, PublicKey), Unusable> {
        self.check_purpose()?;
        let public = self.public_key()?;
        let alg = match self.optional_text("alg")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| Unusable::Algorithm(shown(text)))?),
        };
        // A key made for an algorithm that its type cannot serve fits nothing.
        match alg.filter(|alg| !public.serves().contains(alg)) {
            Some(other) => Err(Unusable::OtherType(other)),
            None => Ok((alg, public)),
        }
    }

    /// RFC 7517, sections 4.2 and 4.3.
    fn check_purpose(self) -> Result<(), Unusable> {
        if self.member("use").is_some_and(|value| value != "sig") {
            return Err(Unusable::Use);
        }
        let may_verify = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
        if self.member("key_ops").is_none_or(may_verify) { Ok(()) } else { Err(Unusable::KeyOps) }
    }

    /// The key of the type that `kty` names, with `crv` where that type has curves (RFC 7518 section 6, RFC 8037 section 2).
    fn public_key(self) -> Result<PublicKey, Unusable> {
        let kty = self.text("kty")?;
        let crv = if matches!(kty, "EC" | "OKP") { self.text("crv")? } else { "" };
        match (kty, crv) {
            ("RSA", _) => {
                PublicKey::rsa(&self.numbers(&["n", "e"], &["d", "p", "q", "dp", "dq", "qi", "oth"])?)
            }
            ("EC", "P-256") => PublicKey::ec(&P256, &self.numbers(&["x", "y"], &["d"])?),
            ("EC", "P-384") => PublicKey::ec(&P384, &self.numbers(&["x", "y"], &["d"])?),
            ("OKP", "Ed25519") => PublicKey::ed25519(&self.numbers(&["x"], &["d"])?),
            ("EC" | "OKP", _) => Err(Unusable::Curve(shown(crv))),
            _ => Err(Unusable::Type(shown(kty))),
        }
    }

    /// The public members of a key, provided that none of its private ones is there.
    fn numbers<T: Deserialize<'a>>(
        self,
        public: &[&'static str],
        private: &[&'static str],
    ) -> Result<T, Unusable> {
        if let Some(name) = private.iter().find(|name| self.member(name).is_some()) {
            return Err(Unusable::Private(name));
        }
        // `kty` and `crv` are known by now, so it can only be one of these that serde stumbled over.
        let wrong = || public.iter().find_map(|name| self.text(name).err()).unwrap_or(Unusable::NotAnObject);
        T::deserialize(self.0).map_err(|_| wrong())
    }

    fn member(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(self, name: &'static str) -> Result<&'a str, Unusable> {
        self.optional_text(name)?.ok_or(Unusable::Missing(name))
    }

    fn optional_text(self, name: &'static str) -> Result<Option<&'a str>, Unusable> {
        self.member(name).map(|value| value.as_str().ok_or(Unusable::NotText(name))).transpose()
    }
}

impl UnusableKey {
    /// Its `kid`, made harmless.
    pub fn kid(&self) -> Option<String> {
        self.kid.as_deref().map(shown)
    }

    /// Why it cannot verify.
    pub fn why(&self) -> &Unusable {
        &self.why
    }
}

impl fmt::Display for UnusableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "`{}`: {}", shown(kid), self.why),
            None => write!(f, "a key without `kid`: {}", self.why),
        }
    }
}

/// Why no key of a set verifies a token. What it quotes is made harmless.
///
/// Each of these is a denial, also where the key is published and cannot be used. Nothing is down then: the provider has
/// answered, and a retry would get the same answer. A fault would let anybody raise an alarm by naming a `kid` that
/// everybody can read. The operator learns it from the log line of each fetch, and from `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// No key has the `kid`.
    #[error("publishes no key with the token's `kid` `{kid}`")]
    Absent {
        /// The token's.
        kid: String,
    },
    /// The key with the `kid` cannot verify.
    #[error("publishes the token's key `{kid}`, but it cannot be used: {why}")]
    Unusable {
        /// The token's.
        kid: String,
        /// What is wrong with the key.
        why: Unusable,
    },
    /// The key with the `kid` is one for other algorithms.
    #[error("publishes the token's key `{kid}`, but not for {algorithm}")]
    OtherAlgorithm {
        /// The token's.
        kid: String,
        /// The token's.
        algorithm: Algorithm,
    },
    /// Different keys have the `kid`.
    #[error("publishes different keys under the token's `kid` `{kid}`, so none of them is used")]
    Ambiguous {
        /// The token's.
        kid: String,
    },
    /// Nothing to choose from.
    #[error("publishes no key for {algorithm}, and the token has no `kid`")]
    NoneFits {
        /// The token's.
        algorithm: Algorithm,
    },
    /// Nothing to choose by.
    #[error("publishes different keys for {algorithm}, and the token has no `kid` to choose by")]
    Several {
        /// The token's.
        algorithm: Algorithm,
    },
}

/// Why a document is not a usable JWK set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Over [`MAX_JWKS_BYTES`].
    #[error("the JWK set is larger than {MAX_JWKS_BYTES} bytes")]
    TooLarge,
    /// Not `{"keys": [...]}`, or a member is there twice.
    #[error("it is not a JWK set: a JSON object with a list `keys` and no duplicate members")]
    NotAKeySet,
    /// Over the most keys considered.
    #[error("the JWK set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// None of its keys can verify one of our algorithms.
    #[error("the JWK set has no key that can verify: {}", listed(.0))]
    NoUsableKey(Vec<UnusableKey>),
}

fn listed(unusable: &[UnusableKey]) -> String {
    if unusable.is_empty() {
        return "it is empty".to_owned();
    }
    let shown: Vec<String> = unusable.iter().take(MAX_LISTED).map(UnusableKey::to_string).collect();
    let mut text = shown.join("; ");
    if let Some(more) = unusable.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        let _infallible = write!(text, "; and {more} more");
    }
    text
}
