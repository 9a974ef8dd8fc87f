#![cfg_attr(feature = "client", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "client"), doc = "The contract of vault-authorizer, without the client.")]

pub mod context;
pub mod secret;

#[cfg(feature = "client")]
pub mod http;
#[cfg(feature = "client")]
pub mod unwrap;
#[cfg(feature = "client")]
pub mod vault;

pub use context::{
    Caller, CallerKind, ContextError, RESERVED_HEADER_PREFIX, VaultContext, Wrapped, is_reserved_header,
};
pub use secret::{InvalidToken, VaultToken, WrappingToken};
