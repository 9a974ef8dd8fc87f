#![cfg_attr(feature = "client", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "client"), doc = "The contract of vault-authorizer, without the client.")]

pub mod context;
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
pub use vault_api::{InvalidToken, VaultToken, WrappingToken};
