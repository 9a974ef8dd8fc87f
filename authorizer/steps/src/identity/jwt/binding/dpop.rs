//! A DPoP proof: a JWT that the holder of a key makes for one request (RFC 9449, sections 4.2 and 4.3).
//!
//! Receives the value of the `DPoP` header and what it must be for; produces what the memory of proofs keeps of it.
//! The checks run in this order: shape, type, algorithm, key and signature, and then whose key, which request, which
//! token and when.
//!
//! ```text
//! {"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"…","y":"…"}}
//! {"jti":"…","htm":"GET","htu":"https://api.example.com/orders","iat":1800000000,"ath":"<SHA-256 of the token>"}
//! ```

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    super::{
        Algorithm, Unusable,
        jws::{Jws, as_found, same_type},
        keys::Key,
    },
    BindingError, PublicUrl, Remedy, digest, key,
    target::Target,
};
use crate::{
    clock::UnixTime,
    event::{MAX_CREDENTIAL_BYTES, Sender, Shape},
    identity::{claims::numeric_date, jwt::MalformedJws, listed, single_use},
    names::IssuerName,
    shown::shown,
};

/// How long a proof is good.
pub(super) const MAX_AGE_SECONDS: u64 = 60;

/// How far the caller's clock may be ahead.
const MAX_AHEAD_SECONDS: u64 = 30;

/// A `jti` is remembered as a hash. RFC 9449 section 11.1 advises a bound all the same.
const MAX_JTI_BYTES: usize = 256;

/// What a proof has to be for.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a IssuerName,
    pub(super) algorithms: &'a [Algorithm],
    /// The token's `cnf.jkt`.
    pub(super) thumbprint: &'a str,
    pub(super) public_urls: &'a [PublicUrl],
    pub(super) sender: Sender<'a>,
    pub(super) token: &'a str,
    pub(super) now: UnixTime,
}

/// A proof that holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Of its key and its `jti`: not of its signature, of which one proof can have several.
    pub(super) key: single_use::Key,
    pub(super) ends_at: UnixTime,
}

pub(super) fn verify(proof: &str, expected: &Expected<'_>) -> Result<Proof, BindingError> {
    if proof.len() > MAX_CREDENTIAL_BYTES {
        return Err(BindingError::ProofMalformed(MalformedJws::TooLong));
    }
    let proof = Jws::parse(proof)?;
    let thumbprint = verify_signature(&proof, expected)?;
    if thumbprint != expected.thumbprint {
        return Err(BindingError::OtherKey);
    }
    let claims = &proof.payload;
    verify_request(claims, expected)?;
    let ath = claims.get("ath").and_then(Value::as_str);
    let ath = ath.ok_or(BindingError::ProofIncomplete {
        name: "ath",
        wanted: "the hash of the token that it is sent with (RFC 9449, section 4.2)",
    })?;
    if ath != URL_SAFE_NO_PAD.encode(digest(expected.token.as_bytes())) {
        return Err(BindingError::OtherToken);
    }
    let ends_at = verify_time(claims, expected.now)?;
    let jti = text(claims, "jti")?;
    if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
        return Err(BindingError::ProofIncomplete { name: "jti", wanted: "a string of 1 to 256 bytes" });
    }
    Ok(Proof { key: key(&[&thumbprint, jti]), ends_at })
}

/// The thumbprint of the key that the proof holds, which signed it. Nothing else in the header is believed.
fn verify_signature(proof: &Jws<'_>, expected: &Expected<'_>) -> Result<String, BindingError> {
    let typ = proof.header.get("typ").and_then(Value::as_str);
    if !typ.is_some_and(|typ| same_type("dpop+jwt", typ)) {
        return Err(BindingError::ProofIncomplete { name: "typ", wanted: "`dpop+jwt`" });
    }
    let alg = proof.header.get("alg");
    let known: Option<Algorithm> = alg.and_then(Value::as_str).and_then(|alg| alg.parse().ok());
    let algorithm = known.filter(|alg| expected.algorithms.contains(alg));
    let algorithm = algorithm.ok_or_else(|| BindingError::ProofAlgorithm {
        issuer: expected.issuer.clone(),
        unverified: as_found(alg),
        accepted: listed(&expected.algorithms.iter().map(|alg| alg.as_str()).collect::<Vec<_>>()),
    })?;
    let jwk = proof.header.get("jwk");
    let jwk =
        jwk.ok_or(BindingError::ProofIncomplete { name: "jwk", wanted: "the public key of the proof" })?;
    refuse_private(jwk)?;
    let key = Key::read(jwk).map_err(|key| BindingError::ProofKey(key.why().clone()))?;
    if !proof.is_signed_by(&key, algorithm) {
        return Err(BindingError::ProofSignature);
    }
    thumbprint(jwk).ok_or(BindingError::ProofKey(Unusable::NotAnObject))
}

/// Members of whichever type of key that only its holder may know (RFC 7518, section 6; RFC 8037, section 2).
fn refuse_private(jwk: &Value) -> Result<(), BindingError> {
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let found = private.into_iter().find(|name| jwk.get(name).is_some());
    found.map_or(Ok(()), |name| Err(BindingError::ProofKey(Unusable::Private(name))))
}

/// RFC 7638: of the members that the type needs, in this order. That they are text is known, since the key was read.
fn thumbprint(jwk: &Value) -> Option<String> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        _ => &["crv", "kty", "x"],
    };
    // Sorted, without white space: just what RFC 7638 section 3.3 asks for.
    let needed: Option<Map<_, _>> =
        members.iter().map(|name| Some(((*name).to_owned(), jwk.get(name)?.clone()))).collect();
    Some(URL_SAFE_NO_PAD.encode(digest(Value::Object(needed?).to_string().as_bytes())))
}

/// `htm` and `htu`.
fn verify_request(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), BindingError> {
    let sender = &expected.sender;
    let htm = text(claims, "htm")?;
    if htm != sender.method {
        return Err(BindingError::OtherMethod { found: shown(htm), expected: sender.method.to_owned() });
    }
    let htu = text(claims, "htu")?;
    let called: Vec<Target> = if expected.public_urls.is_empty() {
        sender.url.and_then(Target::of_event).into_iter().collect()
    } else {
        expected.public_urls.iter().filter_map(|url| url.with(sender.path_in_stage)).collect()
    };
    let found = Target::parse(htu, sender.shape == Shape::WebSocket);
    if found.as_ref().is_some_and(|target| called.contains(target)) {
        return Ok(());
    }
    let base = found.as_ref().and_then(|target| target.before(sender.path_in_stage));
    let remedy = Remedy { issuer: expected.issuer.clone(), public_url: base.map(|base| base.to_string()) };
    let found = found.map_or_else(|| without_secrets(htu), |target| target.to_string());
    if called.is_empty() {
        return Err(BindingError::UrlUnknown { found, remedy });
    }
    let called = called.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let says =
        if expected.public_urls.is_empty() { "the call came to" } else { "by `public_urls` it must be" };
    Err(BindingError::OtherUrl { found, expected: format!("{says} {called}"), remedy })
}

/// What is no URL of ours, for a message: a query or a user may hold a credential.
fn without_secrets(htu: &str) -> String {
    let path = htu.split(['?', '#']).next().unwrap_or_default();
    format!("`{}`", shown(path.rsplit('@').next().unwrap_or_default()))
}

/// The end of the proof's window. At that very moment it still holds, and the memory still has it.
fn verify_time(claims: &Map<String, Value>, now: UnixTime) -> Result<UnixTime, BindingError> {
    let made_at = claims.get("iat").and_then(numeric_date);
    let made_at = made_at.ok_or(BindingError::ProofIncomplete {
        name: "iat",
        wanted: "seconds since 1970, a number from 0 to 2^53",
    })?;
    if made_at > now.plus_seconds(MAX_AHEAD_SECONDS) {
        return Err(BindingError::ProofNotYetValid { seconds_ahead: made_at.seconds_after(now) });
    }
    let ends_at = made_at.plus_seconds(MAX_AGE_SECONDS);
    if ends_at < now {
        return Err(BindingError::ProofExpired { seconds_ago: now.seconds_after(made_at) });
    }
    Ok(ends_at)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BindingError> {
    let value = claims.get(name).and_then(Value::as_str);
    value.ok_or(BindingError::ProofIncomplete { name, wanted: "a string" })
}
