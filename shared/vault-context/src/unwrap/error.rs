//! Why the integration has no Vault token: [`UnwrapError`], with texts for the person who is called at night.
//!
//! Each error has a stable code, a class that the integrations in other languages share ([`ErrorClass`]), and the
//! HTTP status for the caller of the API.

use std::fmt;

use crate::context::ContextError;
use crate::vault::VaultError;

/// Where a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenAt {
    /// In the authorizer's context, before Vault was asked.
    Context,
    /// In Vault's answer to `sys/wrapping/lookup`.
    Lookup,
}

impl fmt::Display for SeenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Context => "the context",
            Self::Lookup => "Vault's lookup",
        })
    }
}

/// Why there is no token to use. The text says what it means and what to do; none of it is for the caller of the API.
#[derive(Debug, thiserror::Error)]
pub enum UnwrapError {
    /// The request came without the authorizer's context.
    #[error(
        "the request carries no authorizer context: the route has no authorizer, or the API was called around the \
         gateway; attach vault-authorizer to the route"
    )]
    NoContext,
    /// The context is there and not whole.
    #[error(
        "the authorizer's context is not usable: check that the authorizer and vault-context are of one version"
    )]
    Context(#[source] ContextError),
    /// The grant authorises without a Vault token.
    #[error(
        "the grant has `mode: none`, so there is no Vault token: give the grant a `token`, or do not ask for one"
    )]
    NoToken,
    /// The wrapping token's time was up before the token was opened.
    #[error(
        "the wrapping token expired before it was opened: raise the grant's `wrap_ttl`, or find out what delayed the \
         request; the clocks may also differ"
    )]
    Expired,
    /// The token comes from another Vault than this integration's.
    #[error(
        "the context names another Vault address than this integration is configured with: align the two \
         configurations; if they are, the context may have been tampered with"
    )]
    AddressMismatch,
    /// The token comes from another namespace than this integration's.
    #[error(
        "the context names another Vault namespace than this integration is configured with: align the two \
         configurations; if they are, the context may have been tampered with"
    )]
    NamespaceMismatch,
    /// The token was not made at a path this integration expects.
    #[error(
        "{seen_at} names a creation path this integration does not expect: add the grant's \
         `auth/token/create/<role>` to the integration if it belongs there; if not, the token may have been \
         intercepted and wrapped again, search Vault's audit log for the accessor"
    )]
    CreationPathMismatch {
        /// Where it was seen.
        seen_at: SeenAt,
    },
    /// No node of Vault that was asked knew the wrapping token, before its time was up. It says nothing of who opened it, if
    /// anybody did.
    #[error(
        "no node of Vault that was asked knows the wrapping token: the nodes lag behind the active one, so check Vault's \
         replication; or the token was opened or revoked before, so look for `sys/wrapping/unwrap` in \
         `vault-authorizer trace`, and set authorizerResultTtlInSeconds to 0: API Gateway replays a cached token"
    )]
    NotKnown,
    /// Vault knew the wrapping token, and a moment later does not, before its time was up.
    #[error(
        "the wrapping token was there and then was gone: somebody else opened or revoked it in that moment, so it may have \
         been intercepted, search Vault's audit log for the accessor; or two requests share one cached answer of the \
         authorizer, set authorizerResultTtlInSeconds to 0"
    )]
    NotValidAnyMore,
    /// The token inside is not the one the authorizer announced.
    #[error(
        "the unwrapped token has another accessor than the authorizer announced: it was replaced on the way; it has \
         been revoked, search Vault's audit log for both accessors"
    )]
    AccessorMismatch,
    /// The token brings policies of an entity, and the integration did not ask for them.
    #[error(
        "the unwrapped token carries policies of an entity besides its role's: allow identity policies in this \
         integration if the grant has an `entity_alias`; the token has been revoked"
    )]
    IdentityPolicies,
    /// The token lives longer than the integration accepts.
    #[error(
        "the unwrapped token lives {lease_seconds} s (0 is without end) and this integration accepts {limit_seconds} s: \
         set the token role's token_explicit_max_ttl, or raise the integration's limit; the token has been revoked"
    )]
    LeaseTooLong {
        /// The token's life, in seconds; 0 is without end.
        lease_seconds: u64,
        /// The longest life accepted, in seconds.
        limit_seconds: u64,
    },
    /// What was inside is no service token.
    #[error("what was wrapped is not a Vault service token: set the token role's token_type to service")]
    NotAServiceToken,
    /// Vault could not be asked, or refused.
    #[error("Vault refused, or could not be asked")]
    Vault(#[from] VaultError),
}

impl UnwrapError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoContext => "no_context",
            Self::Context(_) => "context_invalid",
            Self::NoToken => "no_token",
            Self::Expired => "wrapping_token_expired",
            Self::AddressMismatch => "address_mismatch",
            Self::NamespaceMismatch => "namespace_mismatch",
            Self::CreationPathMismatch { .. } => "creation_path_mismatch",
            Self::NotKnown => "wrapping_token_not_known",
            Self::NotValidAnyMore => "not_valid_any_more",
            Self::AccessorMismatch => "accessor_mismatch",
            Self::IdentityPolicies => "identity_policies",
            Self::LeaseTooLong { .. } => "lease_too_long",
            Self::NotAServiceToken => "not_a_service_token",
            Self::Vault(error) => error.code(),
        }
    }

    /// The class it belongs to.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoContext | Self::NoToken => ErrorClass::ContextMissing,
            Self::Context(_)
            | Self::AddressMismatch
            | Self::NamespaceMismatch
            | Self::CreationPathMismatch { .. } => ErrorClass::ContextTampered,
            Self::NotKnown | Self::NotValidAnyMore => ErrorClass::TokenSpent,
            Self::Expired => ErrorClass::TokenExpired,
            Self::AccessorMismatch => ErrorClass::AccessorMismatch,
            Self::LeaseTooLong { .. } => ErrorClass::LeaseTooLong,
            Self::Vault(error) if error.is_outage() => ErrorClass::VaultUnavailable,
            Self::IdentityPolicies | Self::NotAServiceToken | Self::Vault(_) => ErrorClass::VaultDenied,
        }
    }

    /// The HTTP status to answer the caller of the API with: 503 where a later request may succeed, 403 where this request is
    /// refused, 500 where this integration or Vault is set up wrong.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            _ if self.is_outage() => 503,
            Self::Vault(_) => 500,
            Self::NoContext
            | Self::Context(_)
            | Self::NoToken
            | Self::Expired
            | Self::AddressMismatch
            | Self::NamespaceMismatch
            | Self::CreationPathMismatch { .. }
            | Self::NotKnown
            | Self::NotValidAnyMore
            | Self::AccessorMismatch
            | Self::IdentityPolicies
            | Self::LeaseTooLong { .. }
            | Self::NotAServiceToken => 403,
        }
    }

    /// Whether Vault or the way to it may be down: a client is told 503, and everything else is a refusal. Nodes that lag
    /// behind are an outage, too, and a second request brings another token.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::NotKnown) || matches!(self, Self::Vault(error) if error.is_outage())
    }
}

/// What went wrong, as coarsely as who acts next: one name for all integrations, whatever their language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request brings no context of the authorizer, or no token in it.
    ContextMissing,
    /// The context is not whole, or disagrees with the integration's configuration or with Vault.
    ContextTampered,
    /// The wrapping token was opened or revoked before, or no node of Vault knows it.
    TokenSpent,
    /// The wrapping token's time was up.
    TokenExpired,
    /// The token inside is not the announced one.
    AccessorMismatch,
    /// The token inside lives longer than the integration accepts.
    LeaseTooLong,
    /// Vault, or the way to it, is down or overloaded. A later request may succeed.
    VaultUnavailable,
    /// Vault refused, or gave something else than expected: it or the integration is set up wrong.
    VaultDenied,
}

impl ErrorClass {
    /// The name, as the other languages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContextMissing => "ContextMissing",
            Self::ContextTampered => "ContextTampered",
            Self::TokenSpent => "TokenSpent",
            Self::TokenExpired => "TokenExpired",
            Self::AccessorMismatch => "AccessorMismatch",
            Self::LeaseTooLong => "LeaseTooLong",
            Self::VaultUnavailable => "VaultUnavailable",
            Self::VaultDenied => "VaultDenied",
        }
    }
}

impl From<ContextError> for UnwrapError {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Missing => Self::NoContext,
            ContextError::Incomplete { .. }
            | ContextError::Invalid { .. }
            | ContextError::UnsupportedVersion => Self::Context(error),
        }
    }
}
