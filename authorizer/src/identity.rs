//! Step 2: from a [`Credential`] to an [`Identity`].
//!
//! Receives the unverified credential and what the stage asks of it; produces the one type that says who is calling.
//! Leaves to [`grant`](crate::grant) what that identity may do. Network lies behind [`KeySource`] and [`Sts`]; everything
//! that decides is synchronous and takes `now` as a value.
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

pub mod aws_identity;
mod claims;
pub mod jwt;

use std::{fmt, sync::Arc};

use sts_identity::{CallerIdentity, PrincipalArn, PrincipalArnError, ProofError, ServerId, Sts};
use vault_context::CallerKind;

use crate::{clock::UnixTime, event::Credential, names::IssuerName};

pub use aws_identity::AwsIdentityScheme;
pub use claims::Claims;
pub use jwt::{JwtScheme, KeySource, KeysUnavailable};

/// A caller id ends up in `principalId`, in a header and in the log.
const MAX_CALLER_ID_BYTES: usize = 256;

/// Who is calling, verified. The proof that step 2 ran.
pub struct Identity {
    proven: Proven,
    caller_id: String,
    ends_at: Option<UnixTime>,
}

/// What a scheme has proved.
enum Proven {
    /// A JWT of an issuer.
    Jwt { issuer: IssuerName, claims: Claims },
    /// A JWT of `sts:GetWebIdentityToken`: AWS says who the caller is, in claims.
    AwsIam { issuer: IssuerName, claims: Claims, arn: PrincipalArn },
    /// A presigned GetCallerIdentity that STS answered, and its use where it has but one.
    AwsIdentity { caller: Arc<CallerIdentity>, only_use: Option<aws_identity::Use> },
}

impl Identity {
    /// The only constructor: called where every check of a scheme has passed. `user` is what the caller id ends in.
    ///
    /// # Errors
    ///
    /// [`IdentityError::ValueRefused`] when the id could break the header or the log line it will stand in.
    fn assertion(proven: Proven, user: &str, ends_at: Option<UnixTime>) -> Result<Self, IdentityError> {
        let caller_id = match &proven {
            // The prefix keeps a claim that looks like an ARN from being taken for one.
            Proven::Jwt { issuer, .. } | Proven::AwsIam { issuer, .. } => format!("{issuer}:{user}"),
            Proven::AwsIdentity { .. } => user.to_owned(),
        };
        let printable = caller_id.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !printable || caller_id.ends_with(' ') || caller_id.len() > MAX_CALLER_ID_BYTES {
            return Err(IdentityError::ValueRefused);
        }
        Ok(Self { proven, caller_id, ends_at })
    }

    /// How the caller proved it.
    pub fn kind(&self) -> CallerKind {
        match &self.proven {
            Proven::Jwt { .. } => CallerKind::Jwt,
            Proven::AwsIam { .. } => CallerKind::AwsIam,
            Proven::AwsIdentity { .. } => CallerKind::AwsIdentity,
        }
    }

    /// The configured name of the issuer; `None` for a caller whom STS vouched for directly.
    pub fn issuer(&self) -> Option<&IssuerName> {
        match &self.proven {
            Proven::Jwt { issuer, .. } | Proven::AwsIam { issuer, .. } => Some(issuer),
            Proven::AwsIdentity { .. } => None,
        }
    }

    /// `<issuer name>:<user_claim>` for a JWT, the canonical ARN for an IAM proof.
    pub fn caller_id(&self) -> &str {
        &self.caller_id
    }

    /// The verified claims, for a grant's bounds.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.proven {
            Proven::Jwt { claims, .. } | Proven::AwsIam { claims, .. } => Some(claims),
            Proven::AwsIdentity { .. } => None,
        }
    }

    /// The ARN that a grant binds: the canonical one, without a role's path, of an IAM proof; `sub`, with the path, of a JWT
    /// of AWS. A JWT of any other issuer has none, whatever its claims say.
    pub fn principal_arn(&self) -> Option<&str> {
        match &self.proven {
            Proven::Jwt { .. } => None,
            Proven::AwsIam { arn, .. } => Some(arn.as_str()),
            Proven::AwsIdentity { caller, .. } => Some(caller.arn().canonical()),
        }
    }

    /// IAM's unique id (`AROA…`, `AIDA…`), which only STS's own answer holds.
    pub fn principal_id(&self) -> Option<&str> {
        match &self.proven {
            Proven::Jwt { .. } | Proven::AwsIam { .. } => None,
            Proven::AwsIdentity { caller, .. } => Some(caller.unique_id()),
        }
    }

    /// The call is answered: a credential that is good once has been used. Where this is not said, because something of
    /// ours broke before, it may be used again.
    pub fn spend(&mut self) {
        if let Proven::AwsIdentity { only_use, .. } = &mut self.proven
            && let Some(only_use) = only_use.take()
        {
            only_use.spend();
        }
    }

    /// When the credential ends: a JWT's `exp`, without leeway. An IAM proof has no known end.
    pub fn ends_at(&self) -> Option<UnixTime> {
        self.ends_at
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind())
            .field("caller_id", &self.caller_id)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

/// What a stage asks of every identity, and the time of asking.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The stage's own audiences. A JWT must name one of these *and* one of its issuer's.
    pub audiences: Option<&'a [String]>,
    /// The stage's own server id, which an IAM proof must be signed for in place of the configuration's.
    pub server_id: Option<&'a ServerId>,
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
pub struct Schemes<K, S> {
    /// `Bearer <JWT>`.
    pub jwt: JwtScheme<K>,
    /// `AWS-Identity <proof>`, where the configuration has `aws_identity`.
    pub aws_identity: Option<AwsIdentityScheme<S>>,
}

impl<K: KeySource, S: Sts> Schemes<K, S> {
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
        let mut result = self.jwt.authenticate(credential, asked).await;
        if let (SchemeResult::NotRequested, Some(scheme)) = (&result, &self.aws_identity) {
            result = scheme.authenticate(credential, asked).await;
        }
        match result {
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
    #[error("the configuration has no `aws_identity`, so no IAM proof is accepted")]
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
    /// Several entries have the token's `iss`, and it is for none of them.
    #[error("the token names no audience of the issuers that have its `iss`: {entries}")]
    AudienceOfNone {
        /// Their names, each with the claim that it looks at.
        entries: String,
    },
    /// Several entries have the token's `iss`, and it is for more than one of them.
    #[error(
        "the token names audiences of several issuers with its `iss`, and must be for one of them alone: {entries}"
    )]
    AudienceOfSeveral {
        /// The names of those it is for, each with the claim that it looks at.
        entries: String,
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
    /// The caller is no principal that a grant can name.
    #[error(transparent)]
    PrincipalRefused(#[from] PrincipalArnError),
    /// The IAM proof is not even a text.
    #[error("the IAM proof is not the base64url of a URL, without padding")]
    ProofMalformed,
    /// The IAM proof is not a request that we would send, or not at this time.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// STS says that the proof is not good.
    #[error("STS refuses the IAM proof with `{code}`; a proof for another server id is refused so, too")]
    SignatureRefused {
        /// STS's error code.
        code: &'static str,
    },
    /// The proof was presented to this instance before, and `single_use` is on.
    #[error("the IAM proof was used before, and `aws_identity.single_use` is on")]
    ProofReplayed,
    /// New proofs come faster than this instance asks STS.
    #[error("new IAM proofs come faster than this instance may ask STS about them")]
    TooManyProofs,
    /// With `single_use`, every proof is remembered until its window ends, and there is no room for one more.
    #[error("this instance remembers as many IAM proofs as it can, until the windows of some have closed")]
    TooManyOpenProofs,
    /// The caller's account is not among those accepted, or AWS names two.
    #[error("the caller's account {account} is not among those accepted")]
    AccountRefused {
        /// The account.
        account: String,
    },
    /// STS cannot be asked: a fault, never the caller's.
    #[error("STS could not be asked about the IAM proof: {reason}")]
    StsUnavailable {
        /// What went wrong, for the operator.
        reason: String,
    },
}

impl IdentityError {
    fn missing(claim: &str) -> Self {
        Self::ClaimMissing(claim.to_owned())
    }
}
