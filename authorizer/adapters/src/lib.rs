//! The only modules of the function that open a connection. Each implements a trait of the step that calls it,
//! returns unproven data, and decides nothing about a caller.

mod backoff;
mod client;
pub mod credentials;
pub mod jwks;
pub mod sts;
pub mod vault;

pub use client::identity_client;
