//! Why a published key cannot verify a signature.

use super::Algorithm;

/// Why a published key cannot verify. What it quotes is made harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No JWK at all.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// For encryption, mostly.
    #[error("its `use` is not `sig`")]
    Use,
    /// Without `verify`.
    #[error("its `key_ops` do not include `verify`")]
    KeyOps,
    /// A member that must be there.
    #[error("its `{0}` is missing")]
    Missing(&'static str),
    /// A member of another type.
    #[error("its `{0}` is not a string")]
    NotText(&'static str),
    /// A number in another encoding.
    #[error("its `{0}` is not base64url without padding")]
    NotBase64(&'static str),
    /// `kty` is none of ours.
    #[error("its `kty` `{0}` is not supported; RSA, EC and OKP are")]
    Type(String),
    /// `crv` is none of ours.
    #[error("its `crv` `{0}` is not supported; P-256, P-384 and Ed25519 are")]
    Curve(String),
    /// Whoever publishes a private key has given it away.
    #[error("it is published with its private part, `{0}`, so anybody can sign with it")]
    Private(&'static str),
    /// `alg` is none of ours.
    #[error("its `alg` `{0}` is not a supported signature algorithm")]
    Algorithm(String),
    /// `alg` is one of another type of key.
    #[error("its `alg` {0} is for another type of key")]
    OtherType(Algorithm),
    /// Too short, too long, or forgeable.
    #[error(
        "its RSA modulus has {bits} bits; it needs 2048 to 8192, an odd modulus and an odd exponent of 17 to 33 bits"
    )]
    Rsa {
        /// The length of `n`.
        bits: usize,
    },
    /// A signature on another curve can be forged.
    #[error("its `x` and `y` are not a point on its curve")]
    Point,
    /// Ed25519 alone: the curves of NIST have no such point.
    #[error("its `x` is a point of small order, so anybody can sign with it")]
    SmallOrder,
}

impl Unusable {
    /// Whether the provider says that the key is for something else than signatures, as it may.
    pub fn is_for_another_purpose(&self) -> bool {
        matches!(self, Self::Use | Self::KeyOps)
    }
}
