//! The supported signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864).
//!
//! Receives a name; produces one of `jsonwebtoken`'s algorithms that a public key verifies. The issuer's
//! configuration says which of them are allowed.

use std::{fmt, str::FromStr};

/// A signature algorithm. There is no `none` and no HMAC to choose, though `jsonwebtoken` has the latter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    name: &'static str,
    pub(super) verifier: jsonwebtoken::Algorithm,
}

impl Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub const RS256: Self = Self::new("RS256", jsonwebtoken::Algorithm::RS256);
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    pub const RS384: Self = Self::new("RS384", jsonwebtoken::Algorithm::RS384);
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    pub const RS512: Self = Self::new("RS512", jsonwebtoken::Algorithm::RS512);
    /// RSASSA-PSS with SHA-256, for the mask too, and a salt of 32 bytes.
    pub const PS256: Self = Self::new("PS256", jsonwebtoken::Algorithm::PS256);
    /// RSASSA-PSS with SHA-384, for the mask too, and a salt of 48 bytes.
    pub const PS384: Self = Self::new("PS384", jsonwebtoken::Algorithm::PS384);
    /// RSASSA-PSS with SHA-512, for the mask too, and a salt of 64 bytes.
    pub const PS512: Self = Self::new("PS512", jsonwebtoken::Algorithm::PS512);
    /// ECDSA on P-256 with SHA-256.
    pub const ES256: Self = Self::new("ES256", jsonwebtoken::Algorithm::ES256);
    /// ECDSA on P-384 with SHA-384.
    pub const ES384: Self = Self::new("ES384", jsonwebtoken::Algorithm::ES384);
    /// Ed25519, by either of its names. The `EdDSA` of Ed448 is not served.
    pub const EDDSA: Self = Self::new("EdDSA", jsonwebtoken::Algorithm::EdDSA);

    /// Every algorithm there is to choose.
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EDDSA,
    ];

    /// RFC 9864's own name for [`Algorithm::EDDSA`] with Ed25519, which is all that we serve of it.
    pub const ED25519: &str = "Ed25519";

    const fn new(name: &'static str, verifier: jsonwebtoken::Algorithm) -> Self {
        Self { name, verifier }
    }

    /// Every name that `alg` can have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::as_str).chain([Self::ED25519])
    }

    /// The name in `alg`. Ed25519 has a second one, [`Algorithm::ED25519`].
    pub const fn as_str(self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The text names no algorithm of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownAlgorithm {
    /// RFC 7518 has it, `jsonwebtoken` does not.
    #[error("`ES512` (P-521) is not supported; use one of {}", names())]
    Es512,
    /// Any other text.
    #[error("must be one of {}", names())]
    Other,
}

fn names() -> String {
    Algorithm::names().collect::<Vec<_>>().join(", ")
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        match text {
            Self::ED25519 => Ok(Self::EDDSA),
            "ES512" => Err(UnknownAlgorithm::Es512),
            _ => Self::ALL.into_iter().find(|own| own.name == text).ok_or(UnknownAlgorithm::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_to_the_letter() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(
                algorithm.as_str().parse(),
                Ok(algorithm.verifier),
                "the verifier of another algorithm"
            );
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EDDSA));
        for other in [
            "", "none", "HS256", "HS384", "HS512", "rs256", "RS256 ", "RS1", "ES256K", "Ed448", "EDDSA",
            "ed25519",
        ] {
            assert_eq!(other.parse::<Algorithm>(), Err(UnknownAlgorithm::Other), "{other}");
        }
    }

    #[test]
    fn the_error_names_them_all() {
        let known = "one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519";
        assert_eq!(UnknownAlgorithm::Other.to_string(), format!("must be {known}"));
        assert_eq!(
            "ES512".parse::<Algorithm>().unwrap_err().to_string(),
            format!("`ES512` (P-521) is not supported; use {known}")
        );
    }
}
