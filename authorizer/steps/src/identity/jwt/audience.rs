//! Whom a token is for.

use serde_json::{Map, Value};

use super::{AudienceClaim, Issuer};
use crate::identity::IdentityError;

/// Whether the claims name an audience of this entry.
pub(super) fn names_an_audience(claims: &Map<String, Value>, issuer: &Issuer) -> bool {
    let named = audiences(claims.get(issuer.audience_claim.as_str()), issuer.audience_claim);
    named.is_ok_and(|named| named.iter().any(|name| issuer.audiences.iter().any(|own| own == name)))
}

/// The audiences that a claim names.
pub(super) fn audiences(value: Option<&Value>, claim: AudienceClaim) -> Result<Vec<&str>, IdentityError> {
    let wanted = match claim {
        AudienceClaim::Aud => "a string or a list of strings",
        AudienceClaim::ClientId | AudienceClaim::Azp => "a string",
    };
    let one = value.and_then(Value::as_str).map(|name| vec![name]);
    let many =
        || value?.as_array().filter(|_| claim == AudienceClaim::Aud)?.iter().map(Value::as_str).collect();
    one.or_else(many).ok_or_else(|| IdentityError::claim(claim.as_str(), value, wanted))
}
