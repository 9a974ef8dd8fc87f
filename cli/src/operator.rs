//! Calls Vault as an operator and, if Vault refuses, says what is missing.
//!
//! Receives paths and bodies; produces answers, or errors that say which capability on which path is missing.
//! [`connection`] knows where Vault is and who asks. The commands decide what to call.

use std::{sync::Arc, time::Duration};

use authorizer_adapters::vault::{TokenLogin, VaultMinter, VaultSettings};
use authorizer_steps::clock::Clock;
use serde_json::Value;
use vault_api::{Namespace, VaultAnswer, VaultError, VaultErrorKind};
use vault_transport::{Call, Vault, VaultOptions, VaultSetupError};

use crate::connection::{self, AddressArguments, ConnectionError, OwnToken};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A revocation of many tokens takes its time.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A read does not, and what an operator waits for comes after it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to Vault with the power of whoever runs the command.
pub(crate) struct Operator {
    vault: Vault,
    token: OwnToken,
}

/// The capabilities that a call needs on its path, named where Vault refuses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs(pub(crate) &'static str);

impl Operator {
    /// Vault by the environment, and by a configuration that is trusted where that says nothing. Sends nothing.
    pub(crate) fn new(
        address: &AddressArguments,
        configured: Option<&VaultSettings>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, OperatorError> {
        let options = address.options(configured, &variable)?;
        Ok(Self::at(options, connection::token(&variable)?)?)
    }

    /// This Vault with this token. Sends nothing.
    pub(crate) fn at(options: VaultOptions, token: OwnToken) -> Result<Self, VaultSetupError> {
        let options = VaultOptions { connect_timeout: CONNECT_TIMEOUT, timeout: TIMEOUT, ..options };
        Ok(Self { vault: Vault::new(options)?, token })
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        self.vault.address().as_str()
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.vault.namespace().map(Namespace::as_str)
    }

    /// Where the token was found.
    pub(crate) fn token_place(&self) -> &'static str {
        self.token.place
    }

    /// The Vault that is meant, in words.
    pub(crate) fn place(&self) -> String {
        let namespace = self.namespace().map(|namespace| format!(", namespace `{namespace}`"));
        format!("`{}`{}", self.address(), namespace.unwrap_or_default())
    }

    /// Reads `path`.
    pub(crate) async fn read(&self, path: &str, needs: Needs) -> Result<VaultAnswer, OperatorError> {
        self.send(Call::get(path).timeout(READ_TIMEOUT), needs).await
    }

    /// Lists what is below `path`.
    pub(crate) async fn list(&self, path: &str, needs: Needs) -> Result<VaultAnswer, OperatorError> {
        let call = Call::list(path).map_err(|error| self.failed(error, needs))?;
        self.send(call.timeout(READ_TIMEOUT), needs).await
    }

    /// Removes what is at `path`.
    pub(crate) async fn remove(&self, path: &str, needs: Needs) -> Result<VaultAnswer, OperatorError> {
        self.send(Call::delete(path), needs).await
    }

    /// Writes `body` to `path`.
    pub(crate) async fn write(
        &self,
        path: &str,
        body: &Value,
        needs: Needs,
    ) -> Result<VaultAnswer, OperatorError> {
        let call = Call::post(path).body(body);
        self.send(call.map_err(|error| self.failed(error, needs))?, needs).await
    }

    /// Everything that is called here may be called twice: reads, HMACs, writes that say what is to be, and revocations, which
    /// find nothing the second time.
    async fn send(&self, call: Call, needs: Needs) -> Result<VaultAnswer, OperatorError> {
        let answer = self.vault.send_repeatable(call.token(&self.token.token)).await;
        answer.map_err(|error| self.failed(error, needs))
    }

    /// A minter that is the function's own, but for the token it mints with.
    pub(crate) fn minter(&self, clock: Arc<dyn Clock>) -> VaultMinter {
        VaultMinter::with_login(
            self.vault.clone(),
            Box::new(TokenLogin::new(self.token.token.clone())),
            clock,
        )
    }

    /// The error of a call, in words for the operator.
    pub(crate) fn failed(&self, error: VaultError, needs: Needs) -> OperatorError {
        let place = self.place();
        let path = error.path.clone();
        if let VaultErrorKind::TokenNotValid = error.kind {
            OperatorError::TokenNotValid { place, path, token: self.token.place }
        } else if let VaultErrorKind::Forbidden = error.kind {
            OperatorError::Forbidden { place, path, needs: needs.0, token: self.token.place }
        } else {
            OperatorError::Vault { place, error }
        }
    }
}

/// Why Vault did not do what the operator asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    /// No address or no token.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The CA or the system's roots.
    #[error(transparent)]
    Setup(#[from] VaultSetupError),
    /// 403 for the token.
    #[error(
        "{place} does not know your token, or it has expired (`{path}`; token from {token}): log in again, and \
         check the namespace"
    )]
    TokenNotValid {
        /// Which Vault.
        place: String,
        /// The call.
        path: String,
        /// Where the token was found.
        token: &'static str,
    },
    /// 403 for the call.
    #[error("your token from {token} may not do this at {place}: its policies need {needs} on `{path}`")]
    Forbidden {
        /// Which Vault.
        place: String,
        /// The call.
        path: String,
        /// Capabilities.
        needs: &'static str,
        /// Where the token was found.
        token: &'static str,
    },
    /// Anything else.
    #[error("{place}")]
    Vault {
        /// Which Vault.
        place: String,
        /// What happened there.
        #[source]
        error: VaultError,
    },
}

impl OperatorError {
    /// What Vault refused of the call itself: the status and its words.
    pub(crate) fn refusal(&self) -> Option<(u16, &str)> {
        match self {
            Self::Vault {
                error: VaultError { kind: VaultErrorKind::Refused { status, message }, .. },
                ..
            } => Some((*status, message)),
            Self::Vault { .. }
            | Self::Connection(_)
            | Self::Setup(_)
            | Self::TokenNotValid { .. }
            | Self::Forbidden { .. } => None,
        }
    }

    /// Whether Vault said that there is nothing at the path.
    pub(crate) fn is_absent(&self) -> bool {
        self.refusal().is_some_and(|(status, _)| status == 404)
    }

    /// Whether no other call can go better: nobody is there, or the token is not good for anything.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::TokenNotValid { .. } | Self::Connection(_) | Self::Setup(_) => true,
            Self::Vault { error, .. } => {
                matches!(error.kind, VaultErrorKind::Unreachable { .. }) && error.request_not_sent()
            }
            Self::Forbidden { .. } => false,
        }
    }

    /// Whether it took too long.
    pub(crate) fn timed_out(&self) -> bool {
        matches!(self, Self::Vault { error: VaultError { kind: VaultErrorKind::TimedOut, .. }, .. })
    }

    /// Whether Vault may have done it all the same: it was sent, and no answer of Vault's own came.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Vault { error, .. } if error.may_have_been_done())
    }
}
