//! Vault's JWT auth method: a JWT that somebody signed for the function, from a file or from AWS.
//!
//! Receives the settings and, at each login, a JWT; produces what Vault granted. Vault judges the content of the JWT,
//! `sts-identity` signs the request that asks AWS for one, and the session keeps the token.
//!
//! Vault documentation, "JWT/OIDC auth method (API)", `POST /auth/jwt/login`.

use std::sync::Arc;

use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    mint::MintError,
    names::{MountPath, RoleName},
};
use aws_credential_types::provider::ProvideCredentials;
use serde::Serialize;
use sts_identity::{
    Audience, SignedRequest, StsEndpoint, WebIdentityError, WebIdentityRequest, WebIdentityToken,
    sign_get_web_identity_token,
};
use vault_transport::Vault;

use super::{
    Granted, Login, LoginFuture, post,
    secret::{LoginSecret, SecretFile},
    unusable,
};
use crate::sts::StsClient;
use crate::vault::repeat::time_for_a_call;

/// How to log in with a JWT.
#[derive(Debug)]
pub struct JwtLoginSettings {
    /// Where the auth method is mounted.
    pub mount: MountPath,
    /// Its role.
    pub role: RoleName,
    /// Where the JWT comes from.
    pub jwt: JwtSource,
}

/// Where a JWT comes from, anew for each login.
#[derive(Debug)]
pub enum JwtSource {
    /// A file, which somebody else keeps fresh.
    File(SecretFile),
    /// `sts:GetWebIdentityToken`: AWS says who the function's role is. No secret is stored.
    WebIdentity {
        /// Whom the JWT is for: one of the role's `bound_audiences` at Vault.
        audience: Audience,
        /// The STS that is asked.
        sts: StsEndpoint,
    },
}

/// The login with a JWT.
pub struct JwtLogin {
    settings: JwtLoginSettings,
    sts: StsClient,
    credentials: Box<dyn ProvideCredentials>,
    clock: Arc<dyn Clock>,
}

impl JwtLogin {
    /// A login that asks `credentials` and STS each time, where its JWT comes from there.
    pub fn new(
        settings: JwtLoginSettings,
        sts: StsClient,
        credentials: Box<dyn ProvideCredentials>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { settings, sts, credentials, clock }
    }

    async fn log_in(&self, vault: &Vault, deadline: UnixTime) -> Result<Granted, MintError> {
        let jwt = self.jwt(deadline).await?;
        let time = time_for_a_call(deadline, self.clock.now())?;
        let JwtLoginSettings { mount, role, .. } = &self.settings;
        post(vault, mount, &Body { role: role.as_str(), jwt: jwt.expose() }, time).await
    }

    /// The errors are about a file, credentials or STS; none quotes a value.
    async fn jwt(&self, deadline: UnixTime) -> Result<LoginSecret, MintError> {
        match &self.settings.jwt {
            JwtSource::File(file) => file.read().map_err(|error| unusable(&error)),
            JwtSource::WebIdentity { audience, sts } => {
                let request = self.signed(audience, sts).await?;
                let time = time_for_a_call(deadline, self.clock.now())?;
                let away = |reason| MintError::LoginSts { reason };
                let answer = tokio::time::timeout(time, self.sts.send(&request)).await;
                let answer = answer.map_err(|_elapsed| away("no answer in time".to_owned()))?;
                let answer = answer.map_err(|error| away(with_causes(&error)))?;
                let token = WebIdentityToken::read(answer).map_err(|error| match error {
                    WebIdentityError::Unavailable { reason } => away(reason),
                    refused @ WebIdentityError::Refused { .. } => unusable(&refused),
                })?;
                let jwt = LoginSecret::parse(token.expose());
                jwt.map_err(|error| MintError::LoginCredentials { reason: format!("the JWT of STS {error}") })
            }
        }
    }

    async fn signed(&self, audience: &Audience, endpoint: &StsEndpoint) -> Result<SignedRequest, MintError> {
        let credentials = self.credentials.provide_credentials().await.map_err(|error| unusable(&error))?;
        let now = self.clock.now().to_system_time();
        let request = WebIdentityRequest { credentials: &credentials, endpoint, audience, now };
        sign_get_web_identity_token(request).map_err(|error| unusable(&error))
    }
}

impl Login for JwtLogin {
    fn login<'a>(&'a self, vault: &'a Vault, deadline: UnixTime) -> LoginFuture<'a> {
        Box::pin(self.log_in(vault, deadline))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    role: &'a str,
    jwt: &'a str,
}
