//! Step 2: from a [`Credential`] to an [`Identity`].
//!
//! Receives the unverified credential and what the stage asks of it; produces the one type that says who is calling.
//! Leaves to [`grant`](crate::grant) what that identity may do. Network lies behind [`KeySource`]; everything that
//! decides is synchronous and takes `now` as a value.
//!
//! # Adding an identity kind
//!
//! 1. Add its credential form to [`Credential`], with its bounds and a redacted `Debug`.
//! 2. Write `identity/<kind>.rs` with a type that implements [`Scheme`]: parse, verify, and only then call
//!    `Identity::assertion`. What it needs from the network is a trait of one or two methods beside it, which returns
//!    unproven data; the implementation goes to [`adapters`](crate::adapters).
//! 3. Put the scheme into [`Schemes`]; add its errors to [`IdentityError`]; the compiler then asks for their codes in
//!    [`outcome`](crate::outcome).
//! 4. Name its `callerKind` in `vault-context`, and what a grant may bind of it in [`grant`](crate::grant).

mod claims;
pub mod jwt;

use std::fmt;

use vault_context::CallerKind;

use crate::{clock::UnixTime, event::Credential, names::IssuerName};

pub use claims::Claims;
pub use jwt::{JwtScheme, KeySource, KeysUnavailable};

/// A caller id ends up in `principalId`, in a header and in the log.
const MAX_CALLER_ID_BYTES: usize = 256;

/// Who is calling, verified. The proof that step 2 ran.
pub struct Identity {
    kind: CallerKind,
    issuer: IssuerName,
    caller_id: String,
    claims: Claims,
    expires_at: UnixTime,
}

impl Identity {
    /// The only constructor: called where every check of a scheme has passed.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ValueRefused`] when the id could break the header or the log line it will stand in.
    fn assertion(
        kind: CallerKind,
        issuer: IssuerName,
        user: &str,
        claims: Claims,
        expires_at: UnixTime,
    ) -> Result<Self, IdentityError> {
        let caller_id = format!("{issuer}:{user}");
        let printable = caller_id.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !printable || caller_id.ends_with(' ') || caller_id.len() > MAX_CALLER_ID_BYTES {
            return Err(IdentityError::ValueRefused);
        }
        Ok(Self { kind, issuer, caller_id, claims, expires_at })
    }

    /// How the caller proved it.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// The configured name of the issuer.
    pub fn issuer(&self) -> &IssuerName {
        &self.issuer
    }

    /// `<issuer name>:<user_claim>`.
    pub fn caller_id(&self) -> &str {
        &self.caller_id
    }

    /// The verified claims, for a grant's bounds.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// When the credential ends: a JWT's `exp`, without leeway.
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind)
            .field("caller_id", &self.caller_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a stage asks of every identity, and the time of asking.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The stage's own audiences. A JWT must name one of these *and* one of its issuer's.
    pub audiences: Option<&'a [String]>,
    /// The time all checks of this request go by.
    pub now: UnixTime,
}

/// One way of proving an identity.
pub trait Scheme {
    /// Verifies `credential` if it is of this scheme.
    fn authenticate(&self, credential: &Credential, asked: Asked<'_>) -> impl Future<Output = SchemeResult>;
}

/// What a scheme says. Silence and forgery are different answers.
#[derive(Debug)]
pub enum SchemeResult {
    /// The credential is of another scheme.
    NotRequested,
    /// The caller is who the identity says.
    Authenticated(Identity),
    /// The credential is of this scheme and was refused, or could not be checked.
    Failed(IdentityError),
}

/// Every scheme this authorizer knows.
pub struct Schemes<K> {
    /// `Bearer <JWT>`.
    pub jwt: JwtScheme<K>,
}

impl<K: KeySource> Schemes<K> {
    /// Verifies the credential with the scheme it is of.
    ///
    /// # Errors
    ///
    /// See [`IdentityError`].
    pub async fn identify(
        &self,
        credential: &Credential,
        asked: Asked<'_>,
    ) -> Result<Identity, IdentityError> {
        match self.jwt.authenticate(credential, asked).await {
            SchemeResult::Authenticated(identity) => Ok(identity),
            SchemeResult::Failed(error) => Err(error),
            SchemeResult::NotRequested => Err(IdentityError::SchemeUnsupported),
        }
    }
}

/// Why there is no identity. Texts never quote the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No scheme takes this credential.
    #[error("no identity scheme takes this credential")]
    SchemeUnsupported,
    /// Not a JWT in compact serialization, or one with members that must not be there.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `iss` is none of the configured issuers'.
    #[error("the token's `iss` is none of the configured issuers")]
    IssuerUnknown,
    /// `alg` is not in the issuer's list.
    #[error("the token's `alg` is not among the algorithms of issuer `{issuer}`")]
    AlgorithmRefused {
        /// The issuer's name.
        issuer: IssuerName,
    },
    /// `typ` is not in the issuer's list.
    #[error("the token's `typ` is not among the types of issuer `{issuer}`")]
    TypeRefused {
        /// The issuer's name.
        issuer: IssuerName,
    },
    /// No key of the issuer has this `kid` and fits the algorithm.
    #[error("issuer `{issuer}` has no key with the token's `kid` that fits its algorithm")]
    KeyUnknown {
        /// The issuer's name.
        issuer: IssuerName,
    },
    /// The signature is not the key's.
    #[error("the signature does not verify")]
    SignatureInvalid,
    /// `exp` has passed.
    #[error("the token expired {seconds_ago} s ago")]
    Expired {
        /// Whole seconds since `exp`.
        seconds_ago: u64,
    },
    /// `nbf` or `iat` lies in the future, by more than the leeway.
    #[error("the token is valid only from {seconds_ahead} s from now; check both clocks")]
    NotYetValid {
        /// Whole seconds until then.
        seconds_ahead: u64,
    },
    /// `iat` lies further back than `max_age`.
    #[error("the token was issued {age_seconds} s ago, longer than `max_age`")]
    TooOld {
        /// Whole seconds since `iat`.
        age_seconds: u64,
    },
    /// No audience in common with the issuer's, or with the stage's.
    #[error("the token's `{claim}` names none of the audiences of {whose}")]
    AudienceMismatch {
        /// The claim that was compared.
        claim: &'static str,
        /// The issuer or the stage.
        whose: &'static str,
    },
    /// A claim that is required is absent or of another type.
    #[error("the token's claim `{0}` is absent or not of the required type")]
    ClaimMissing(String),
    /// A claim's value cannot stand in a header or a log line.
    #[error(
        "the caller's name is longer than {MAX_CALLER_ID_BYTES} bytes or holds characters other than printable ASCII"
    )]
    ValueRefused,
    /// The identity provider's keys cannot be had: a fault, never the caller's.
    #[error("the keys of issuer `{issuer}` are not available: {reason}")]
    KeysUnavailable {
        /// The issuer's name.
        issuer: IssuerName,
        /// What went wrong, for the operator.
        reason: String,
    },
}
