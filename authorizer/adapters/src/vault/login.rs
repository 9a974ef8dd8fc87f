//! How the authorizer logs in to Vault. This part is common to all methods: `POST auth/<mount>/login`, and what Vault
//! granted.
//!
//! Receives the mount, the body and the time limit. Sends the login once and produces what was granted. It also says
//! whether the answer to a renewal grants anything. The methods write the proof in the body, and
//! [`repeat`](super::repeat) tries again.

mod approle;
mod aws;
mod jwt;
mod secret;

use std::{collections::BTreeSet, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    mint::MintError,
    names::MountPath,
};
use aws_credential_types::provider::ProvideCredentials;
use serde::Serialize;
use vault_api::{Auth, VaultAnswer, VaultErrorKind, VaultToken};
use vault_transport::{Call, Vault};

use crate::sts::StsClient;

pub use self::approle::{AppRoleLogin, AppRoleLoginSettings, SecretId};
pub use self::aws::{AwsLogin, AwsLoginSettings};
pub use self::jwt::{JwtLogin, JwtLoginSettings, JwtSource};
pub use self::secret::{InvalidSecret, LoginSecret, SecretFile, SecretFileError};

/// How the authorizer gets its own token.
pub enum LoginSettings {
    /// With its IAM role.
    Aws(AwsLoginSettings),
    /// With a JWT, of a file or of AWS.
    Jwt(JwtLoginSettings),
    /// With a role id and a secret id.
    AppRole(AppRoleLoginSettings),
    /// With a token of the configuration, for development.
    Token(VaultToken),
}

impl fmt::Debug for LoginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(settings) => f.debug_tuple("Aws").field(settings).finish(),
            Self::Jwt(settings) => f.debug_tuple("Jwt").field(settings).finish(),
            Self::AppRole(settings) => f.debug_tuple("AppRole").field(settings).finish(),
            Self::Token(_) => f.write_str("Token(** redacted **)"),
        }
    }
}

impl LoginSettings {
    pub(super) fn by_its_method(
        self,
        sts: StsClient,
        credentials: Box<dyn ProvideCredentials>,
        clock: Arc<dyn Clock>,
    ) -> BoxedLogin {
        match self {
            Self::Aws(settings) => Box::new(AwsLogin::new(settings, credentials, clock)),
            Self::Jwt(settings) => Box::new(JwtLogin::new(settings, sts, credentials, clock)),
            Self::AppRole(settings) => Box::new(AppRoleLogin::new(settings, clock)),
            Self::Token(token) => Box::new(TokenLogin::new(token)),
        }
    }
}

/// One way to get a token. Returns what Vault said.
pub trait Login: Send + Sync {
    /// Logs in, by one call to Vault. Ends before the deadline, also where Vault, or whoever else is asked, does not answer.
    fn login<'a>(&'a self, vault: &'a Vault, deadline: UnixTime) -> LoginFuture<'a>;
}

/// What a login gives when it is done.
pub type LoginFuture<'a> = Pin<Box<dyn Future<Output = Result<Granted, MintError>> + Send + 'a>>;

/// Any login.
pub type BoxedLogin = Box<dyn Login>;

/// A token and for how long it is good.
pub struct Granted {
    /// The authorizer's token.
    pub token: VaultToken,
    /// Its life from now, in seconds; `None` where it is not known to end.
    pub ttl_seconds: Option<u64>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// What else the login's answer says of it. The function does not need it: it tries, and Vault decides.
    pub powers: Powers,
}

/// What decides whether Vault will let a token mint, beside its life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// The token's handle: safe to show. Empty for a batch token.
    pub accessor: String,
    /// Every policy in effect: the token's own, and those of its entity and groups.
    pub policies: BTreeSet<String>,
    /// `service` or `batch`.
    pub token_type: String,
    /// How many calls it is good for; 0 is without limit.
    pub num_uses: u64,
}

impl From<Auth> for Granted {
    fn from(auth: Auth) -> Self {
        let ttl_seconds = Some(auth.lease_duration).filter(|seconds| *seconds > 0);
        let policies = auth.policies.into_iter().chain(auth.token_policies).chain(auth.identity_policies);
        let powers = Powers {
            accessor: auth.accessor,
            policies: policies.collect(),
            token_type: auth.token_type,
            num_uses: auth.num_uses,
        };
        Self { token: auth.client_token, ttl_seconds, renewable: auth.renewable, powers }
    }
}

/// A token of the configuration, for development: used as it is.
pub struct TokenLogin(VaultToken);

impl TokenLogin {
    /// A login with this token.
    pub fn new(token: VaultToken) -> Self {
        Self(token)
    }
}

impl Login for TokenLogin {
    fn login<'a>(&'a self, _vault: &'a Vault, _deadline: UnixTime) -> LoginFuture<'a> {
        let granted =
            Granted { token: self.0.clone(), ttl_seconds: None, renewable: false, powers: Powers::default() };
        Box::pin(std::future::ready(Ok(granted)))
    }
}

/// Logs in with `body`, in `time`, and takes what Vault granted, if its answer holds a token and all that belongs to one.
pub(super) async fn post(
    vault: &Vault,
    mount: &MountPath,
    body: &impl Serialize,
    time: Duration,
) -> Result<Granted, MintError> {
    let path = format!("auth/{mount}/login");
    let call = Call::post(&path).timeout(time).body(body).map_err(MintError::Login)?;
    let answer = vault.send(call).await.map_err(MintError::Login)?;
    auth(answer, path).map(Granted::from)
}

/// What the method logs in with is absent, or of no use.
pub(super) fn unusable(error: &(dyn Error + 'static)) -> MintError {
    MintError::LoginCredentials { reason: with_causes(error) }
}

/// The `auth` of an answer, if it is whole: of a malformed one only the token is left, and its life would be without end.
pub(super) fn auth(answer: VaultAnswer, path: String) -> Result<Auth, MintError> {
    let odd = || {
        VaultErrorKind::AnswerInvalid { reason: "its `auth` is missing or incomplete".to_owned() }.at(path)
    };
    answer.auth.filter(|_| !answer.malformed).ok_or_else(odd).map_err(MintError::Login)
}
