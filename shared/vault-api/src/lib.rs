//! What Vault's HTTP API says, as types: tokens, answers, errors and addresses. Opens no connection.
//!
//! Receives what came over the wire; produces values that were checked, or errors in the terms of who has to act. Sending is
//! left to `vault-transport`, and what becomes of an answer to whoever asked.

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
