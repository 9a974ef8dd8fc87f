//! Step 2: from a [`Credential`] to an [`Identity`].
//!
//! Receives the unverified credential and what the stage asks of it; produces the only type that says who is calling.
//! [`grant`](crate::grant) decides what that identity may do. The network is behind [`KeySource`] and [`Sts`]. All
//! decisions are synchronous and take `now` as a value.
//!
//! `authorizer/README.md` says how to add an identity kind.

pub mod aws_identity;
mod claims;
pub mod jwt;
mod single_use;

use std::{error::Error, fmt, sync::Arc};

use serde_json::Value;
use sts_identity::{CallerIdentity, PrincipalArn, PrincipalArnError, ProofError, ServerId, Sts};
use vault_context::{CallerBinding, CallerKind};

use crate::{
    clock::UnixTime,
    event::{Credential, Sender},
    names::IssuerName,
    shown::shown,
};

pub use aws_identity::AwsIdentityScheme;
pub use claims::Claims;
use jwt::{Binding, Issuer, IssuerKind, TokenScheme};
pub use jwt::{BindingError, JwtScheme, KeySource, KeysUnavailable, RequiredBinding};
use single_use::Use;

/// A caller's name ends up in `principalId`, in a header and in the log. OpenID Connect Core, section 2: a `sub` has at most
/// 255 ASCII characters. An ARN is bounded where it is read.
const MAX_USER_BYTES: usize = 256;

/// Who is calling, verified. The proof that step 2 ran.
pub struct Identity {
    proven: Proven,
    caller_id: String,
    ends_at: Option<UnixTime>,
}

/// What a scheme has proved.
enum Proven {
    /// A JWT of an issuer.
    Jwt { issuer: IssuerName, claims: Claims, binding: Binding },
    /// A JWT of `sts:GetWebIdentityToken`: AWS says who the caller is, in claims.
    AwsIam { issuer: IssuerName, claims: Claims, arn: PrincipalArn, binding: Binding },
    /// A presigned GetCallerIdentity that STS answered, and its use where it has but one.
    AwsIdentity { caller: Arc<CallerIdentity>, only_use: Option<Use<Arc<CallerIdentity>>> },
}

impl Identity {
    /// The only constructor: called where every check of a scheme has passed. `user` is what the caller id ends in, and
    /// `user_claim` where it was found.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NameTooLong`] and [`IdentityError::NameUnprintable`] when the id could break the header or the log
    /// line it will stand in.
    fn assertion(
        proven: Proven,
        user_claim: &str,
        user: &str,
        ends_at: Option<UnixTime>,
    ) -> Result<Self, IdentityError> {
        let is_arn = proven.arn() == Some(user);
        if user.len() > MAX_USER_BYTES && !is_arn {
            return Err(IdentityError::NameTooLong { claim: user_claim.to_owned(), bytes: user.len() });
        }
        if !is_printable(user) {
            return Err(IdentityError::NameUnprintable { claim: user_claim.to_owned() });
        }
        let caller_id = match &proven {
            // The prefix keeps a claim that looks like an ARN from being taken for one.
            Proven::Jwt { issuer, .. } | Proven::AwsIam { issuer, .. } => caller_id(issuer, user),
            Proven::AwsIdentity { .. } => user.to_owned(),
        };
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
        self.proven.arn()
    }

    /// IAM's unique id (`AROA…`, `AIDA…`), which only STS's own answer holds.
    pub fn principal_id(&self) -> Option<&str> {
        match &self.proven {
            Proven::Jwt { .. } | Proven::AwsIam { .. } => None,
            Proven::AwsIdentity { caller, .. } => Some(caller.unique_id()),
        }
    }

    /// What the credential is bound to, for the context and the log.
    pub fn binding(&self) -> CallerBinding {
        self.proven.binding().map_or(CallerBinding::None, Binding::kind)
    }

    /// Whether the credential is bound as a grant asks for.
    pub(crate) fn is_bound(&self, required: RequiredBinding) -> bool {
        self.proven.binding().is_some_and(|binding| binding.is(required))
    }

    /// The call is answered: a proof that is good once has been used. Where this is not said, because something of ours broke
    /// before, it may be used again.
    pub(crate) fn spend(&mut self) {
        match &mut self.proven {
            Proven::Jwt { binding, .. } | Proven::AwsIam { binding, .. } => binding.spend(),
            Proven::AwsIdentity { only_use, .. } => {
                if let Some(only_use) = only_use.take() {
                    only_use.spend();
                }
            }
        }
    }

    /// When the credential ends: a JWT's `exp`, without leeway. An IAM proof has no known end.
    pub fn ends_at(&self) -> Option<UnixTime> {
        self.ends_at
    }
}

/// `<issuer name>:<user_claim>`.
fn caller_id(issuer: &IssuerName, user: &str) -> String {
    format!("{issuer}:{user}")
}

/// Whether a name can stand in a header and in a log line as it is.
fn is_printable(user: &str) -> bool {
    user.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && !user.ends_with(' ')
}

/// A token that is good, and a sender who did not prove to be its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// What the token's issuer is.
    pub(crate) kind: CallerKind,
    /// The configured name of the token's issuer.
    pub(crate) issuer: IssuerName,
    /// The caller id of the token's owner, for the log: whoever sent it. `None` where it could not stand there.
    pub(crate) owner: Option<String>,
    /// What is not proven.
    pub(crate) why: BindingError,
}

impl Unproven {
    fn new(issuer: &Issuer, user: &str, why: BindingError) -> Box<Self> {
        let kind = match issuer.kind {
            IssuerKind::Jwt => CallerKind::Jwt,
            IssuerKind::AwsIam => CallerKind::AwsIam,
        };
        let fits = user.len() <= MAX_USER_BYTES && is_printable(user);
        let owner = fits.then(|| caller_id(&issuer.name, user));
        Box::new(Self { kind, issuer: issuer.name.clone(), owner, why })
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for Unproven {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl Proven {
    fn binding(&self) -> Option<&Binding> {
        match self {
            Self::Jwt { binding, .. } | Self::AwsIam { binding, .. } => Some(binding),
            Self::AwsIdentity { .. } => None,
        }
    }

    fn arn(&self) -> Option<&str> {
        match self {
            Self::Jwt { .. } => None,
            Self::AwsIam { arn, .. } => Some(arn.as_str()),
            Self::AwsIdentity { caller, .. } => Some(caller.arn().canonical()),
        }
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
    /// What the request shows of its sender.
    pub sender: Sender<'a>,
    /// The time all checks of this request go by.
    pub now: UnixTime,
}

/// Every scheme this authorizer knows.
pub struct Schemes<K, S> {
    /// `Bearer <JWT>` and `DPoP <JWT>`.
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
    pub(crate) async fn identify(
        &self,
        credential: &Credential,
        asked: Asked<'_>,
    ) -> Result<Identity, IdentityError> {
        match (credential, &self.aws_identity) {
            (Credential::Bearer(token), _) => self.jwt.verify(token, TokenScheme::Bearer, asked).await,
            (Credential::Dpop(token), _) => self.jwt.verify(token, TokenScheme::Dpop, asked).await,
            (Credential::AwsIdentity(proof), Some(scheme)) => scheme.verify(proof, asked).await,
            (Credential::AwsIdentity(_), None) => Err(IdentityError::SchemeUnsupported),
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
    #[error("the token is malformed")]
    Malformed(#[from] jwt::MalformedJws),
    /// `iss` is none of the configured issuers'.
    #[error("the token's `iss` is `{unverified}`, but the configured issuers are {configured}")]
    IssuerUnknown {
        /// `iss`, made harmless.
        unverified: String,
        /// Every `issuer`.
        configured: String,
    },
    /// `alg` is not in the issuer's list.
    #[error("the token's `alg` is {unverified}, but `issuers.{issuer}.algorithms` accepts {accepted}")]
    AlgorithmRefused {
        /// The issuer's name.
        issuer: IssuerName,
        /// `alg`, made harmless.
        unverified: String,
        /// The issuer's algorithms.
        accepted: String,
    },
    /// `typ` is not in the issuer's list.
    #[error("the token's `typ` is {unverified}, but `issuers.{issuer}.types` accepts {accepted}")]
    TypeRefused {
        /// The issuer's name.
        issuer: IssuerName,
        /// `typ`, made harmless.
        unverified: String,
        /// The issuer's types.
        accepted: String,
    },
    /// No key of the issuer verifies the token.
    #[error("issuer `{issuer}` {why}")]
    KeyUnknown {
        /// The issuer's name.
        issuer: IssuerName,
        /// Which key was sought, and why there is none.
        why: jwt::NoKey,
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
    #[error("the token becomes valid in {seconds_ahead} s; check both clocks")]
    NotYetValid {
        /// Whole seconds until then.
        seconds_ahead: u64,
    },
    /// `iat` lies further back than `max_age`.
    #[error("the token was issued {age_seconds} s ago, which exceeds `max_age`")]
    TooOld {
        /// Whole seconds since `iat`.
        age_seconds: u64,
    },
    /// No audience in common with the issuer's, or with the stage's.
    #[error("the token's `{claim}` is {named}, but the `audiences` of the {whose} are {accepted}")]
    AudienceMismatch {
        /// The claim that was compared.
        claim: &'static str,
        /// What it names, made harmless.
        named: String,
        /// The issuer or the stage.
        whose: &'static str,
        /// Its audiences.
        accepted: String,
    },
    /// The token is good for the holder of a key alone, and it is not proven that its sender is that.
    #[error(transparent)]
    Unproven(#[from] Box<Unproven>),
    /// Several entries have the token's `iss`, and it is for none of them.
    #[error("the token's audience matches none of the issuers with its `iss`: {entries}")]
    AudienceOfNone {
        /// Their names, each with the claim that it looks at.
        entries: String,
    },
    /// Several entries have the token's `iss`, and it is for more than one of them.
    #[error(
        "the token's audiences match several issuers with its `iss`, but must match exactly one: {entries}"
    )]
    AudienceOfSeveral {
        /// The names of those it is for, each with the claim that it looks at.
        entries: String,
    },
    /// A claim that is required is absent or of another type.
    #[error("the token's claim `{claim}` is {found}, but must be {wanted}")]
    ClaimMissing {
        /// The claim.
        claim: String,
        /// What is there.
        found: &'static str,
        /// What should be there.
        wanted: &'static str,
    },
    /// The caller's name is too long for a header or a log line.
    #[error("the caller's name (claim `{claim}`) has {bytes} bytes; the limit is {MAX_USER_BYTES}")]
    NameTooLong {
        /// The claim that names the caller.
        claim: String,
        /// Its length.
        bytes: usize,
    },
    /// The caller's name cannot stand in a header or a log line.
    #[error("the caller's name (claim `{claim}`) must be printable ASCII without a trailing space")]
    NameUnprintable {
        /// The claim that names the caller.
        claim: String,
    },
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
    #[error("the IAM proof must be a URL in base64url without padding")]
    ProofMalformed,
    /// The IAM proof is not a request that we would send, or not at this time.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// STS says that the proof is not good.
    #[error("STS rejected the IAM proof with `{code}`, as it does with a proof for another server id")]
    SignatureRefused {
        /// STS's error code.
        code: &'static str,
    },
    /// The proof was presented to this instance before, and `single_use` is on.
    #[error("the IAM proof was already used, and `aws_identity.single_use` is on")]
    ProofReplayed,
    /// This instance has no question to STS left now. Nobody knows whether the proof is good: a fault.
    #[error(
        "the IAM proof was not verified: too many requests of this instance wait for STS, because many new proofs \
         arrive or STS is slow. The caller may retry"
    )]
    TooManyProofs,
    /// With `single_use`, every proof is remembered until its window ends, and there is no room for one more. A fault as well.
    #[error(
        "the IAM proof was not verified: this instance's memory of used proofs (`aws_identity.single_use`) is full \
         until some of them expire. A shorter `max_age` makes room sooner"
    )]
    TooManyOpenProofs,
    /// The caller's account is not among those accepted.
    #[error("the caller's account {account} is not among `aws_identity.accounts`")]
    AccountRefused {
        /// The account.
        account: String,
    },
    /// AWS names two accounts in one token.
    #[error("the token's `sub` is in account {principal}, but its `aws_account` is `{claimed}`")]
    AccountsDiffer {
        /// The account of the principal.
        principal: String,
        /// The other.
        claimed: String,
    },
    /// STS cannot be asked: a fault, never the caller's.
    #[error("STS could not verify the IAM proof: {reason}")]
    StsUnavailable {
        /// What went wrong, for the operator.
        reason: String,
    },
}

impl IdentityError {
    /// Of a claim that is not there, or not what it must be.
    fn claim(name: &str, value: Option<&Value>, wanted: &'static str) -> Self {
        let found = match value {
            None => "absent",
            Some(Value::Null) => "null",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "a number",
            Some(Value::String(text)) if text.is_empty() => "empty",
            Some(Value::String(_)) => "text",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        Self::ClaimMissing { claim: name.to_owned(), found, wanted }
    }
}

/// Some texts in a message, made harmless: a token may name any number of audiences.
fn listed(texts: &[impl AsRef<str>]) -> String {
    const MOST: usize = 8;
    let names: Vec<_> = texts.iter().take(MOST).map(|text| format!("`{}`", shown(text.as_ref()))).collect();
    match texts.len() {
        0 => "empty".to_owned(),
        len if len > MOST => format!("{} and {} more", names.join(", "), len - MOST),
        _ => names.join(", "),
    }
}
