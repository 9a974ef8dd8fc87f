//! Vault's AppRole auth method: a role id and a secret id.
//!
//! Receives the settings; produces what Vault granted. The session keeps the token.
//!
//! Vault documentation, "AppRole auth method (API)", `POST /auth/approle/login`.

use std::sync::Arc;

use authorizer_steps::{
    clock::{Clock, UnixTime},
    mint::MintError,
    names::MountPath,
};
use serde::Serialize;
use vault_transport::Vault;

use super::{
    Granted, Login, LoginFuture, post,
    secret::{LoginSecret, SecretFile},
    unusable,
};
use crate::vault::repeat::time_for_a_call;

/// How to log in as an AppRole.
#[derive(Debug)]
pub struct AppRoleLoginSettings {
    /// Where the auth method is mounted.
    pub mount: MountPath,
    /// Which role. No secret to Vault, and half of a login all the same.
    pub role_id: LoginSecret,
    /// What proves it.
    pub secret_id: SecretId,
}

/// Where the secret id comes from.
#[derive(Debug)]
pub enum SecretId {
    /// The configuration.
    Given(LoginSecret),
    /// A file, read at each login.
    File(SecretFile),
}

/// The login as an AppRole.
pub struct AppRoleLogin {
    settings: AppRoleLoginSettings,
    clock: Arc<dyn Clock>,
}

impl AppRoleLogin {
    /// A login by these settings.
    pub fn new(settings: AppRoleLoginSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    async fn log_in(&self, vault: &Vault, deadline: UnixTime) -> Result<Granted, MintError> {
        let AppRoleLoginSettings { mount, role_id, secret_id } = &self.settings;
        let read;
        let secret_id = match secret_id {
            SecretId::Given(secret_id) => secret_id,
            SecretId::File(file) => {
                read = file.read().map_err(|error| unusable(&error))?;
                &read
            }
        };
        let body = Body { role_id: role_id.expose(), secret_id: secret_id.expose() };
        let time = time_for_a_call(deadline, self.clock.now())?;
        post(vault, mount, &body, time).await
    }
}

impl Login for AppRoleLogin {
    fn login<'a>(&'a self, vault: &'a Vault, deadline: UnixTime) -> LoginFuture<'a> {
        Box::pin(self.log_in(vault, deadline))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}
