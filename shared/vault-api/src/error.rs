//! What can go wrong with one call to Vault: [`VaultError`], sorted by who must act.
//!
//! Receives Vault's refusals, and what the transport found. Produces a kind whose text holds the status and a
//! sanitised message, beside the path. The callers decide what follows (a retry, a new login, a 503). They ask what
//! the kind means, and [`VaultErrorKind::meaning`] is the only table of that.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};

use crate::message;

/// Why a call to Vault gave no answer. Holds no token. A clone tells another who waited for the same call.
#[derive(Debug, Clone)]
pub struct VaultError {
    /// The call's path.
    pub path: String,
    /// What happened.
    pub kind: VaultErrorKind,
}

/// What happened to a call.
#[derive(Debug, Clone)]
pub enum VaultErrorKind {
    /// The call was not sent: its path, its body or its wrap TTL is not one to send.
    CallInvalid {
        /// What is wrong with the call.
        reason: &'static str,
    },
    /// No connection, or a connection that broke.
    Unreachable {
        /// Whether the request may have gone out.
        sent: bool,
        /// The HTTP client's reason, without the URL.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The time was up before the answer was complete. Vault may have done what it was asked.
    TimedOut,
    /// Vault is sealed.
    Sealed,
    /// A rate limit is used up (429): a quota of Vault's, or that of something before it.
    Throttled {
        /// Vault's `Retry-After`, in seconds, if it sends one.
        retry_after_seconds: Option<u64>,
    },
    /// Vault, or what stands before it, cannot answer now: 5xx, 412 or a 429 without a word (a node that lags behind), a 307
    /// (a standby that cannot reach the active node), a 404 that is not Vault's, the health codes 472, 473, 474 and 530, and a
    /// leader lost half way.
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Vault's message, sanitised.
        message: String,
    },
    /// The token sent is unknown, expired, revoked, used up, or not for this address (403).
    TokenNotValid,
    /// The token is good, and its policies do not allow this call (403).
    Forbidden,
    /// The wrapping token is used up, expired or was never one (400; Vault does not say which).
    WrappingTokenNotValid,
    /// Any other refusal (4xx).
    Refused {
        /// The HTTP status.
        status: u16,
        /// Vault's message, sanitised.
        message: String,
    },
    /// What came back is not an answer of Vault's.
    AnswerInvalid {
        /// What is wrong with it; never quotes it.
        reason: String,
    },
    /// The answer is longer than this side is ready to hold.
    AnswerTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
}

/// What a kind means to whoever made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meaning {
    /// A stable name for logs and metrics.
    code: &'static str,
    effect: Effect,
    cause: Cause,
}

/// What a call did that brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It certainly never reached Vault: repeating it cannot do anything twice.
    NotSent,
    /// Vault did nothing.
    None,
    /// Vault may have done what it was asked: a token may have been minted, or revoked.
    Unknown,
}

/// Where the cause of a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// In the call, or in what Vault makes of it.
    Call,
    /// In a token that this node does not know: a spent one, or one that the node has not heard of yet, since it lags behind.
    Token,
    /// In a quota. Vault is there.
    Quota,
    /// In one node that lags behind, as it says itself. It counts no use of a token.
    Lag,
    /// In one node, or in an election. Vault is there, and a moment later it answers.
    Node,
    /// No Vault that works is there. A moment later it may be.
    Away,
    /// Vault hangs.
    Hanging,
}

impl VaultErrorKind {
    /// What this kind means: the one place that says so.
    fn meaning(&self) -> Meaning {
        let means = |code, effect, cause| Meaning { code, effect, cause };
        match self {
            Self::CallInvalid { .. } => means("vault_call_invalid", Effect::NotSent, Cause::Call),
            Self::Unreachable { sent: false, .. } => means("vault_unreachable", Effect::NotSent, Cause::Away),
            Self::Unreachable { sent: true, .. } => means("vault_unreachable", Effect::Unknown, Cause::Away),
            Self::TimedOut => means("vault_timed_out", Effect::Unknown, Cause::Hanging),
            Self::Sealed => means("vault_sealed", Effect::None, Cause::Away),
            Self::Throttled { .. } => means("vault_throttled", Effect::None, Cause::Quota),
            Self::Unavailable { status, .. } => match status {
                // A standby that names another node did nothing itself; nor did a proxy without a Vault.
                307 => means("vault_unavailable", Effect::None, Cause::Node),
                404 => means("vault_unavailable", Effect::None, Cause::Away),
                412 | 429 => means("vault_unavailable", Effect::None, Cause::Lag),
                500.. => means("vault_unavailable", Effect::Unknown, Cause::Away),
                _ => means("vault_unavailable", Effect::Unknown, Cause::Node),
            },
            Self::TokenNotValid => means("vault_token_not_valid", Effect::None, Cause::Token),
            Self::Forbidden => means("vault_forbidden", Effect::None, Cause::Call),
            Self::WrappingTokenNotValid => {
                means("vault_wrapping_token_not_valid", Effect::None, Cause::Token)
            }
            Self::Refused { .. } => means("vault_refused", Effect::None, Cause::Call),
            Self::AnswerInvalid { .. } => means("vault_answer_invalid", Effect::Unknown, Cause::Call),
            Self::AnswerTooLarge { .. } => means("vault_answer_too_large", Effect::Unknown, Cause::Call),
        }
    }

    /// The error of a call to `path`.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> VaultError {
        VaultError { path: path.into(), kind: self }
    }
}

impl VaultError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.meaning().code
    }

    /// Whether the request certainly never reached Vault, so that repeating it cannot do anything twice.
    #[must_use]
    pub fn request_not_sent(&self) -> bool {
        self.kind.meaning().effect == Effect::NotSent
    }

    /// Whether Vault may have done what it was asked, although no answer says so: a token may have been minted, or revoked.
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        self.kind.meaning().effect == Effect::Unknown
    }

    /// Whether the cause is Vault's or the network's state, which passes, and not the call. A client is told 503.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        !matches!(self.kind.meaning().cause, Cause::Call | Cause::Token)
    }

    /// Whether no Vault that works is there: no connection, no answer, a 5xx, or a 404 of a proxy's own.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self.kind.meaning().cause, Cause::Away | Cause::Hanging)
    }

    /// Whether the same call may succeed a moment later. Not where Vault hangs, since that took the time there was, nor where
    /// it asks callers to slow down.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.kind.meaning().cause, Cause::Lag | Cause::Node | Cause::Away)
    }

    /// Whether the node that answered may only lag behind the others: it has not heard of the token yet, or it says itself
    /// that it lags (412, a 429 without a word). It did nothing, and it did not count a use of the token, which only a node
    /// that knows the token can.
    #[must_use]
    pub fn may_be_lag(&self) -> bool {
        matches!(self.kind.meaning().cause, Cause::Token | Cause::Lag)
    }

    /// Whether another node of the cluster might have answered: this one failed, lags behind, or broke off. A quota is the
    /// cluster's, and where no connection came about there is none to give up.
    #[must_use]
    pub fn may_be_one_nodes_own(&self) -> bool {
        self.is_outage() && !self.request_not_sent() && self.kind.meaning().cause != Cause::Quota
    }

    /// Maps a 4xx or 5xx. The texts are Vault's and OpenBao's own; only `message` ever leaves this function, and only
    /// sanitised, since Vault echoes what it was sent (an STS error quotes the signed request with its session token).
    #[must_use]
    pub fn from_refusal(
        path: &str,
        sent_token: Option<&str>,
        status: u16,
        retry_after_seconds: Option<u64>,
        body: &[u8],
    ) -> Self {
        let texts = texts(body);
        let message = || {
            let message = message::sanitised(texts.first().map_or("", String::as_str), sent_token);
            if message.trim().is_empty() { no_reason(body).to_owned() } else { message }
        };
        let says = |words: &str| texts.iter().any(|text| text.contains(words));
        let unavailable = || VaultErrorKind::Unavailable { status, message: message() };
        let refused = || VaultErrorKind::Refused { status, message: message() };
        let kind = match status {
            // A quota of Vault's names the path. A standby that lags behind has an empty list of errors, and of OpenBao's a
            // `Retry-After`, too. No body at all is neither's: then a `Retry-After` tells the limit of something before Vault.
            429 if texts.is_empty() && (retry_after_seconds.is_none() || !is_blank(body)) => unavailable(),
            429 => VaultErrorKind::Throttled { retry_after_seconds },
            503 if says("Vault is sealed") => VaultErrorKind::Sealed,
            // The second text is of a token that is being unwrapped at this moment.
            400 if says("wrapping token is not valid or does not exist") || says("no information found") => {
                VaultErrorKind::WrappingTokenNotValid
            }
            400 if says("leadership lost") => unavailable(),
            // Without a token a 403 speaks of the path alone: a login at a mount that is not there, for one.
            403 if sent_token.is_none() => refused(),
            403 if says("invalid token") || texts.iter().any(|text| text == "permission denied") => {
                VaultErrorKind::TokenNotValid
            }
            403 if says("permission denied") => VaultErrorKind::Forbidden,
            // A proxy without a backend. It must not pass for a Vault in which there is nothing at the path.
            404 if !is_json(body) => {
                VaultErrorKind::Unavailable { status, message: ANOTHER_SERVER.to_owned() }
            }
            412 | 472..=474 | 500.. => unavailable(),
            _ => refused(),
        };
        kind.at(path)
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            VaultErrorKind::CallInvalid { reason } => write!(f, "`{path}` cannot be called: {reason}"),
            VaultErrorKind::Unreachable { .. } => write!(f, "Vault could not be reached for `{path}`"),
            VaultErrorKind::TimedOut => write!(f, "Vault did not answer `{path}` in time"),
            VaultErrorKind::Sealed => write!(f, "Vault is sealed (`{path}`)"),
            VaultErrorKind::Throttled { .. } => write!(f, "Vault's rate limit refused `{path}`"),
            VaultErrorKind::Unavailable { status, message } => {
                write!(f, "Vault cannot answer `{path}` now (status {status}): {message}")
            }
            VaultErrorKind::TokenNotValid => {
                write!(f, "Vault does not know the token sent to `{path}`: {NOT_KNOWN}")
            }
            VaultErrorKind::Forbidden => write!(f, "the token's policies do not allow `{path}`"),
            VaultErrorKind::WrappingTokenNotValid => {
                write!(f, "Vault does not know the wrapping token sent to `{path}`: {NOT_KNOWN}")
            }
            VaultErrorKind::Refused { status, message } => {
                write!(f, "Vault refused `{path}` (status {status}): {message}")
            }
            VaultErrorKind::AnswerInvalid { reason } => {
                write!(f, "the answer to `{path}` is not one of Vault's: {reason}")
            }
            VaultErrorKind::AnswerTooLarge { limit_bytes } => {
                write!(f, "the answer to `{path}` is longer than {limit_bytes} bytes")
            }
        }
    }
}

impl Error for VaultError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let VaultErrorKind::Unreachable { source, .. } = &self.kind { Some(&**source) } else { None }
    }
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

const NOT_KNOWN: &str = "it expired, was used up or was revoked, or this node does not know it yet";
const ANOTHER_SERVER: &str = "the answer is not Vault's, so another server may be at this address";

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
        // An object without errors can be data, which belongs in no message.
        Err(_) if is_json(body) => vec![String::new()],
        Err(_) => vec![String::from_utf8_lossy(body).into_owned()],
    }
}

#[cfg(test)]
mod tests;
