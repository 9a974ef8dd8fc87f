//! The signature algorithms of this version (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864) and the type of key each takes.
//!
//! Receives a name; produces an [`Algorithm`]. Leaves the arithmetic to `signature`, and to the issuer's configuration
//! which of them may be used.

use std::{fmt, str::FromStr};

/// A signature algorithm. There is no `none` and no HMAC to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256, for the mask too, and a salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384, for the mask too, and a salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512, for the mask too, and a salt of 64 bytes.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, by either of its names. The `EdDSA` of Ed448 is not served.
    EdDsa,
}

/// What a key must be to verify an algorithm. One RSA key serves six of them, a key on a curve serves one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Algorithm {
    /// Every algorithm there is to choose.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// RFC 9864's own name for [`Algorithm::EdDsa`] with Ed25519, which is all that we serve of it.
    pub const ED25519: &str = "Ed25519";

    /// Every name that `alg` can have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::as_str).chain([Self::ED25519])
    }

    /// The name in `alg`. Ed25519 has a second one, [`Algorithm::ED25519`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::Es512 => KeyType::P521,
            Self::EdDsa => KeyType::Ed25519,
        }
    }
}

impl KeyType {
    /// The type of a key of this `kty` on the curve `crv` (RFC 7518 section 6.2, RFC 8037 section 2), if it is one of ours.
    pub(super) fn on_curve(kty: &str, crv: &str) -> Option<Self> {
        match (kty, crv) {
            ("EC", "P-256") => Some(Self::P256),
            ("EC", "P-384") => Some(Self::P384),
            ("EC", "P-521") => Some(Self::P521),
            ("OKP", "Ed25519") => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// What RFC 7518 section 6 and RFC 8037 section 2 keep private of a key of this type.
    pub(super) fn private_members(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["d", "p", "q", "dp", "dq", "qi", "oth"],
            Self::P256 | Self::P384 | Self::P521 | Self::Ed25519 => &["d"],
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", Algorithm::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        if text == Self::ED25519 {
            return Ok(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|own| own.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_to_the_letter() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
        for other in ["", "none", "HS256", "rs256", "RS256 ", "RS1", "ES256K", "Ed448", "EDDSA", "ed25519"] {
            assert_eq!(other.parse::<Algorithm>(), Err(UnknownAlgorithm), "{other}");
        }
    }

    #[test]
    fn the_error_names_them_all() {
        assert_eq!(
            UnknownAlgorithm.to_string(),
            "must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519"
        );
    }
}
