//! A token before its signature is checked.
//!
//! Receives the text; produces the header and the claims that choose issuer and key, all named `unverified`, and the rest
//! of the claims once the signature holds. Nothing else may be read from it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Algorithm, Issuer, audience, keys::Key, unique_json};
use crate::{
    identity::{IdentityError, listed},
    shown::shown,
};

const MAX_KID_BYTES: usize = 256;

/// What a header without `typ` counts as. An issuer that lists other types alone demands one of them.
const ABSENT_TYP: &str = "JWT";

/// `base64url(header).base64url(claims).base64url(signature)` (RFC 7515, section 3.1).
pub(super) struct Unverified<'a> {
    /// What the signature is over: the first two parts with their dot.
    message: &'a str,
    /// In base64url.
    signature: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Claims whose signature holds. Their values are still to be checked.
pub(super) struct SignedClaims(Map<String, Value>);

impl SignedClaims {
    pub(super) fn into_inner(self) -> Map<String, Value> {
        self.0
    }
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, IdentityError> {
        let (message, signature) = token.rsplit_once('.').ok_or(NOT_THREE_PARTS)?;
        let (header, claims) = message.split_once('.').ok_or(NOT_THREE_PARTS)?;
        if claims.contains('.') {
            return Err(NOT_THREE_PARTS);
        }
        // The engine refuses padding and trailing bits, so every token has one spelling.
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| NOT_BASE64URL)?;
        let header = object("header", header)?;
        refuse_extensions(&header)?;
        let claims = object("claims", claims)?;
        Ok(Self { message, signature, header, claims })
    }

    /// `iss`, to choose among the configured issuers and for nothing else.
    pub(super) fn unverified_issuer(&self) -> Result<&str, IdentityError> {
        let iss = self.claims.get("iss");
        iss.and_then(Value::as_str).ok_or_else(|| IdentityError::claim("iss", iss, "text"))
    }

    /// Whether the token names an audience of this entry, to choose among entries of one `iss` and for nothing else. The
    /// signature is over the same claims, so what is seen here is what it vouches for.
    pub(super) fn names_an_audience_of(&self, issuer: &Issuer) -> bool {
        audience::names_an_audience(&self.claims, issuer)
    }

    /// `kid`, to choose among the issuer's keys and for nothing else.
    pub(super) fn unverified_kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The algorithm, if the issuer's own list has it.
    pub(super) fn algorithm_for(&self, issuer: &Issuer) -> Result<Algorithm, IdentityError> {
        let typ = self.header.get("typ").filter(|typ| !typ.is_null());
        let unverified_typ = typ.map_or(Some(ABSENT_TYP), Value::as_str);
        let typ_accepted =
            unverified_typ.is_some_and(|typ| issuer.types.iter().any(|own| same_type(own, typ)));
        if !typ_accepted {
            return Err(IdentityError::TypeRefused {
                issuer: issuer.name.clone(),
                unverified: as_found(typ),
                accepted: listed(&issuer.types),
            });
        }
        let unverified_alg = self.header.get("alg").and_then(Value::as_str).and_then(|alg| alg.parse().ok());
        let found = unverified_alg.filter(|alg| issuer.algorithms.contains(alg));
        found.ok_or_else(|| IdentityError::AlgorithmRefused {
            issuer: issuer.name.clone(),
            unverified: as_found(self.header.get("alg")),
            accepted: listed(&issuer.algorithms.iter().copied().map(Algorithm::as_str).collect::<Vec<_>>()),
        })
    }

    /// The claims, if `key` signed them.
    pub(super) fn verify_signature(
        self,
        key: &Key,
        algorithm: Algorithm,
    ) -> Result<SignedClaims, IdentityError> {
        let signed = key.verifies(algorithm, self.message.as_bytes(), self.signature);
        if signed { Ok(SignedClaims(self.claims)) } else { Err(IdentityError::SignatureInvalid) }
    }
}

const NOT_THREE_PARTS: IdentityError =
    IdentityError::Malformed("it must have three parts with dots between them");

const NOT_BASE64URL: IdentityError =
    IdentityError::Malformed("each of its parts must be base64url without padding");

fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, IdentityError> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| NOT_BASE64URL)?;
    unique_json::read(&json).map_err(|why| IdentityError::PartMalformed { part, why })
}

/// A header parameter in a message: it is not verified.
fn as_found(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::String(text)) => format!("`{}`", shown(text)),
        Some(_) => "not text".to_owned(),
    }
}

/// `crit` names extensions that must be understood, and none is; `b64` changes what is signed (RFC 7515, section
/// 4.1.11; RFC 7797). `jku`, `jwk`, `x5u` and `x5c` are left unread: keys come from the configuration alone.
fn refuse_extensions(header: &Map<String, Value>) -> Result<(), IdentityError> {
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(IdentityError::Malformed("the header has `crit` or `b64`"));
    }
    match header.get("kid") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kid)) if !kid.is_empty() && kid.len() <= MAX_KID_BYTES => Ok(()),
        Some(_) => Err(IdentityError::Malformed("`kid` is not a short text")),
    }
}

/// RFC 7515, section 4.1.9: compared without case, and without `application/` where no other slash follows.
fn same_type(own: &str, unverified_typ: &str) -> bool {
    let bare = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").filter(|rest| !rest.contains('/')).map_or(typ.clone(), str::to_owned)
    };
    bare(own) == bare(unverified_typ)
}
