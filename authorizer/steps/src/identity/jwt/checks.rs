//! The claims of a signed token, checked against its issuer, the stage and the clock.
//!
//! Receives signed claims; produces the [`Identity`]. Leaves what only AWS's own tokens have to
//! [`aws_iam`], and what the caller may do to the grant.

use serde_json::Value;

use super::{Issuer, IssuerKind, audience::audiences, aws_iam, unverified::SignedClaims};
use crate::{
    clock::UnixTime,
    identity::{Asked, Claims, Identity, IdentityError, Proven, listed},
};

/// The last gate of the scheme: every claim check, then the proof.
pub(super) fn identity(
    signed: SignedClaims,
    issuer: &Issuer,
    asked: Asked<'_>,
) -> Result<Identity, IdentityError> {
    let mut claims = Claims::assertion(signed.into_inner());
    if issuer.kind == IssuerKind::AwsIam {
        aws_iam::forget_request_tags(&mut claims);
    }
    let expires_at = check_times(&claims, issuer, asked.now)?;
    check_audience(&claims, issuer, asked.audiences)?;
    refuse_sender_constrained(&claims, issuer)?;
    let user = user(&claims, issuer)?.to_owned();
    let name = issuer.name.clone();
    let proven = match issuer.kind {
        IssuerKind::Jwt => Proven::Jwt { issuer: name, claims },
        IssuerKind::AwsIam => aws_iam::proven(name, claims)?,
    };
    Identity::assertion(proven, &issuer.user_claim, &user, Some(expires_at))
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

/// A NumericDate (RFC 7519, section 2): seconds since the epoch, a fraction cut off. `null` is absent.
fn time(claims: &Claims, name: &str) -> Result<Option<UnixTime>, IdentityError> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let whole = value.as_u64();
    // A cast saturates; beyond 2^53 a float no longer tells seconds apart and is refused.
    let fractional = value.as_f64().filter(|seconds| (0.0..9_007_199_254_740_992.0).contains(seconds));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 2^53")]
    let seconds = whole.or(fractional.map(|seconds| seconds as u64));
    let time = seconds.map(|seconds| Some(UnixTime::from_seconds(seconds)));
    time.ok_or_else(|| IdentityError::claim(name, Some(value), NUMERIC_DATE))
}

const NUMERIC_DATE: &str = "seconds since 1970, a number from 0 to 2^53";

/// A stolen token that is bound to a key (RFC 9449, DPoP; RFC 8705, mutual TLS) is worth nothing without that key, unless it is
/// taken as a plain bearer: whatever `cnf` holds, it is not.
fn refuse_sender_constrained(claims: &Claims, issuer: &Issuer) -> Result<(), IdentityError> {
    let bound = claims.get("cnf").is_some_and(|cnf| !cnf.is_null());
    if bound && !issuer.binding_verified_elsewhere {
        return Err(IdentityError::SenderConstrained { issuer: issuer.name.clone() });
    }
    Ok(())
}

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
    user.ok_or_else(|| IdentityError::claim(&issuer.user_claim, value, "text, since it names the caller"))
}
