//! The two tokens of the contract, as types that cannot be printed by accident.
//!
//! Receives strings from Vault's answers and from API Gateway's context; produces [`WrappingToken`] and
//! [`VaultToken`]. The transport and `vault-context` use them.
//!
//! The clones of a token share one buffer, which is zeroized when the last clone is dropped. Copies made below this
//! crate (the HTTP client's write buffer, the process's TLS records) are not zeroized.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

/// The longest token accepted, in bytes. Vault's own advice is to plan for 255
/// (<https://developer.hashicorp.com/vault/docs/faq/ssct>); tokens are opaque, so there is room above it.
pub const MAX_TOKEN_BYTES: usize = 2048;

/// Why a string cannot be a Vault token. Never quotes the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// There is nothing in it.
    #[error("a token is empty")]
    Empty,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("a token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// A byte that is not visible ASCII, so it could not travel in a header.
    #[error("a token contains a character that is not visible ASCII")]
    NotVisibleAscii,
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<Zeroizing<String>>);

        impl $name {
            /// Takes a token over. It is always fit to be a header value: not empty, visible ASCII, at most
            /// [`MAX_TOKEN_BYTES`].
            ///
            /// # Errors
            /// [`InvalidToken`]; the refused string is zeroized.
            pub fn parse(token: impl Into<String>) -> Result<Self, InvalidToken> {
                checked(token.into()).map(|token| Self(Arc::new(token)))
            }

            /// The token in clear. The only way to it, named so that a search finds every use.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(** redacted **)"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidToken;

            fn try_from(token: String) -> Result<Self, InvalidToken> {
                Self::parse(token)
            }
        }
    };
}

token! {
    /// The single-use token that holds another one: what travels in API Gateway's context
    /// (<https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>).
    ///
    /// Any call made with it but `sys/wrapping/unwrap` burns it.
    WrappingToken
}

token! {
    /// A Vault token in clear: the authorizer's own, or the caller's after it was unwrapped
    /// (<https://developer.hashicorp.com/vault/docs/concepts/tokens>).
    VaultToken
}

fn checked(mut token: String) -> Result<Zeroizing<String>, InvalidToken> {
    let refused = if token.is_empty() {
        InvalidToken::Empty
    } else if token.len() > MAX_TOKEN_BYTES {
        InvalidToken::TooLong
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        InvalidToken::NotVisibleAscii
    } else {
        return Ok(Zeroizing::new(token));
    };
    token.zeroize();
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "s.KGXDu8CLc1DnGKEU4KBqXzzW";

    #[test]
    fn accepts_a_token_and_gives_it_back_unchanged() {
        assert_eq!(WrappingToken::parse(RAW).unwrap().expose(), RAW);
        assert_eq!(VaultToken::parse("v".repeat(MAX_TOKEN_BYTES)).unwrap().expose().len(), MAX_TOKEN_BYTES);
        let token = VaultToken::parse(RAW).unwrap();
        assert!(std::ptr::eq(token.expose(), token.clone().expose()), "clones share one buffer");
    }

    #[test]
    fn rejects_what_cannot_be_a_header_value() {
        let cases = [
            (String::new(), InvalidToken::Empty),
            ("v".repeat(MAX_TOKEN_BYTES + 1), InvalidToken::TooLong),
            ("s.a b".into(), InvalidToken::NotVisibleAscii),
            ("s.a\r\nX-Injected: 1".into(), InvalidToken::NotVisibleAscii),
            ("s.\u{e9}".into(), InvalidToken::NotVisibleAscii),
        ];
        for (raw, expected) in cases {
            assert_eq!(VaultToken::parse(raw.clone()).unwrap_err(), expected);
            assert_eq!(WrappingToken::parse(raw).unwrap_err(), expected);
        }
    }

    #[test]
    fn debug_is_exactly_the_redacted_form() {
        assert_eq!(format!("{:?}", WrappingToken::parse(RAW).unwrap()), "WrappingToken(** redacted **)");
        assert_eq!(format!("{:?}", VaultToken::parse(RAW).unwrap()), "VaultToken(** redacted **)");
        let nested = Some([VaultToken::parse(RAW).unwrap()]);
        assert_eq!(format!("{nested:?}"), "Some([VaultToken(** redacted **)])");
    }

    #[test]
    fn reading_from_json_takes_the_same_path() {
        let token: WrappingToken = serde_json::from_str(r#""s.KGXDu8CLc1DnGKEU4KBqXzzW""#).unwrap();
        assert_eq!(token.expose(), RAW);
        let error = serde_json::from_str::<VaultToken>(r#""s.secret with space""#).unwrap_err().to_string();
        assert!(error.starts_with("a token contains a character"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
