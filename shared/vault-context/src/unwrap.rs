//! The integration's side: from the envelope to a usable Vault token, in steps that cannot be left out.
//!
//! Receives a [`VaultContext`] or the event that carries it, and the integration's own configuration; produces an
//! [`Unwrapped`] token. The envelope is compared with the configuration and never trusted. No address in it is
//! dialled. Each step consumes the one before it, so a token can be used only after every check, and unwrapped only
//! once.
//!
//! ```text
//! Integration ── receive(context, now) ──▶ Received ── inspect() ──▶ Inspected ── unwrap() ──▶ Unwrapped
//!                address, namespace,                   lookup:                    accessor, type,    read, send,
//!                creation path, expiry                 creation path              policies, lease    revoke
//! ```
//!
//! The steps follow Vault's own advice for response wrapping, with two more checks. The accessor that the authorizer
//! sent beside the token must be the unwrapped token's, and the token must not bring more than it was made with
//! (<https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation>).

mod creation_path;
mod engines;
mod error;
mod lag;
mod token;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

#[cfg(feature = "lambda")]
use crate::context::LambdaRequest;
use crate::context::{Caller, VaultContext, Wrapped};
use crate::vault::{Auth, Call, Namespace, Vault, VaultAnswer, VaultError, VaultErrorKind};

pub use self::creation_path::{CreationPath, InvalidCreationPath};
pub use self::engines::{Credentials, Database, Kv};
pub use self::error::{ErrorClass, SeenAt, UnwrapError};
use self::lag::{Life, Over, Patience};
pub use self::token::{Secret, Unwrapped};

/// The longest life of a token an integration accepts unless it says otherwise, in seconds: the longest step
/// of the authorizer's TTLs. A grant may give more; its integration then says so.
pub const DEFAULT_MAX_LEASE_SECONDS: u64 = 900;

const LOOKUP: &str = "sys/wrapping/lookup";
pub(crate) const UNWRAP: &str = "sys/wrapping/unwrap";
const REVOKE_SELF: &str = "auth/token/revoke-self";

/// What an integration knows for itself: its Vault, and which tokens it expects. Made once, at start.
#[derive(Debug, Clone)]
pub struct Integration {
    vault: Vault,
    creation_paths: Vec<CreationPath>,
    max_lease_seconds: u64,
    allow_identity_policies: bool,
}

impl Integration {
    /// States the Vault, and the creation path of the tokens to accept: `auth/token/create/<role>` of the grant that
    /// leads to this integration, in this stage.
    #[must_use]
    pub fn new(vault: Vault, creation_path: CreationPath) -> Self {
        Self {
            vault,
            creation_paths: vec![creation_path],
            max_lease_seconds: DEFAULT_MAX_LEASE_SECONDS,
            allow_identity_policies: false,
        }
    }

    /// Accepts tokens made at `creation_path` as well: where several grants lead to this integration.
    #[must_use]
    pub fn also_accept(mut self, creation_path: CreationPath) -> Self {
        self.creation_paths.push(creation_path);
        self
    }

    /// Accepts tokens that live at most so long, in seconds, instead of [`DEFAULT_MAX_LEASE_SECONDS`].
    #[must_use]
    pub fn max_lease_seconds(self, max_lease_seconds: u64) -> Self {
        Self { max_lease_seconds, ..self }
    }

    /// Accepts tokens whose entity adds policies to those of the token role: for grants with an `entity_alias`.
    #[must_use]
    pub fn allow_identity_policies(self) -> Self {
        Self { allow_identity_policies: true, ..self }
    }

    /// All steps at once: from the event of a Lambda proxy integration to a token that may be used.
    ///
    /// # Errors
    /// [`UnwrapError`].
    pub async fn open(&self, event: &Value, now: SystemTime) -> Result<Unwrapped, UnwrapError> {
        self.open_context(VaultContext::from_event(event)?, now).await
    }

    /// The same for a container behind an HTTP integration: from the headers of a request, by name and value.
    ///
    /// # Errors
    /// [`UnwrapError`].
    pub async fn open_headers<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: SystemTime,
    ) -> Result<Unwrapped, UnwrapError> {
        self.open_context(VaultContext::from_headers(headers)?, now).await
    }

    /// The same for a request in the types of `aws_lambda_events`.
    ///
    /// # Errors
    /// [`UnwrapError`].
    #[cfg(feature = "lambda")]
    pub async fn open_request(
        &self,
        request: &impl LambdaRequest,
        now: SystemTime,
    ) -> Result<Unwrapped, UnwrapError> {
        self.open_context(VaultContext::from_request(request)?, now).await
    }

    /// The same for a context that has been read already.
    ///
    /// # Errors
    /// [`UnwrapError`].
    pub async fn open_context(
        &self,
        context: VaultContext,
        now: SystemTime,
    ) -> Result<Unwrapped, UnwrapError> {
        self.receive(context, now)?.inspect().await?.unwrap().await
    }

    /// First step, without the network: the envelope agrees with this integration's configuration and is not too old.
    ///
    /// # Errors
    /// [`UnwrapError`]: `NoToken`, `AddressMismatch`, `NamespaceMismatch`, `CreationPathMismatch`, `Expired`.
    pub fn receive(&self, context: VaultContext, now: SystemTime) -> Result<Received, UnwrapError> {
        let VaultContext { grant, caller, wrapped } = context;
        let Some(wrapped) = wrapped else { return Err(UnwrapError::NoToken) };
        if !self.vault.address().is_written_as(&wrapped.address) {
            return Err(UnwrapError::AddressMismatch);
        }
        if wrapped.namespace.as_deref() != self.vault.namespace().map(Namespace::as_str) {
            return Err(UnwrapError::NamespaceMismatch);
        }
        if !self.expects(&wrapped.creation_path) {
            return Err(UnwrapError::CreationPathMismatch { seen_at: SeenAt::Context });
        }
        let life = Life::of(time_left(wrapped.expires_at, now).ok_or(UnwrapError::Expired)?);
        Ok(Received { integration: self.clone(), grant, caller, wrapped, life })
    }

    fn expects(&self, creation_path: &str) -> bool {
        self.creation_paths.iter().any(|expected| expected.as_str() == creation_path)
    }

    /// What the unwrapped token must be, whatever the envelope said of it.
    fn check(&self, auth: &Auth, wrapped: &Wrapped) -> Result<(), UnwrapError> {
        if auth.token_type != "service" {
            return Err(UnwrapError::NotAServiceToken);
        }
        if auth.accessor != wrapped.wrapped_accessor {
            return Err(UnwrapError::AccessorMismatch);
        }
        if !self.allow_identity_policies && !auth.identity_policies.is_empty() {
            return Err(UnwrapError::IdentityPolicies);
        }
        // 0 is Vault's way to say that a token never ends.
        if auth.lease_duration == 0 || auth.lease_duration > self.max_lease_seconds {
            let (lease_seconds, limit_seconds) = (auth.lease_duration, self.max_lease_seconds);
            return Err(UnwrapError::LeaseTooLong { lease_seconds, limit_seconds });
        }
        Ok(())
    }
}

/// An envelope that agrees with the integration's configuration. Vault has not been asked yet.
#[derive(Debug)]
#[must_use = "the wrapping token is still to be inspected and unwrapped"]
pub struct Received {
    integration: Integration,
    grant: String,
    caller: Caller,
    wrapped: Wrapped,
    life: Life,
}

impl Received {
    /// Who is calling, as the authorizer verified it.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Second step: asks Vault what the wrapping token holds, without using it up. The creation path Vault names must
    /// be the expected one: a token that an interceptor unwrapped and wrapped again has another. A node that does not know the
    /// token may lag behind, so it is asked again, or another one is, for two seconds at most.
    ///
    /// # Errors
    /// [`UnwrapError`]: `NotKnown`, `Expired`, `CreationPathMismatch`, `Vault`.
    pub async fn inspect(self) -> Result<Inspected, UnwrapError> {
        self.look_up(&mut Patience::begin(), UnwrapError::NotKnown).await?;
        Ok(Inspected { received: self })
    }

    /// Asks until a node shows the token; `unknown` is what it means that none does.
    async fn look_up(&self, patience: &mut Patience, unknown: UnwrapError) -> Result<(), UnwrapError> {
        // Sent without X-Vault-Token: the wrapping token in that header would be used up.
        let call = Call::post(LOOKUP).new_token().body(&json!({ "token": self.wrapped.token.expose() }))?;
        let answer = loop {
            match self.integration.vault.send_repeatable(call.clone()).await.and_then(found) {
                Ok(answer) => break answer,
                Err(error) if lag::may_be_answered_soon(&error) => match patience.pause(self.life).await {
                    Ok(()) => {}
                    Err(over) => return Err(given_up(error, over, unknown)),
                },
                Err(error) => return Err(error.into()),
            }
        };
        // INVARIANT (expected path): `receive` let only an expected path through, so equality with it is enough.
        if named_creation_path(&answer)? != self.wrapped.creation_path {
            return Err(UnwrapError::CreationPathMismatch { seen_at: SeenAt::Lookup });
        }
        Ok(())
    }
}

/// An envelope whose wrapping token Vault knows, and made where the integration expects. The token is not used up yet.
#[derive(Debug)]
#[must_use = "the wrapping token is still to be unwrapped"]
pub struct Inspected {
    received: Received,
}

impl Inspected {
    /// Third step: exchanges the wrapping token for the token inside, and checks that. Sent again only where it certainly did
    /// nothing and a lookup shows the token after that: after a time-out the wrapping token may be used up, and the request
    /// has to fail. A token that fails a check is revoked.
    ///
    /// # Errors
    /// [`UnwrapError`]: `NotValidAnyMore`, `NotKnown`, `Expired`, `CreationPathMismatch`, `NotAServiceToken`,
    /// `AccessorMismatch`, `IdentityPolicies`, `LeaseTooLong`, `Vault`.
    pub async fn unwrap(self) -> Result<Unwrapped, UnwrapError> {
        let auth = self.exchange().await?.auth.ok_or(UnwrapError::NotAServiceToken)?;
        let Received { integration, grant, caller, wrapped, .. } = self.received;
        if let Err(refused) = integration.check(&auth, &wrapped) {
            discard(&integration.vault, &auth).await;
            return Err(refused);
        }
        Ok(Unwrapped::assertion(integration.vault, auth, grant, caller, wrapped.creation_path))
    }

    async fn exchange(&self) -> Result<VaultAnswer, UnwrapError> {
        let Received { integration, wrapped, life, .. } = &self.received;
        // In the header alone: with the token in the body as well Vault burns it and answers 500.
        let call = Call::post(UNWRAP).wrapping_token(&wrapped.token).new_token();
        let mut patience = Patience::begin();
        loop {
            let error = match integration.vault.send(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.may_be_lag() || error.request_not_sent() => error,
                Err(error) => return Err(error.into()),
            };
            let over = patience.pause(*life).await.err();
            if let Some(over) = over.filter(|over| *over == Over::Life || error.is_outage()) {
                return Err(given_up(error, over, UnwrapError::NotKnown));
            }
            // With a patience of its own: an alarm must not rest on one node that lags, nor an interception pass for lag
            // because Vault was slow.
            self.received.look_up(&mut Patience::begin(), UnwrapError::NotValidAnyMore).await?;
            if over.is_some() {
                return Err(UnwrapError::NotKnown);
            }
        }
    }
}

/// What the last refusal means where nobody is asked again.
fn given_up(error: VaultError, over: Over, unknown: UnwrapError) -> UnwrapError {
    match over {
        // The node says itself that it lags, or there is none.
        _ if error.is_outage() => error.into(),
        Over::Life => UnwrapError::Expired,
        Over::Patience => unknown,
    }
}

/// A token this integration will not use is of use to nobody. When the revocation fails the token ends by its own TTL.
async fn discard(vault: &Vault, auth: &Auth) {
    let call = Call::post(REVOKE_SELF).token(&auth.client_token);
    if let Err(error) = lag::send_until(VaultError::may_be_lag, vault, call, life(auth)).await {
        tracing::warn!(code = error.code(), accessor = %auth.accessor, "a refused token could not be revoked");
    }
}

/// Counted from the answer, and so a little longer than it is.
fn life(auth: &Auth) -> Life {
    // 0 is Vault's way to say that a token never ends.
    let seconds = Some(auth.lease_duration).filter(|seconds| *seconds > 0);
    Life::of(seconds.map_or(Duration::MAX, Duration::from_secs))
}

/// A token that is being unwrapped, or that has only half come to this node, is found with nothing said of it.
fn found(answer: VaultAnswer) -> Result<VaultAnswer, VaultError> {
    if answer.data.is_some() { Ok(answer) } else { Err(VaultErrorKind::WrappingTokenNotValid.at(LOOKUP)) }
}

fn named_creation_path(answer: &VaultAnswer) -> Result<&str, VaultError> {
    let path = answer.data.as_ref().and_then(|data| data.get("creation_path")).and_then(Value::as_str);
    path.ok_or_else(|| {
        VaultErrorKind::AnswerInvalid { reason: "it names no creation_path".to_owned() }.at(LOOKUP)
    })
}

/// `None` where it has expired. A time before 1970 is a broken clock; as 0 it would make every token look fresh, so it counts as
/// the end of time.
fn time_left(expires_at: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    Duration::from_secs(expires_at).checked_sub(now).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
