//! The entity alias of a caller's token. With it, one static, templated Vault policy limits each tenant to its own
//! path.
//!
//! Receives a verified identity and the claim that a grant names. Produces `<value>@<issuer name>`, in an alphabet
//! that cannot escape its segment of a policy's path. Vault decides whether the token role allows the alias
//! (`allowed_entity_aliases`).
//!
//! ```hcl
//! path "secret/data/tenants/{{identity.entity.aliases.auth_token_0a1b2c.name}}/*" { capabilities = ["read"] }
//! ```
//!
//! Vault compares aliases without case. An upper-case value is therefore refused, and not lowered to a value that may
//! be somebody else's. The issuer's name separates equal values of two issuers.

use std::fmt;

use super::GrantError;
use crate::{identity::Identity, names::IssuerName};

const MAX_VALUE_BYTES: usize = 128;

/// `<value>@<issuer name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityAlias(String);

impl EntityAlias {
    /// The alias that `claim` of a verified identity gives.
    ///
    /// # Errors
    ///
    /// [`GrantError::AliasRefused`] where the claim is absent or no such value.
    pub(super) fn of(identity: &Identity, claim: &str) -> Result<Self, GrantError> {
        let refused = |why| GrantError::AliasRefused { claim: claim.to_owned(), why };
        let value = identity.claims().and_then(|claims| claims.get(claim));
        let (Some(value), Some(issuer)) = (value, identity.issuer()) else {
            return Err(refused("is absent"));
        };
        let value = value.as_str().ok_or_else(|| refused("is not text"))?;
        Self::of_value(value, issuer).map_err(refused)
    }

    /// The alias of a value of an issuer.
    ///
    /// # Errors
    ///
    /// What is wrong with the value.
    pub fn of_value(value: &str, issuer: &IssuerName) -> Result<Self, &'static str> {
        if value.len() > MAX_VALUE_BYTES {
            return Err("is too long");
        }
        if !is_value(value) {
            return Err("is empty or has other characters");
        }
        Ok(Self(format!("{value}@{issuer}")))
    }
}

impl fmt::Display for EntityAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No slash, so that it is one segment of a path; no `*` and no `+`, which a policy reads as patterns; no `@`, which ends
/// it; and no dot segment, since it begins with a letter or digit.
fn is_value(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_VALUE_BYTES
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_value_that_could_leave_its_place_in_a_path() {
        for good in ["blue", "0", "a.b_c-d", &"a".repeat(128)] {
            assert!(is_value(good), "{good}");
        }
        for bad in [
            "",
            "Blue",
            "a/b",
            "../b",
            ".",
            "..",
            "-a",
            "_a",
            "a b",
            "a*",
            "+",
            "a@b",
            "a\n",
            "\u{e9}",
            "a\u{0}",
            &"a".repeat(129),
        ] {
            assert!(!is_value(bad), "{bad:?}");
        }
    }
}
