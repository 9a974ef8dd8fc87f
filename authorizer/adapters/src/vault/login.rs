//! What every login at Vault has in common: `POST auth/<mount>/login`, and what Vault granted.
//!
//! Receives the mount, the body and how long it may take; sends it once and produces what was granted. Says of a renewal's
//! answer, too, whether it grants anything. Leaves the proof in the body to the methods, and trying again to
//! [`repeat`](super::repeat).

use std::time::Duration;

use authorizer_steps::{mint::MintError, names::MountPath};
use serde::Serialize;
use vault_api::{Answer, Auth, VaultErrorKind};
use vault_transport::{Call, Vault};

use super::session::Granted;

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

/// The `auth` of an answer, if it is whole: of a malformed one only the token is left, and its life would be without end.
pub(super) fn auth(answer: Answer, path: String) -> Result<Auth, MintError> {
    let odd = || VaultErrorKind::AnswerInvalid { reason: "it holds no whole `auth`".to_owned() }.at(path);
    answer.auth.filter(|_| !answer.malformed).ok_or_else(odd).map_err(MintError::Login)
}
