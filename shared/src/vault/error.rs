//! What can go wrong with one call to Vault: [`VaultError`], in the terms of who has to act.
//!
//! Receives transport errors and Vault's refusals; produces variants whose texts hold the path, the status and a
//! sanitised message. What becomes of them (a retry, a new login, a 503) is left to the callers.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::message;
use crate::http::TransportError;

/// Why a call to Vault gave no answer. Each variant names the call's path; none holds a token.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The call was not sent: its path, its body or its wrap TTL is not one to send.
    #[error("`{path}` cannot be called: {reason}")]
    CallInvalid {
        /// The call's path.
        path: String,
        /// What is wrong with the call.
        reason: &'static str,
    },
    /// No connection, or a connection that broke.
    #[error("Vault could not be reached for `{path}`")]
    Unreachable {
        /// The call's path.
        path: String,
        /// The HTTP client's reason, without the URL.
        source: TransportError,
    },
    /// The time was up before the answer was complete. Vault may have done what it was asked.
    #[error("Vault did not answer `{path}` in time")]
    TimedOut {
        /// The call's path.
        path: String,
    },
    /// Vault is sealed.
    #[error("Vault is sealed (`{path}`)")]
    Sealed {
        /// The call's path.
        path: String,
    },
    /// A rate limit is used up (429): a quota of Vault's, or that of something before it.
    #[error("Vault's rate limit refused `{path}`")]
    Throttled {
        /// The call's path.
        path: String,
        /// Vault's `Retry-After`, in seconds, if it sends one.
        retry_after_seconds: Option<u64>,
    },
    /// Vault, or what stands before it, cannot answer now: 5xx, 412 or a 429 without a word (a node that lags behind), a 307
    /// (a standby that cannot reach the active node), a 404 that is not Vault's, the health codes 472, 473, 474 and 530, and a
    /// leader lost half way.
    #[error("Vault cannot answer `{path}` now (status {status}): {message}")]
    Unavailable {
        /// The call's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Vault's message, sanitised.
        message: String,
    },
    /// The token sent is unknown, expired, revoked, used up, or not for this address (403).
    #[error("Vault does not know the token sent to `{path}`, or not any more")]
    TokenNotValid {
        /// The call's path.
        path: String,
    },
    /// The token is good, and its policies do not allow this call (403).
    #[error("the token's policies do not allow `{path}`")]
    Forbidden {
        /// The call's path.
        path: String,
    },
    /// The wrapping token is used up, expired or was never one (400; Vault does not say which).
    #[error("Vault does not know the wrapping token sent to `{path}`, or not any more")]
    WrappingTokenNotValid {
        /// The call's path.
        path: String,
    },
    /// Any other refusal (4xx).
    #[error("Vault refused `{path}` (status {status}): {message}")]
    Refused {
        /// The call's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Vault's message, sanitised.
        message: String,
    },
    /// What came back is not an answer of Vault's.
    #[error("the answer to `{path}` is not one of Vault's: {reason}")]
    AnswerInvalid {
        /// The call's path.
        path: String,
        /// What is wrong with it; never quotes it.
        reason: String,
    },
    /// The answer is longer than this side is ready to hold.
    #[error("the answer to `{path}` is longer than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// The call's path.
        path: String,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

impl VaultError {
    /// Whether the request certainly never reached Vault, so that repeating it cannot do anything twice.
    #[must_use]
    pub fn request_not_sent(&self) -> bool {
        match self {
            Self::CallInvalid { .. } => true,
            Self::Unreachable { source, .. } => source.is_connect(),
            Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::TokenNotValid { .. }
            | Self::Forbidden { .. }
            | Self::WrappingTokenNotValid { .. }
            | Self::Refused { .. }
            | Self::AnswerInvalid { .. }
            | Self::AnswerTooLarge { .. } => false,
        }
    }

    /// Whether the cause is Vault's or the network's state, which passes, and not the call. A client is told 503.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Throttled { .. }
            | Self::Unavailable { .. } => true,
            Self::CallInvalid { .. }
            | Self::TokenNotValid { .. }
            | Self::Forbidden { .. }
            | Self::WrappingTokenNotValid { .. }
            | Self::Refused { .. }
            | Self::AnswerInvalid { .. }
            | Self::AnswerTooLarge { .. } => false,
        }
    }

    /// Whether Vault may have done what it was asked, although no answer says so: a token may have been minted, or revoked.
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match self {
            Self::Unreachable { .. } => !self.request_not_sent(),
            // A standby that names another node, or that lags behind, did nothing itself; nor did a proxy without a Vault.
            Self::Unavailable { status, .. } => !matches!(status, 307 | 404 | 412 | 429),
            Self::TimedOut { .. } | Self::AnswerInvalid { .. } | Self::AnswerTooLarge { .. } => true,
            Self::CallInvalid { .. }
            | Self::Sealed { .. }
            | Self::Throttled { .. }
            | Self::TokenNotValid { .. }
            | Self::Forbidden { .. }
            | Self::WrappingTokenNotValid { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Whether the node that answered may only lag behind the others: it has not heard of the token yet, or it says itself
    /// that it lags (412, a 429 without a word). It did nothing, and it did not count a use of the token, which only a node
    /// that knows the token can.
    #[must_use]
    pub fn may_be_lag(&self) -> bool {
        match self {
            Self::TokenNotValid { .. } | Self::WrappingTokenNotValid { .. } => true,
            Self::Unavailable { status, .. } => matches!(status, 412 | 429),
            Self::CallInvalid { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Throttled { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::AnswerInvalid { .. }
            | Self::AnswerTooLarge { .. } => false,
        }
    }

    /// Whether another node of the cluster might have answered: this one failed, lags behind, or broke off. A quota is the
    /// cluster's, and where no connection came about there is none to give up.
    pub(super) fn may_be_one_nodes_own(&self) -> bool {
        self.is_outage() && !self.request_not_sent() && !matches!(self, Self::Throttled { .. })
    }

    /// A stable name for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CallInvalid { .. } => "vault_call_invalid",
            Self::Unreachable { .. } => "vault_unreachable",
            Self::TimedOut { .. } => "vault_timed_out",
            Self::Sealed { .. } => "vault_sealed",
            Self::Throttled { .. } => "vault_throttled",
            Self::Unavailable { .. } => "vault_unavailable",
            Self::TokenNotValid { .. } => "vault_token_not_valid",
            Self::Forbidden { .. } => "vault_forbidden",
            Self::WrappingTokenNotValid { .. } => "vault_wrapping_token_not_valid",
            Self::Refused { .. } => "vault_refused",
            Self::AnswerInvalid { .. } => "vault_answer_invalid",
            Self::AnswerTooLarge { .. } => "vault_answer_too_large",
        }
    }

    /// The path of the call.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::CallInvalid { path, .. }
            | Self::Unreachable { path, .. }
            | Self::TimedOut { path }
            | Self::Sealed { path }
            | Self::Throttled { path, .. }
            | Self::Unavailable { path, .. }
            | Self::TokenNotValid { path }
            | Self::Forbidden { path }
            | Self::WrappingTokenNotValid { path }
            | Self::Refused { path, .. }
            | Self::AnswerInvalid { path, .. }
            | Self::AnswerTooLarge { path, .. } => path,
        }
    }

    /// A connection that took too long to open is unreachable, not timed out: nothing was sent on it.
    pub(super) fn from_transport(path: &str, error: reqwest::Error) -> Self {
        let path = path.to_owned();
        if error.is_timeout() && !error.is_connect() {
            Self::TimedOut { path }
        } else {
            Self::Unreachable { path, source: error.into() }
        }
    }

    /// Maps a 4xx or 5xx. The texts are Vault's and OpenBao's own; only `message` ever leaves this function, and only
    /// sanitised, since Vault echoes what it was sent (an STS error quotes the signed request with its session token).
    pub(super) fn from_refusal(
        path: &str,
        sent_token: Option<&str>,
        status: u16,
        retry_after_seconds: Option<u64>,
        body: &[u8],
    ) -> Self {
        let texts = texts(body);
        let path = path.to_owned();
        let message = || {
            let message = message::sanitised(texts.first().map_or("", String::as_str), sent_token);
            if message.trim().is_empty() { no_reason(body).to_owned() } else { message }
        };
        let says = |words: &str| texts.iter().any(|text| text.contains(words));
        match status {
            // A quota of Vault's names the path. A standby that lags behind has an empty list of errors, and of OpenBao's a
            // `Retry-After`, too. No body at all is neither's: then a `Retry-After` tells the limit of something before Vault.
            429 if texts.is_empty() && (retry_after_seconds.is_none() || !is_blank(body)) => {
                Self::Unavailable { path, status, message: message() }
            }
            429 => Self::Throttled { path, retry_after_seconds },
            503 if says("Vault is sealed") => Self::Sealed { path },
            400 if says("wrapping token is not valid or does not exist") => {
                Self::WrappingTokenNotValid { path }
            }
            400 if says("leadership lost") => Self::Unavailable { path, status, message: message() },
            // Without a token a 403 speaks of the path alone: a login at a mount that is not there, for one.
            403 if sent_token.is_none() => Self::Refused { path, status, message: message() },
            403 if says("invalid token") || texts.iter().any(|text| text == "permission denied") => {
                Self::TokenNotValid { path }
            }
            403 if says("permission denied") => Self::Forbidden { path },
            // A proxy without a backend. It must not pass for a Vault in which there is nothing at the path.
            404 if !is_json(body) => Self::Unavailable { path, status, message: ANOTHER_SERVER.to_owned() },
            412 | 472..=474 | 500.. => Self::Unavailable { path, status, message: message() },
            _ => Self::Refused { path, status, message: message() },
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

const ANOTHER_SERVER: &str = "the answer is not Vault's, so another server may stand at its address";

fn no_reason(body: &[u8]) -> &'static str {
    if is_json(body) { "no reason given" } else { ANOTHER_SERVER }
}

/// Everything that Vault answers with is an object.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(body).is_ok()
}

fn is_blank(body: &[u8]) -> bool {
    body.trim_ascii().is_empty()
}

/// `{"errors":["…"]}`, or whatever text something before Vault answered with; none where it answered with nothing.
fn texts(body: &[u8]) -> Vec<String> {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.errors,
        Err(_) if is_blank(body) => Vec::new(),
        Err(_) => vec![String::from_utf8_lossy(body).into_owned()],
    }
}

#[cfg(test)]
mod tests;
