//! Checks the claims of a signed token against its issuer, the stage and the clock.
//!
//! Receives signed claims; produces the [`Identity`] once their binding is proven. [`aws_iam`] reads what only AWS's
//! own tokens have, [`binding`](super::binding) proves the binding, and the grant decides what the caller may do.

use serde_json::Value;

use super::{Binding, Issuer, IssuerKind, audience::audiences, aws_iam, unverified::SignedClaims};
use crate::{
    clock::UnixTime,
    identity::{Asked, Claims, Identity, IdentityError, Proven, claims::numeric_date, listed},
};

/// Claims that are what the issuer, the stage and the clock ask for.
pub(super) struct CheckedClaims {
    pub(super) claims: Claims,
    /// What the claim that names the caller holds.
    pub(super) user: String,
    expires_at: UnixTime,
}

/// Every check of the claims but that of the binding.
pub(super) fn check(
    signed: SignedClaims,
    issuer: &Issuer,
    asked: Asked<'_>,
) -> Result<CheckedClaims, IdentityError> {
    let mut claims = Claims::assertion(signed.into_inner());
    if issuer.kind == IssuerKind::AwsIam {
        aws_iam::forget_request_tags(&mut claims);
    }
    let expires_at = check_times(&claims, issuer, asked.now)?;
    check_audience(&claims, issuer, asked.audiences)?;
    let user = user(&claims, issuer)?.to_owned();
    Ok(CheckedClaims { claims, user, expires_at })
}

impl CheckedClaims {
    /// The last gate of the scheme. Without a proven binding there is no identity.
    pub(super) fn identity(self, issuer: &Issuer, binding: Binding) -> Result<Identity, IdentityError> {
        let Self { claims, user, expires_at } = self;
        let name = issuer.name.clone();
        let proven = match issuer.kind {
            IssuerKind::Jwt => Proven::Jwt { issuer: name, claims, binding },
            IssuerKind::AwsIam => aws_iam::proven(name, claims, binding)?,
        };
        Identity::assertion(proven, &issuer.user_claim, &user, Some(expires_at))
    }
}

/// RFC 7519, sections 4.1.4 to 4.1.6. Leeway is for `nbf` and `iat` only: a token never lives past its `exp`.
fn check_times(claims: &Claims, issuer: &Issuer, now: UnixTime) -> Result<UnixTime, IdentityError> {
    let expires_at = time(claims, "exp")?.ok_or_else(|| IdentityError::claim("exp", None, NUMERIC_DATE))?;
    if expires_at <= now {
        return Err(IdentityError::Expired { seconds_ago: now.seconds_after(expires_at) });
    }
    let issued_at = time(claims, "iat")?;
    for start in [time(claims, "nbf")?, issued_at].into_iter().flatten() {
        if start > now.plus_seconds(issuer.leeway_seconds) {
            return Err(IdentityError::NotYetValid { seconds_ahead: start.seconds_after(now) });
        }
    }
    if let Some(max_age_seconds) = issuer.max_age_seconds {
        let age_seconds =
            now.seconds_after(issued_at.ok_or_else(|| IdentityError::claim("iat", None, NUMERIC_DATE))?);
        if age_seconds > max_age_seconds {
            return Err(IdentityError::TooOld { age_seconds });
        }
    }
    Ok(expires_at)
}

/// A NumericDate; `null` is absent.
fn time(claims: &Claims, name: &str) -> Result<Option<UnixTime>, IdentityError> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let time = numeric_date(value).map(Some);
    time.ok_or_else(|| IdentityError::claim(name, Some(value), NUMERIC_DATE))
}

const NUMERIC_DATE: &str = "seconds since 1970, a number from 0 to 2^53";

/// The token must name one of the issuer's audiences, and one of the stage's where the stage has its own.
fn check_audience(claims: &Claims, issuer: &Issuer, stage: Option<&[String]>) -> Result<(), IdentityError> {
    let claim = issuer.audience_claim.as_str();
    let named = audiences(claims.get(claim), issuer.audience_claim)?;
    let mismatch = |whose, accepted: &[String]| {
        let (named, accepted) = (listed(&named), listed(accepted));
        Err(IdentityError::AudienceMismatch { claim, named, whose, accepted })
    };
    let names_one_of = |accepted: &[String]| named.iter().any(|name| accepted.iter().any(|own| own == name));
    if !names_one_of(&issuer.audiences) {
        return mismatch("issuer", &issuer.audiences);
    }
    if let Some(accepted) = stage.filter(|accepted| !names_one_of(accepted)) {
        return mismatch("stage", accepted);
    }
    Ok(())
}

fn user<'a>(claims: &'a Claims, issuer: &Issuer) -> Result<&'a str, IdentityError> {
    let value = claims.get(&issuer.user_claim);
    let user = value.and_then(Value::as_str).filter(|user| !user.is_empty());
    user.ok_or_else(|| {
        IdentityError::claim(&issuer.user_claim, value, "a string, because it names the caller")
    })
}
