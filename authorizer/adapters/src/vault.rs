//! Vault: the authorizer's own login, and the mint.
//!
//! Receives the settings; produces a [`Minter`] that keeps a login warm. [`mint`](authorizer_steps::mint) decides
//! whether an answer is what was ordered.

mod breaker;
mod login;
mod repeat;
mod session;
mod throttle;

use std::{sync::Arc, time::Duration};

use authorizer_steps::{
    clock::Clock,
    error_chain::with_causes,
    mint::{MintError, Minter, Order, Undo},
};
use aws_credential_types::provider::ProvideCredentials;
use vault_api::{Auth, Namespace, VaultAddress, VaultAnswer, VaultError, VaultErrorKind, VaultToken};
use vault_transport::{Call, Vault, VaultOptions, VaultSetupError, http::ClientCertificate};

use crate::sts::StsClient;

pub use login::{
    AppRoleLogin, AppRoleLoginSettings, AwsLogin, AwsLoginSettings, BoxedLogin, Granted, InvalidSecret,
    JwtLogin, JwtLoginSettings, JwtSource, Login, LoginFuture, LoginSecret, LoginSettings, Powers,
    SecretFile, SecretFileError, SecretId, TokenLogin,
};
use repeat::{Repeating, time_for_a_call};
use session::Sessions;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For one call, where its request has as much time: see [`time_for_a_call`].
const TIMEOUT: Duration = Duration::from_secs(5);
const REVOKE_SELF: &str = "auth/token/revoke-self";
/// What Vault and OpenBao say (403) where the entity of an alias is disabled: `entity from given entity alias is disabled`.
const ENTITY_DISABLED: &str = "entity alias is disabled";

/// Where Vault is and how to log in.
#[derive(Debug)]
pub struct VaultSettings {
    /// Its address.
    pub address: VaultAddress,
    /// The namespace of everything here.
    pub namespace: Option<Namespace>,
    /// The only certificates trusted, if given.
    pub ca_pem: Option<Vec<u8>>,
    /// The certificate for a Vault that asks its clients for one.
    pub client_certificate: Option<ClientCertificate>,
    /// How the authorizer gets its own token.
    pub login: LoginSettings,
}

impl VaultSettings {
    /// The transport and the login by these settings; with these credentials, where AWS vouches for the login. Sends
    /// nothing.
    ///
    /// # Errors
    ///
    /// Where no TLS client can be built.
    pub fn connect(
        self,
        sts: StsClient,
        credentials: Box<dyn ProvideCredentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Vault, BoxedLogin), VaultSetupError> {
        let Self { address, namespace, ca_pem, client_certificate, login } = self;
        let options = VaultOptions {
            address,
            namespace,
            ca_pem,
            client_certificate,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        };
        Ok((Vault::new(options)?, login.by_its_method(sts, credentials, clock)))
    }
}

/// Mints at one Vault.
pub struct VaultMinter {
    vault: Vault,
    calls: Arc<Repeating>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
}

impl VaultMinter {
    /// A minter by these settings. Logs in when first needed, or at [`VaultMinter::warm`]; asks `sts` for a JWT where the
    /// login is by one of AWS, with `credentials`, as the login by AWS itself does.
    ///
    /// # Errors
    ///
    /// Where no TLS client can be built.
    pub fn new(
        settings: VaultSettings,
        sts: StsClient,
        credentials: Box<dyn ProvideCredentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultSetupError> {
        let (vault, login) = settings.connect(sts, credentials, Arc::clone(&clock))?;
        Ok(Self::with_login(vault, login, clock))
    }

    /// A minter with any login.
    pub fn with_login(vault: Vault, login: BoxedLogin, clock: Arc<dyn Clock>) -> Self {
        let calls = Arc::new(Repeating::new(Arc::clone(&clock)));
        let sessions = Sessions::new(vault.clone(), login, Arc::clone(&calls), Arc::clone(&clock));
        Self { vault, calls, sessions, clock }
    }

    /// The transport.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Logs in, so that the first request need not. A failure is logged and tried again with that request.
    pub async fn warm(&self, within: Duration) {
        if let Err(error) = self.sessions.token(self.clock.now().plus(within)).await {
            let reason = with_causes(&error);
            tracing::warn!(reason, "the authorizer could not log in to Vault at init");
        }
    }

    /// A mint may be sent twice: a token that nobody received is wrapped, unreadable by anyone, and ends with its TTL.
    async fn create(&self, order: &Order, token: &VaultToken) -> Result<VaultAnswer, MintError> {
        let call = Call::post(&order.creation_path).token(token).wrap_ttl_seconds(order.ttls.wrap_seconds);
        let call = call.body(&order.body()).map_err(MintError::Vault)?;
        let once = || async {
            let call = call.clone().timeout(time_for_a_call(order.deadline, self.clock.now())?);
            let mut asked = Asked { order, unknown: true };
            let answer = self.vault.send(call).await;
            asked.unknown = answer.as_ref().is_err_and(VaultError::may_have_been_done);
            answer.map_err(MintError::Vault)
        };
        let answer = self.calls.attempt(&order.creation_path, order.deadline, once).await;
        answer.map_err(|error| of_a_disabled_tenant(error, order))
    }
}

/// Vault works and refuses this tenant: nothing is broken.
fn of_a_disabled_tenant(error: MintError, order: &Order) -> MintError {
    let refused = matches!(&error, MintError::Vault(VaultError { kind: VaultErrorKind::Refused { status: 403, message }, .. }) if message.contains(ENTITY_DISABLED));
    // Without the alias: it may be the caller's name, which the log may be told to leave out.
    if refused && order.entity_alias.is_some() { MintError::TenantDisabled } else { error }
}

/// A mint on its way. Where its end is not known, also because its request ran out of time, the log says so.
struct Asked<'a> {
    order: &'a Order,
    unknown: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.unknown {
            tracing::warn!(
                creation_path = self.order.creation_path,
                lambda_request_id = self.order.request_id(),
                ttl_seconds = self.order.ttls.token_seconds,
                "Vault may have minted a token: if it did, nobody can read it, and it expires with its TTL"
            );
        }
    }
}

impl Minter for VaultMinter {
    async fn mint(&self, order: &Order) -> Result<VaultAnswer, MintError> {
        let token = self.sessions.token(order.deadline).await?;
        let refused = match self.create(order, &token).await {
            Err(MintError::Vault(refused @ VaultError { kind: VaultErrorKind::TokenNotValid, .. })) => {
                refused
            }
            answer => return answer.inspect(|_| self.sessions.token_taken(&token)),
        };
        // The token was revoked, or Vault forgot it: log in again, once.
        let Some(new) = self.sessions.instead_of(&token, order.deadline).await? else {
            return Err(MintError::NewTokenRefused(refused));
        };
        // A token of the configuration is the only one there is.
        if new.expose() == token.expose() {
            return Err(MintError::Vault(refused));
        }
        match self.create(order, &new).await {
            Err(MintError::Vault(refused @ VaultError { kind: VaultErrorKind::TokenNotValid, .. })) => {
                Err(MintError::NewTokenRefused(refused))
            }
            answer => answer.inspect(|_| self.sessions.token_taken(&new)),
        }
    }

    /// In a task of its own: the request it is for may run out of time, and the token must go all the same.
    async fn undo(&self, token: Undo) -> Result<(), VaultError> {
        let undone = tokio::spawn(revoke(self.vault.clone(), token)).await;
        let interrupted = |_| {
            let reason = "the revocation was interrupted".to_owned();
            VaultErrorKind::AnswerInvalid { reason }.at(REVOKE_SELF)
        };
        undone.map_err(interrupted)?
    }
}

async fn revoke(vault: Vault, token: Undo) -> Result<(), VaultError> {
    let clear = match token {
        Undo::Clear(token) => Some(token),
        Undo::Wrapped(token) => {
            let unwrapped = vault.send(Call::post("sys/wrapping/unwrap").wrapping_token(&token)).await?;
            unwrapped.auth.map(|Auth { client_token, .. }| client_token)
        }
    };
    match clear {
        Some(token) => vault.send(Call::post(REVOKE_SELF).token(&token)).await.map(|_| ()),
        // What was wrapped is not a token: there is nothing to revoke.
        None => Ok(()),
    }
}
