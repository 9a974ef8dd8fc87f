//! Vault's HTTP API as types: tokens, answers, errors and addresses. It opens no connection.
//!
//! Receives what came over the wire; produces checked values, or errors that are sorted by who must act.
//! `vault-transport` sends the calls, and the callers use the answers.

mod address;
mod answer;
mod endpoint;
mod error;
pub mod error_chain;
mod message;
mod token;

pub use address::{AddressError, InvalidNamespace, Namespace, VaultAddress};
pub use answer::{Auth, Lease, VaultAnswer, WrapInfo};
pub use endpoint::{EndpointError, checked_endpoint, is_loopback};
pub use error::{VaultError, VaultErrorKind};
pub use message::harmless;
pub use token::{InvalidToken, MAX_TOKEN_BYTES, VaultToken, WrappingToken};
