//! What the errors of the steps mean to the caller and to the operator.
//!
//! Receives the error of the step that failed; produces its [`Code`], and decides between denial and fault. No other
//! module makes that decision. Each `match` here is exhaustive, so a new error asks its author whether the caller or
//! we are at fault.
//!
//! INVARIANT (an outage is never a 401 or 403): whatever comes from Vault, an identity provider or AWS is a fault, but for
//! Vault's word that a tenant is disabled. So is a credential that nobody has judged, since a flood of made-up ones left no
//! question to STS for it: its caller may be an honest one, whom a denial would tell not to come back.

use sts_identity::ProofError;
use vault_api::{VaultError, VaultErrorKind};

use crate::{
    event::{CredentialError, EventError, InvalidMethodArn},
    grant::GrantError,
    identity::{BindingError, IdentityError},
    mint::MintError,
};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:ident;)*) => {
        /// Why a request was not allowed: stable names for the log, the metrics and alarms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the log, the metrics and, for permission denials, the answer.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Who has to act.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }
        }
    };
}

/// Who has to act on a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller brings no good credential: 401.
    Credential,
    /// The caller is known, or need not be, and may not do this: 403.
    Permission,
    /// Our side, the identity provider, AWS or Vault is broken: 5xx.
    Fault,
}

codes! {
    /// No credential.
    CredentialMissing = "credential_missing", Credential;
    /// More than one credential.
    CredentialDuplicate = "credential_duplicate", Credential;
    /// Not of its scheme's form.
    CredentialMalformed = "credential_malformed", Credential;
    /// Too long.
    CredentialTooLarge = "credential_too_large", Credential;
    /// Not a scheme of ours.
    SchemeUnsupported = "scheme_unsupported", Credential;
    /// `iss` is not configured.
    IssuerUnknown = "issuer_unknown", Credential;
    /// `alg` is not the issuer's.
    AlgorithmRefused = "algorithm_refused", Credential;
    /// `typ` is not the issuer's.
    TypeRefused = "type_refused", Credential;
    /// The issuer has no such key.
    KeyUnknown = "key_unknown", Credential;
    /// The signature does not verify.
    SignatureInvalid = "signature_invalid", Credential;
    /// `exp` has passed.
    TokenExpired = "token_expired", Credential;
    /// Too little time is left for a Vault token.
    TokenExpiring = "token_expiring", Credential;
    /// `nbf` or `iat` is in the future.
    TokenNotYetValid = "token_not_yet_valid", Credential;
    /// `iat` is older than `max_age`.
    TokenTooOld = "token_too_old", Credential;
    /// For another audience.
    AudienceMismatch = "audience_mismatch", Credential;
    /// A required claim is absent.
    ClaimMissing = "claim_missing", Credential;
    /// The proof is too old: that of an IAM identity, which may have passed its own end, or a DPoP proof.
    ProofExpired = "proof_expired", Credential;
    /// The IAM proof is malformed, not for us, or STS refuses it.
    ProofRefused = "proof_refused", Credential;
    /// The proof of an IAM identity, or the DPoP proof, was used before.
    ProofReplayed = "proof_replayed", Credential;
    /// The token is sender-constrained, or has to be, and nothing came that could prove it.
    BindingMissing = "binding_missing", Credential;
    /// What came does not prove that the token's sender holds its key.
    BindingRefused = "binding_refused", Credential;
    /// The API is not the stage's.
    ApiUnknown = "api_unknown", Permission;
    /// The stage is not configured.
    StageUnknown = "stage_unknown", Permission;
    /// The path could be read in two ways.
    PathRefused = "path_refused", Permission;
    /// The path is too long for a policy.
    PathTooLong = "path_too_long", Permission;
    /// The request carries a header of ours.
    HeaderReserved = "header_reserved", Permission;
    /// The account in the event is not the ARN's, or the caller's is not among those accepted.
    AccountRefused = "account_refused", Permission;
    /// The caller's name cannot stand in a header, or a claim not in an entity alias; or Vault has disabled the tenant.
    IdentityValueRefused = "identity_value_refused", Permission;
    /// More tokens for one caller than this instance lets through, or more DPoP proofs than it remembers.
    RateLimited = "rate_limited", Permission;
    /// No grant matches.
    NoGrant = "no_grant", Permission;
    /// Vault cannot be reached, or does not answer in time.
    VaultUnreachable = "vault_unreachable", Fault;
    /// Vault is sealed.
    VaultSealed = "vault_sealed", Fault;
    /// Vault's quota is used up.
    VaultThrottled = "vault_throttled", Fault;
    /// Vault refuses the authorizer's login.
    VaultLoginRefused = "vault_login_refused", Fault;
    /// Vault refuses to mint.
    VaultMintRefused = "vault_mint_refused", Fault;
    /// Vault's answer is not what was asked for.
    VaultAnswerInvalid = "vault_answer_invalid", Fault;
    /// An issuer's keys cannot be had.
    JwksUnavailable = "jwks_unavailable", Fault;
    /// STS cannot be asked, or not about one more proof, or does not answer as it should.
    StsUnavailable = "sts_unavailable", Fault;
    /// The time that Lambda gives is up.
    DeadlineExceeded = "deadline_exceeded", Fault;
    /// The answer is larger than API Gateway takes.
    AnswerTooLarge = "answer_too_large", Fault;
    /// Not an event this authorizer serves.
    EventUnsupported = "event_unsupported", Fault;
}

/// Why a request was not allowed: the error of the step that ended the walk.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Step 1.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Step 1, the credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Step 2.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Step 3.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// Before step 4.
    #[error("the caller exceeded `limits.caller_mints_per_second` on this instance")]
    RateLimited,
    /// The same.
    #[error(
        "Vault was not called because too many recent calls for this caller failed: the faults logged before this \
         one say why"
    )]
    TooManyFaults,
    /// The same, and why is known.
    #[error(
        "Vault was not called because it recently refused this grant's tokens to this caller too often: the faults \
         logged before this one have Vault's message"
    )]
    RefusedOfLate,
    /// Step 4.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Step 5.
    #[error("the answer has {bytes} bytes, more than API Gateway accepts")]
    AnswerTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Any step.
    #[error("this invocation's time limit was reached")]
    DeadlineExceeded,
}

impl Refusal {
    /// The code that stands for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Event(error) => event(error),
            Self::Credential(error) => credential(*error),
            Self::Identity(error) => identity(error),
            Self::Grant(error) => grant(error),
            Self::RateLimited => Code::RateLimited,
            Self::TooManyFaults => Code::VaultThrottled,
            Self::RefusedOfLate => Code::VaultMintRefused,
            Self::Mint(error) => mint(error),
            Self::AnswerTooLarge { .. } => Code::AnswerTooLarge,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
        }
    }
}

fn event(error: &EventError) -> Code {
    match error {
        EventError::Unreadable(_)
        | EventError::Unsupported(_)
        | EventError::MethodArn(InvalidMethodArn::Malformed) => Code::EventUnsupported,
        EventError::MethodArn(InvalidMethodArn::TooLong) => Code::PathTooLong,
        EventError::MethodArn(InvalidMethodArn::PathIsPattern | InvalidMethodArn::MethodUnknown)
        | EventError::PathAmbiguous
        | EventError::RouteDisagrees => Code::PathRefused,
        EventError::AccountDisagrees => Code::AccountRefused,
        EventError::ApiDisagrees => Code::ApiUnknown,
        EventError::StageDisagrees => Code::StageUnknown,
        EventError::HeaderReserved => Code::HeaderReserved,
    }
}

fn credential(error: CredentialError) -> Code {
    match error {
        CredentialError::Missing => Code::CredentialMissing,
        CredentialError::Duplicate => Code::CredentialDuplicate,
        CredentialError::Malformed | CredentialError::SchemeUnexpected => Code::CredentialMalformed,
        CredentialError::TooLarge => Code::CredentialTooLarge,
        CredentialError::SchemeUnsupported => Code::SchemeUnsupported,
    }
}

fn identity(error: &IdentityError) -> Code {
    match error {
        IdentityError::SchemeUnsupported => Code::SchemeUnsupported,
        IdentityError::Malformed(_) => Code::CredentialMalformed,
        IdentityError::IssuerUnknown { .. } => Code::IssuerUnknown,
        IdentityError::AlgorithmRefused { .. } => Code::AlgorithmRefused,
        IdentityError::TypeRefused { .. } => Code::TypeRefused,
        IdentityError::KeyUnknown { .. } => Code::KeyUnknown,
        IdentityError::SignatureInvalid => Code::SignatureInvalid,
        IdentityError::Expired { .. } => Code::TokenExpired,
        IdentityError::NotYetValid { .. } => Code::TokenNotYetValid,
        IdentityError::TooOld { .. } => Code::TokenTooOld,
        IdentityError::AudienceMismatch { .. }
        | IdentityError::AudienceOfNone { .. }
        | IdentityError::AudienceOfSeveral { .. } => Code::AudienceMismatch,
        IdentityError::Unproven(unproven) => binding(&unproven.why),
        IdentityError::ClaimMissing { .. } => Code::ClaimMissing,
        IdentityError::NameTooLong { .. } | IdentityError::NameUnprintable { .. } => {
            Code::IdentityValueRefused
        }
        IdentityError::KeysUnavailable { .. } => Code::JwksUnavailable,
        IdentityError::PrincipalRefused(_)
        | IdentityError::ProofMalformed
        | IdentityError::Proof(ProofError::Refused(_) | ProofError::NotYetValid { .. })
        | IdentityError::SignatureRefused { .. } => Code::ProofRefused,
        IdentityError::Proof(ProofError::Expired { .. }) => Code::ProofExpired,
        IdentityError::ProofReplayed => Code::ProofReplayed,
        IdentityError::AccountRefused { .. } | IdentityError::AccountsDiffer { .. } => Code::AccountRefused,
        IdentityError::TooManyProofs
        | IdentityError::TooManyOpenProofs
        | IdentityError::StsUnavailable { .. } => Code::StsUnavailable,
    }
}

fn binding(error: &BindingError) -> Code {
    match error {
        BindingError::Bearer
        | BindingError::NoProof
        | BindingError::NoCertificate
        | BindingError::TokenEvent
        | BindingError::NotBound { .. } => Code::BindingMissing,
        BindingError::Confirmation { .. }
        | BindingError::NoKey
        | BindingError::SeveralProofs
        | BindingError::ProofMalformed(_)
        | BindingError::ProofIncomplete { .. }
        | BindingError::ProofAlgorithm { .. }
        | BindingError::ProofKey(_)
        | BindingError::ProofSignature
        | BindingError::OtherKey
        | BindingError::OtherMethod { .. }
        | BindingError::OtherUrl { .. }
        | BindingError::UrlUnknown { .. }
        | BindingError::OtherToken
        | BindingError::ProofNotYetValid { .. }
        | BindingError::CertificateUnreadable
        | BindingError::OtherCertificate => Code::BindingRefused,
        BindingError::ProofExpired { .. } => Code::ProofExpired,
        BindingError::Replayed => Code::ProofReplayed,
        BindingError::TooManyProofsOfCaller => Code::RateLimited,
        BindingError::TooManyProofs => Code::DeadlineExceeded,
    }
}

fn grant(error: &GrantError) -> Code {
    match error {
        GrantError::StageUnknown => Code::StageUnknown,
        GrantError::ApiUnknown => Code::ApiUnknown,
        GrantError::Ended => Code::TokenExpired,
        GrantError::NoGrant => Code::NoGrant,
        GrantError::AliasRefused { .. } => Code::IdentityValueRefused,
        GrantError::Expiring { .. } => Code::TokenExpiring,
    }
}

fn mint(error: &MintError) -> Code {
    match error {
        MintError::TenantDisabled => Code::IdentityValueRefused,
        MintError::LoginCredentials { .. } => Code::VaultLoginRefused,
        MintError::LoginSts { .. } => Code::StsUnavailable,
        MintError::Login(error) => vault(error, Code::VaultLoginRefused),
        MintError::Vault(error) | MintError::NewTokenRefused(error) => vault(error, Code::VaultMintRefused),
        MintError::Throttled { .. } => Code::VaultThrottled,
        MintError::NotAsked { sealed: true, .. } => Code::VaultSealed,
        MintError::NotAsked { sealed: false, .. } | MintError::Late => Code::VaultUnreachable,
        MintError::NoTime => Code::DeadlineExceeded,
        MintError::AnswerInvalid { .. } => Code::VaultAnswerInvalid,
    }
}

/// `refused` is the code for a Vault that works and says no to us.
fn vault(error: &VaultError, refused: Code) -> Code {
    match error.kind {
        VaultErrorKind::Unreachable { .. }
        | VaultErrorKind::TimedOut
        | VaultErrorKind::Unavailable { .. } => Code::VaultUnreachable,
        VaultErrorKind::Sealed => Code::VaultSealed,
        VaultErrorKind::Throttled { .. } => Code::VaultThrottled,
        VaultErrorKind::AnswerInvalid { .. } | VaultErrorKind::AnswerTooLarge { .. } => {
            Code::VaultAnswerInvalid
        }
        VaultErrorKind::CallInvalid { .. }
        | VaultErrorKind::TokenNotValid
        | VaultErrorKind::Forbidden
        | VaultErrorKind::WrappingTokenNotValid
        | VaultErrorKind::Refused { .. } => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_vault_or_a_provider_does_is_a_denial() {
        let vault = |kind: VaultErrorKind| Refusal::from(MintError::Vault(kind.at("p")));
        let (issuer, reason) = ("corp".parse().unwrap(), String::new());
        let keys = IdentityError::KeysUnavailable { issuer, reason: reason.clone() };
        for refusal in [
            vault(VaultErrorKind::TimedOut),
            vault(VaultErrorKind::Sealed),
            vault(VaultErrorKind::Throttled { retry_after_seconds: None }),
            vault(VaultErrorKind::Forbidden),
            vault(VaultErrorKind::TokenNotValid),
            keys.into(),
            IdentityError::StsUnavailable { reason }.into(),
            IdentityError::TooManyProofs.into(),
            IdentityError::TooManyOpenProofs.into(),
            MintError::NoTime.into(),
            Refusal::DeadlineExceeded,
        ] {
            assert_eq!(refusal.code().kind(), Kind::Fault, "{refusal}");
        }
        // Nor what other callers do.
        assert_eq!(binding(&BindingError::TooManyProofs).kind(), Kind::Fault);
    }

    #[test]
    fn codes_are_unique_and_can_stand_in_a_json_template_as_they_are() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
