//! A token before its signature is checked.
//!
//! Receives the text; produces the header and the claims that choose issuer and key, all named `unverified`, and the
//! other claims once the signature is valid. Nothing else may be read from the token.

use serde_json::{Map, Value};

use super::{
    Algorithm, Issuer, audience,
    jws::{Jws, as_found, same_type},
    keys::Key,
};
use crate::identity::{IdentityError, listed};

/// What a header without `typ` counts as. An issuer that lists other types alone demands one of them.
const ABSENT_TYP: &str = "JWT";

/// A token's two JSON objects; its payload are the claims.
pub(super) struct Unverified<'a>(Jws<'a>);

/// Claims whose signature holds. Their values are still to be checked.
pub(super) struct SignedClaims(Map<String, Value>);

impl SignedClaims {
    pub(super) fn into_inner(self) -> Map<String, Value> {
        self.0
    }
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, IdentityError> {
        Ok(Self(Jws::parse(token)?))
    }

    /// `iss`, to choose among the configured issuers and for nothing else.
    pub(super) fn unverified_issuer(&self) -> Result<&str, IdentityError> {
        let iss = self.0.payload.get("iss");
        iss.and_then(Value::as_str).ok_or_else(|| IdentityError::claim("iss", iss, "a string"))
    }

    /// Whether the token names an audience of this entry, to choose among entries of one `iss` and for nothing else. The
    /// signature is over the same claims, so what is seen here is what it vouches for.
    pub(super) fn names_an_audience_of(&self, issuer: &Issuer) -> bool {
        audience::names_an_audience(&self.0.payload, issuer)
    }

    /// `kid`, to choose among the issuer's keys and for nothing else.
    pub(super) fn unverified_kid(&self) -> Option<&str> {
        self.0.header.get("kid").and_then(Value::as_str)
    }

    /// The algorithm, if the issuer's own list has it.
    pub(super) fn algorithm_for(&self, issuer: &Issuer) -> Result<Algorithm, IdentityError> {
        let typ = self.0.header.get("typ").filter(|typ| !typ.is_null());
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
        let unverified_alg =
            self.0.header.get("alg").and_then(Value::as_str).and_then(|alg| alg.parse().ok());
        let found = unverified_alg.filter(|alg| issuer.algorithms.contains(alg));
        found.ok_or_else(|| IdentityError::AlgorithmRefused {
            issuer: issuer.name.clone(),
            unverified: as_found(self.0.header.get("alg")),
            accepted: listed(&issuer.algorithms.iter().copied().map(Algorithm::as_str).collect::<Vec<_>>()),
        })
    }

    /// The claims, if `key` signed them.
    pub(super) fn verify_signature(
        self,
        key: &Key,
        algorithm: Algorithm,
    ) -> Result<SignedClaims, IdentityError> {
        let signed = self.0.is_signed_by(key, algorithm);
        if signed { Ok(SignedClaims(self.0.payload)) } else { Err(IdentityError::SignatureInvalid) }
    }
}
