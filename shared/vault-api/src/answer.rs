//! Vault's answer to one call: [`VaultAnswer`] and its parts.
//!
//! Receives the body of a successful answer; produces typed parts, and tolerates `null` where Vault writes it. The
//! callers check that the parts are those that they asked for. Every `Debug` is written by hand, so that tokens,
//! `data` and any field added later never show.
//!
//! ```text
//! {"request_id":"…","lease_id":"","renewable":false,"lease_duration":0,"data":…,"warnings":null,
//!  "auth":{"client_token":"…","accessor":"…",…},"wrap_info":{"token":"…","accessor":"…","ttl":60,…}}
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::error::{VaultError, VaultErrorKind};
use crate::token::{VaultToken, WrappingToken};

/// What Vault answered. A 204 is an answer with nothing in it.
#[derive(Clone, Default)]
pub struct VaultAnswer {
    /// A token in clear, from a login, a token creation or an unwrap.
    pub auth: Option<Auth>,
    /// A wrapping token, when wrapping was asked for.
    pub wrap_info: Option<WrapInfo>,
    /// What was read. May be a secret: never printed.
    pub data: Option<Value>,
    /// The lease of a dynamic secret.
    pub lease: Option<Lease>,
    /// What Vault did differently from what it was asked.
    pub warnings: Vec<String>,
    /// The answer is not of Vault's documented form, and holds a token: in [`VaultAnswer::auth`] or [`VaultAnswer::wrap_info`],
    /// alone, with everything beside it empty. For giving it back, and for nothing else.
    pub malformed: bool,
}

/// A Vault token in clear and what it may do (<https://developer.hashicorp.com/vault/api-docs/auth/token>).
#[derive(Clone, Deserialize)]
pub struct Auth {
    /// The token.
    pub client_token: VaultToken,
    /// The token's handle: safe to log. Empty for a batch token.
    #[serde(default, deserialize_with = "or_default")]
    pub accessor: String,
    /// All policies in effect.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Vec<String>,
    /// Those that come with the token.
    #[serde(default, deserialize_with = "or_default")]
    pub token_policies: Vec<String>,
    /// Those that come with the entity behind the token.
    #[serde(default, deserialize_with = "or_default")]
    pub identity_policies: Vec<String>,
    /// What the creator attached. Vault's audit log shows it in clear.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// How long the token lives, in seconds, from when it was made. 0 is a token without end.
    #[serde(default, deserialize_with = "or_default")]
    pub lease_duration: u64,
    /// Whether it can be renewed.
    #[serde(default, deserialize_with = "or_default")]
    pub renewable: bool,
    /// How many calls it is good for; 0 is without limit.
    #[serde(default, deserialize_with = "or_default")]
    pub num_uses: u64,
    /// Whether it outlives the token that made it.
    #[serde(default, deserialize_with = "or_default")]
    pub orphan: bool,
    /// The entity behind it, or empty.
    #[serde(default, deserialize_with = "or_default")]
    pub entity_id: String,
    /// `service` or `batch`.
    #[serde(default, deserialize_with = "or_default")]
    pub token_type: String,
}

/// A wrapping token and what Vault says of it
/// (<https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>).
#[derive(Clone, Deserialize)]
pub struct WrapInfo {
    /// The single-use token.
    pub token: WrappingToken,
    /// Handle of the wrapping token itself.
    #[serde(default, deserialize_with = "or_default")]
    pub accessor: String,
    /// How long the wrapping token lives, in seconds.
    pub ttl: u64,
    /// The path whose answer is inside; without namespace.
    pub creation_path: String,
    /// Handle of the token inside; absent when there is none, or it is a batch token.
    #[serde(default, deserialize_with = "non_empty")]
    pub wrapped_accessor: Option<String>,
}

/// The lease of a dynamic secret (<https://developer.hashicorp.com/vault/docs/concepts/lease>).
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    /// The lease id. It names the path and can revoke the secret: log a hash of it.
    pub id: String,
    /// How long the secret lives, in seconds, unless the token ends before.
    pub duration_seconds: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    wrap_info: Option<WrapInfo>,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default, deserialize_with = "or_default")]
    lease_id: String,
    #[serde(default, deserialize_with = "or_default")]
    lease_duration: u64,
    #[serde(default, deserialize_with = "or_default")]
    renewable: bool,
    #[serde(default, deserialize_with = "or_default")]
    warnings: Vec<String>,
}

impl VaultAnswer {
    /// Reads the body of a successful answer to a call of `path`.
    ///
    /// # Errors
    /// [`VaultErrorKind::AnswerInvalid`].
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, VaultError> {
        // serde would read a list as the struct's fields in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            let reason = "the answer is not a JSON object".to_owned();
            return Err(VaultErrorKind::AnswerInvalid { reason }.at(path));
        }
        let body: Body = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return salvaged(body).ok_or_else(|| invalid(path, &error)),
        };
        let lease =
            Lease { id: body.lease_id, duration_seconds: body.lease_duration, renewable: body.renewable };
        Ok(Self {
            auth: body.auth,
            wrap_info: body.wrap_info,
            data: body.data,
            lease: Some(lease).filter(|lease| !lease.id.is_empty()),
            warnings: body.warnings,
            malformed: false,
        })
    }
}

/// The tokens of an answer that could not be read: they exist, so somebody must be able to revoke them.
fn salvaged(body: &[u8]) -> Option<VaultAnswer> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |part: &str, name: &str| Some(body.get(part)?.get(name)?.as_str()?.to_owned());
    let auth = text("auth", "client_token").map(|token| json!({ "client_token": token }));
    let wrap_info =
        text("wrap_info", "token").map(|token| json!({"token": token, "ttl": 0, "creation_path": ""}));
    let auth = auth.and_then(|auth| serde_json::from_value(auth).ok());
    let wrap_info = wrap_info.and_then(|wrap_info| serde_json::from_value(wrap_info).ok());
    let found = auth.is_some() || wrap_info.is_some();
    found.then(|| VaultAnswer { auth, wrap_info, malformed: true, ..VaultAnswer::default() })
}

/// Says where the body went wrong and not how: serde's own text quotes values, and a value can be a token.
fn invalid(path: &str, error: &serde_json::Error) -> VaultError {
    let what = if error.is_data() {
        "the answer does not have the form of Vault's"
    } else {
        "the answer is not JSON"
    };
    let reason = format!("{what}, at line {} column {}", error.line(), error.column());
    VaultErrorKind::AnswerInvalid { reason }.at(path)
}

/// Vault writes `null` where it means nothing.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

fn non_empty<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value).map(|text| text.filter(|text: &String| !text.is_empty()))
}

impl fmt::Debug for VaultAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultAnswer")
            .field("auth", &self.auth)
            .field("wrap_info", &self.wrap_info)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("accessor", &self.accessor)
            .field("policies", &self.policies)
            .field("identity_policies", &self.identity_policies)
            .field("lease_duration", &self.lease_duration)
            .field("renewable", &self.renewable)
            .field("num_uses", &self.num_uses)
            .field("orphan", &self.orphan)
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WrapInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapInfo")
            .field("accessor", &self.accessor)
            .field("ttl", &self.ttl)
            .field("creation_path", &self.creation_path)
            .field("wrapped_accessor", &self.wrapped_accessor)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("duration_seconds", &self.duration_seconds)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
