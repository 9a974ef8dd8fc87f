//! A strict parser for a JWS in compact serialization (RFC 7515, section 7.1). It refuses any input that two parsers
//! could read differently.
//!
//! Receives the text of a token or a proof; produces its header and its payload, both unverified.
//! [`unverified`](super::unverified) and [`binding`](super::binding) decide which key must have signed it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Algorithm,
    keys::Key,
    unique_json::{self, NotAnObject},
};
use crate::{event::MAX_CREDENTIAL_BYTES, shown::shown};

const MAX_KID_BYTES: usize = 256;

/// `base64url(header).base64url(payload).base64url(signature)` (RFC 7515, section 3.1).
pub(super) struct Jws<'a> {
    /// What the signature is over: the first two parts with their dot.
    message: &'a str,
    /// In base64url.
    signature: &'a str,
    pub(super) header: Map<String, Value>,
    pub(super) payload: Map<String, Value>,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, MalformedJws> {
        let (message, signature) = text.rsplit_once('.').ok_or(MalformedJws::NotThreeParts)?;
        let (header, payload) = message.split_once('.').ok_or(MalformedJws::NotThreeParts)?;
        if payload.contains('.') {
            return Err(MalformedJws::NotThreeParts);
        }
        // The engine refuses padding and trailing bits, so every JWS has one spelling.
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| MalformedJws::NotBase64url)?;
        let header = object("header", header)?;
        refuse_extensions(&header)?;
        let payload = object("claims", payload)?;
        Ok(Self { message, signature, header, payload })
    }

    /// Whether `key` made the signature with `algorithm`.
    pub(super) fn is_signed_by(&self, key: &Key, algorithm: Algorithm) -> bool {
        key.verifies(algorithm, self.message.as_bytes(), self.signature)
    }
}

fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, MalformedJws> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedJws::NotBase64url)?;
    unique_json::read(&json).map_err(|why| MalformedJws::Part { part, why })
}

/// `crit` names extensions that must be understood, and none is; `b64` changes what is signed (RFC 7515, section
/// 4.1.11; RFC 7797). `jku`, `x5u` and `x5c` are left unread everywhere, and `jwk` but in a DPoP proof.
fn refuse_extensions(header: &Map<String, Value>) -> Result<(), MalformedJws> {
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(MalformedJws::Extension);
    }
    match header.get("kid") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kid)) if !kid.is_empty() && kid.len() <= MAX_KID_BYTES => Ok(()),
        Some(_) => Err(MalformedJws::Kid),
    }
}

/// A header parameter in a message: it is not verified.
pub(super) fn as_found(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::String(text)) => format!("`{}`", shown(text)),
        Some(_) => "not a string".to_owned(),
    }
}

/// RFC 7515, section 4.1.9: compared without case, and without `application/` where no other slash follows.
pub(super) fn same_type(own: &str, unverified_typ: &str) -> bool {
    let bare = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").filter(|rest| !rest.contains('/')).map_or(typ.clone(), str::to_owned)
    };
    bare(own) == bare(unverified_typ)
}

/// Why a text is no JWS that is accepted. Texts never quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJws {
    /// Longer than what API Gateway lets pass.
    #[error("it is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLong,
    /// Not `header.payload.signature`.
    #[error("it must have three parts separated by dots")]
    NotThreeParts,
    /// A part in another encoding, or in a second spelling of this one.
    #[error("each of its parts must be base64url without padding")]
    NotBase64url,
    /// A part is not one JSON object.
    #[error("the {part} {why}")]
    Part {
        /// Header or claims.
        part: &'static str,
        /// What is wrong with it.
        why: NotAnObject,
    },
    /// It asks for what is not supported.
    #[error("the header has `crit` or `b64`")]
    Extension,
    /// Of no use as a name.
    #[error("`kid` is not a short string")]
    Kid,
}
