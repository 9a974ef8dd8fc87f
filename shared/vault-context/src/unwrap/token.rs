//! The token after all checks: [`Unwrapped`], and what you read with it: [`Secret`].
//!
//! Receives what [`super::Inspected::unwrap`] proved; produces secrets. The integration uses them, and says when it
//! no longer needs them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;

use super::REVOKE_SELF;
use super::lag::{self, Life};
use crate::context::Caller;
use crate::vault::{Auth, Call, Lease, Vault, VaultAnswer, VaultError, VaultErrorKind};

/// A Vault token that passed every check, and who it was made for.
///
/// Dropping it leaves the token to its own TTL. [`Unwrapped::revoke`] is called by hand and never on drop: revoking a
/// token ends the leases read with it, so a database password in use would die with the variable that held the token.
#[must_use = "an unwrapped token is to be used and revoked"]
pub struct Unwrapped {
    vault: Vault,
    auth: Auth,
    grant: String,
    caller: Caller,
    creation_path: String,
    life: Life,
    used: AtomicU64,
}

impl Unwrapped {
    /// The one constructor: only `unwrap` calls it, after its checks.
    pub(super) fn assertion(
        vault: Vault,
        auth: Auth,
        grant: String,
        caller: Caller,
        creation_path: String,
    ) -> Self {
        let (life, used) = (super::life(&auth), AtomicU64::new(0));
        Self { vault, auth, grant, caller, creation_path, life, used }
    }

    /// Who is calling, as the authorizer verified it.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Name of the grant that matched the caller.
    #[must_use]
    pub fn grant(&self) -> &str {
        &self.grant
    }

    /// The path the token was made at.
    #[must_use]
    pub fn creation_path(&self) -> &str {
        &self.creation_path
    }

    /// The token's handle: safe to log, and what joins this log with the authorizer's and Vault's.
    #[must_use]
    pub fn accessor(&self) -> &str {
        &self.auth.accessor
    }

    /// The token's policies.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.auth.policies
    }

    /// How long the token lives, in seconds, from when it was made.
    #[must_use]
    pub fn lease_duration_seconds(&self) -> u64 {
        self.auth.lease_duration
    }

    /// Reads `path`. A KV version 2 secret is at `<mount>/data/<name>`, and its fields are in `data.data`
    /// (<https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>).
    ///
    /// # Errors
    /// [`VaultError`]; an answer without data is [`VaultErrorKind::AnswerInvalid`].
    pub async fn read(&self, path: &str) -> Result<Secret, VaultError> {
        // Sent again also after an answer that may have counted: only where nothing counts.
        let passes = if self.auth.num_uses == 0 { lag::may_be_answered_soon } else { VaultError::may_be_lag };
        let secret = self.secret(Call::get(path), passes).await?;
        if secret.data.is_null() {
            let reason = "it holds no data".to_owned();
            return Err(VaultErrorKind::AnswerInvalid { reason }.at(path));
        }
        Ok(secret)
    }

    /// Writes `body` to `path`, such as `pki/issue/<role>` or `transit/encrypt/<key>`. An answer without data leaves
    /// [`Secret::data`] null.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn write(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Result<Secret, VaultError> {
        self.send(Call::post(path).body(body)?).await
    }

    /// Sends any other call with this token. An answer without data leaves [`Secret::data`] null.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn send(&self, call: Call) -> Result<Secret, VaultError> {
        self.secret(call, VaultError::may_be_lag).await
    }

    async fn secret(&self, call: Call, passes: fn(&VaultError) -> bool) -> Result<Secret, VaultError> {
        let answer = self.answer(call, passes).await?;
        if let Some(lease) = &answer.lease {
            self.log(lease);
        }
        Ok(Secret { data: answer.data.unwrap_or_default(), lease: answer.lease })
    }

    /// Gives the token back (`auth/token/revoke-self`), and with it every lease read with it. Call it when the secret is
    /// no longer used. Counts as one of the token's `num_uses`.
    ///
    /// # Errors
    /// [`VaultError`]; the token then ends by its own TTL.
    pub async fn revoke(self) -> Result<(), VaultError> {
        self.give_back().await
    }

    /// For a token that is shared.
    pub(crate) async fn give_back(&self) -> Result<(), VaultError> {
        self.answer(Call::post(REVOKE_SELF), VaultError::may_be_lag).await.map(|_empty| ())
    }

    /// What a node refuses since it does not know the token yet is sent again, for two seconds at most: that node did nothing.
    async fn answer(&self, call: Call, passes: fn(&VaultError) -> bool) -> Result<VaultAnswer, VaultError> {
        let used_up = self.auth.num_uses > 0 && self.used.load(Ordering::Relaxed) >= self.auth.num_uses;
        let life = if used_up { Life::over() } else { self.life };
        let call = call.token(&self.auth.client_token);
        let outcome = lag::send_until(passes, &self.vault, call, life).await;
        // A node that knows the token counts the use, also where it refuses the call.
        if !outcome.as_ref().is_err_and(|error| error.may_be_lag() || error.request_not_sent()) {
            self.used.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// A lease id names and revokes a secret, so a hash of it stands in the log, as in Vault's audit log.
    fn log(&self, lease: &Lease) {
        tracing::info!(
            lease_id_sha256 = %sha256_hex(&lease.id),
            lease_seconds = lease.duration_seconds,
            accessor = %self.auth.accessor,
            "Vault gave a lease"
        );
    }
}

impl fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapped")
            .field("grant", &self.grant)
            .field("accessor", &self.auth.accessor)
            .field("policies", &self.auth.policies)
            .field("lease_duration", &self.auth.lease_duration)
            .finish_non_exhaustive()
    }
}

/// What was read. `Debug` shows the lease alone.
#[derive(Clone)]
pub struct Secret {
    /// The secret, as Vault wrote it.
    pub data: Value,
    /// The lease of a dynamic secret.
    pub lease: Option<Lease>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("lease", &self.lease).finish_non_exhaustive()
    }
}

fn sha256_hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_everyone_else_does() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn debug_of_a_secret_is_exactly_its_lease() {
        let lease = Lease { id: "database/creds/x/abc".into(), duration_seconds: 60, renewable: true };
        let secret = Secret { data: serde_json::json!({"password": "hunter2"}), lease: Some(lease) };
        assert_eq!(
            format!("{secret:?}"),
            "Secret { lease: Some(Lease { duration_seconds: 60, renewable: true, .. }), .. }"
        );
    }
}
