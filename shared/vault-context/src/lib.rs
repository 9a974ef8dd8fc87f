// Its examples need every feature, and are compiled where all of them are there.
#![cfg_attr(all(feature = "axum", feature = "lambda", feature = "tower"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "axum", feature = "lambda", feature = "tower")),
    doc = "How an integration takes the Vault token that vault-authorizer put into a request: see the README."
)]

#[cfg(feature = "axum")]
pub mod axum;
pub mod context;
#[cfg(any(feature = "axum", feature = "tower"))]
mod request;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "client")]
pub mod unwrap;

/// What an integration needs to reach Vault, and what it gets from there.
#[cfg(feature = "client")]
pub mod vault {
    pub use vault_api::{
        AddressError, Auth, InvalidNamespace, Lease, Namespace, VaultAddress, VaultAnswer, VaultError,
        VaultErrorKind, WrapInfo,
    };
    pub use vault_transport::http::{ClientCertificate, ClientCertificateError, HttpSetupError};
    pub use vault_transport::{Call, MAX_ANSWER_BYTES, VariableError, Vault, VaultOptions, VaultSetupError};
}

pub use context::{
    Caller, CallerBinding, CallerKind, ContextError, RESERVED_HEADER_PREFIX, VaultContext, Wrapped,
    is_reserved_header,
};
pub use vault_api::error_chain::with_causes;
pub use vault_api::{InvalidToken, VaultToken, WrappingToken};
