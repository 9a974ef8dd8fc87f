//! What integrations read most: a KV version 2 secret ([`Kv`]), and credentials of a database ([`Database`]).
//!
//! Receives an [`Unwrapped`] token and names; produces the secret in the form in which you use it. Use
//! [`Unwrapped::read`] and [`Unwrapped::write`] for other engines.

use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::token::{Secret, Unwrapped};
use crate::vault::{Lease, VaultError, VaultErrorKind};

/// A KV version 2 engine, by its mount (<https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>). Version 1 is read
/// with [`Unwrapped::read`].
#[derive(Debug, Clone, Copy)]
pub struct Kv<'t> {
    token: &'t Unwrapped,
    mount: &'t str,
}

/// A database secrets engine, by its mount (<https://developer.hashicorp.com/vault/api-docs/secret/databases>).
#[derive(Debug, Clone, Copy)]
pub struct Database<'t> {
    token: &'t Unwrapped,
    mount: &'t str,
}

/// A user of the database that lives no longer than the token that asked for it. `Debug` shows neither name nor password.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    password: Zeroizing<String>,
    /// How long they are good for, unless the token ends or is revoked before.
    pub lease: Lease,
}

impl Unwrapped {
    /// The KV version 2 engine at `mount`: `token.kv("secret").get("prod/orders")`.
    #[must_use]
    pub fn kv<'t>(&'t self, mount: &'t str) -> Kv<'t> {
        Kv { token: self, mount }
    }

    /// The database engine at `mount`: `token.database("database").credentials("orders")`.
    #[must_use]
    pub fn database<'t>(&'t self, mount: &'t str) -> Database<'t> {
        Database { token: self, mount }
    }
}

impl Kv<'_> {
    /// The fields of the newest version of the secret at `path`.
    ///
    /// # Errors
    /// [`VaultError`]; an answer without fields, as of KV version 1, is [`VaultErrorKind::AnswerInvalid`].
    pub async fn get(&self, path: &str) -> Result<Map<String, Value>, VaultError> {
        let path = format!("{}/data/{path}", self.mount);
        match self.token.read(&path).await?.data.get_mut("data").map(Value::take) {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(invalid(&path, "it holds no fields of a KV version 2 secret")),
        }
    }
}

impl Database<'_> {
    /// New credentials of `role`. They end with their lease, and with the token: [`Unwrapped::revoke`] takes them along.
    ///
    /// # Errors
    /// [`VaultError`]; an answer without name, password or lease is [`VaultErrorKind::AnswerInvalid`].
    pub async fn credentials(&self, role: &str) -> Result<Credentials, VaultError> {
        let path = format!("{}/creds/{role}", self.mount);
        let Secret { mut data, lease } = self.token.read(&path).await?;
        let mut text = |name| match data.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        match (text("username"), text("password").map(Zeroizing::new), lease) {
            (Some(username), Some(password), Some(lease)) => Ok(Credentials { username, password, lease }),
            _ => Err(invalid(&path, "it holds no user name and password with a lease")),
        }
    }
}

impl Credentials {
    /// The password in clear.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("lease", &self.lease).finish_non_exhaustive()
    }
}

fn invalid(path: &str, reason: &str) -> VaultError {
    VaultErrorKind::AnswerInvalid { reason: reason.to_owned() }.at(path)
}
