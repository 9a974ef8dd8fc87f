//! Verifies JWTs of the configured issuers: RFC 7519 claims in an RFC 7515 signature, checked as RFC 8725 advises.
//!
//! Receives a token; produces an [`Identity`]. The checks run in this order: shape, issuer, algorithm, key,
//! signature, claims, binding. Before the signature is verified, only two claims are read: `iss`, and the audience
//! where several entries have that `iss`. Both only choose among the configured entries. A [`KeySource`] fetches the
//! keys.

mod algorithm;
mod audience;
mod aws_iam;
mod binding;
mod checks;
mod jws;
mod keys;
mod public_key;
mod unique_json;
mod unusable;
mod unverified;
#[cfg(test)]
mod vectors;

use std::sync::Arc;

use crate::{event::BearerToken, names::IssuerName, shown::shown};

use super::{Asked, Identity, IdentityError, Unproven, listed};

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use binding::{
    Binding, BindingError, BindingSettings, InvalidPublicUrl, PublicUrl, RequiredBinding, TokenScheme,
};
use binding::{BoundToken, DpopProofs};
pub use jws::MalformedJws;
pub use keys::{InvalidKeySet, KeySet, MAX_JWKS_BYTES, NoKey, UnusableKey};
pub use unique_json::NotAnObject;
pub use unusable::Unusable;
use unverified::Unverified;

/// One configured issuer and what its tokens must be.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The name the configuration gives it.
    pub name: IssuerName,
    /// What its tokens say of the caller.
    pub kind: IssuerKind,
    /// `iss`, compared exactly.
    pub issuer: String,
    /// The audiences this API accepts: a token must name one of them.
    pub audiences: Vec<String>,
    /// Which claim holds the audience.
    pub audience_claim: AudienceClaim,
    /// The algorithms this issuer signs with. Never taken from the token.
    pub algorithms: Vec<Algorithm>,
    /// The `typ` values accepted, compared without case and without `application/`; an absent one counts as `JWT`.
    pub types: Vec<String>,
    /// Clock difference allowed for `nbf` and `iat`, in seconds. `exp` has none.
    pub leeway_seconds: u64,
    /// Longest time since `iat`, in seconds.
    pub max_age_seconds: Option<u64>,
    /// The claim that names the caller.
    pub user_claim: String,
    /// What is asked of sender-constrained tokens.
    pub binding: BindingSettings,
}

/// Who an issuer's tokens speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKind {
    /// Whom the issuer knows, by any claims.
    Jwt,
    /// IAM principals: the issuer is AWS itself, one for each account (`sts:GetWebIdentityToken`).
    AwsIam,
}

/// The claim that holds the audience. Cognito's access tokens have it in `client_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceClaim {
    /// RFC 7519: a string or a list.
    Aud,
    /// RFC 8693: one string.
    ClientId,
    /// OpenID Connect Core: one string.
    Azp,
}

impl AudienceClaim {
    /// The claim's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aud => "aud",
            Self::ClientId => "client_id",
            Self::Azp => "azp",
        }
    }
}

/// Where an issuer's keys come from. Returns what the provider published, parsed; whether it signed is decided here.
pub trait KeySource: Send + Sync {
    /// Keys by which a token can be judged: a set that `knows` the token's key; else one that was fetched after this call
    /// began, in which it is not. Only the latter shows that there is no such key. A set that was asked for earlier may be
    /// older than the key, so where the source cannot or may not fetch now, the keys are unavailable.
    ///
    /// `knows` goes by an unverified token, so the source limits how often it asks the provider.
    fn keys(
        &self,
        issuer: &IssuerName,
        knows: impl Fn(&KeySet) -> bool + Send,
    ) -> impl Future<Output = Result<Arc<KeySet>, KeysUnavailable>> + Send;
}

/// An issuer's keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct KeysUnavailable {
    /// What went wrong, for the operator.
    pub reason: String,
}

/// `Bearer <JWT>` and `DPoP <JWT>`.
pub struct JwtScheme<K> {
    issuers: Vec<Issuer>,
    keys: K,
    proofs: DpopProofs,
}

impl<K: KeySource> JwtScheme<K> {
    /// A scheme for these issuers, with their keys from `keys`.
    pub fn new(issuers: Vec<Issuer>, keys: K) -> Self {
        Self { issuers, keys, proofs: DpopProofs::new() }
    }

    /// Verifies a token, and what it is bound to.
    ///
    /// # Errors
    ///
    /// See [`IdentityError`].
    pub async fn verify(
        &self,
        token: &BearerToken,
        scheme: TokenScheme,
        asked: Asked<'_>,
    ) -> Result<Identity, IdentityError> {
        let unverified = Unverified::parse(token.expose())?;
        let issuer = self.issuer(&unverified)?;
        let algorithm = unverified.algorithm_for(issuer)?;
        let kid = unverified.unverified_kid();
        let keys = self.keys.keys(&issuer.name, |keys| keys.knows(kid, algorithm)).await;
        let keys = keys.map_err(|error| keys_unavailable(issuer, error))?;
        let key = keys.find(kid, algorithm).map_err(|why| key_unknown(issuer, why))?;
        let claims = unverified.verify_signature(key, algorithm)?;
        let checked = checks::check(claims, issuer, asked)?;
        let bound = BoundToken {
            issuer,
            cnf: checked.claims.get("cnf"),
            text: token.expose(),
            scheme,
            sender: asked.sender,
            user: &checked.user,
        };
        let binding = self.proofs.bind(bound, asked.now).await;
        let binding = binding.map_err(|why| Unproven::new(issuer, &checked.user, why))?;
        checked.identity(issuer, binding)
    }

    /// The entry whose `issuer` is the token's `iss`, exactly. Where several have it, the one whose audience the token names.
    ///
    /// INVARIANT (one token, one entry): a token that names audiences of two entries is of neither. The order of the
    /// configuration must not decide whose grants it gets.
    fn issuer(&self, unverified: &Unverified<'_>) -> Result<&Issuer, IdentityError> {
        let unverified_issuer = unverified.unverified_issuer()?;
        let entries = || self.issuers.iter().filter(|entry| entry.issuer == unverified_issuer);
        let first = entries().next().ok_or_else(|| IdentityError::IssuerUnknown {
            unverified: shown(unverified_issuer),
            configured: listed(&self.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect::<Vec<_>>()),
        })?;
        if entries().nth(1).is_none() {
            return Ok(first);
        }
        let fits = |entry: &&Issuer| unverified.names_an_audience_of(entry);
        let mut named = entries().filter(fits);
        match (named.next(), named.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(IdentityError::AudienceOfNone { entries: with_claims(entries()) }),
            (Some(_), Some(_)) => {
                Err(IdentityError::AudienceOfSeveral { entries: with_claims(entries().filter(fits)) })
            }
        }
    }
}

/// Each entry with the claim that it looks at: `corp-api` (`aud`), `corp-app` (`client_id`).
fn with_claims<'a>(entries: impl Iterator<Item = &'a Issuer>) -> String {
    let entries: Vec<_> =
        entries.map(|entry| format!("`{}` (`{}`)", entry.name, entry.audience_claim.as_str())).collect();
    entries.join(", ")
}

fn key_unknown(issuer: &Issuer, why: NoKey) -> IdentityError {
    IdentityError::KeyUnknown { issuer: issuer.name.clone(), why }
}

fn keys_unavailable(issuer: &Issuer, error: KeysUnavailable) -> IdentityError {
    IdentityError::KeysUnavailable { issuer: issuer.name.clone(), reason: error.reason }
}
