//! The server id: a name that the receiver of a signed request chose for itself.
//!
//! A signed GetCallerIdentity request is a bearer credential for fifteen minutes: whoever sees it can present it
//! elsewhere. With a server id among the signed headers, it is valid for one receiver only.

use std::fmt;
use std::str::FromStr;

/// The value of the signed header `X-Vault-AWS-IAM-Server-ID`, such as `vault.example.com`.
///
/// 1 to 256 visible ASCII characters. Spaces are refused: signature version 4 folds them, so two ids that differ in
/// spaces alone would carry one signature.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServerId(String);

/// A server id is 1 to 256 visible ASCII characters, without spaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a server id is 1 to {MAX_LENGTH} visible ASCII characters, without spaces")]
pub struct ServerIdError;

impl ServerId {
    /// The header that carries a server id.
    pub const HEADER: &str = "X-Vault-AWS-IAM-Server-ID";

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerId {
    type Err = ServerIdError;

    fn from_str(text: &str) -> Result<Self, ServerIdError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_LENGTH || !visible {
            return Err(ServerIdError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_visible_ascii_up_to_the_limit() {
        for id in ["a", "vault.example.com", "https://vault.example.com:8200/#1", &"x".repeat(256)] {
            assert_eq!(id.parse::<ServerId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn rejects_what_a_header_or_a_signature_would_change() {
        for id in
            ["", " ", "a b", "a\tb", "a\r\nX-Other: 1", "vault.example.com ", "é", "\u{7f}", &"x".repeat(257)]
        {
            assert_eq!(id.parse::<ServerId>(), Err(ServerIdError), "`{id}`");
        }
    }
}
