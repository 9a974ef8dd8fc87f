//! The five steps of vault-authorizer, an API Gateway Lambda authorizer that turns *who is calling* into *one short-lived,
//! single-use key to Vault*.
//!
//! Data flows in one direction and changes its type at each step. Each type proves that the step before it ran:
//!
//! ```text
//! raw event ─▶ event::Request ─▶ identity::Identity ─▶ grant::Grant ─▶ mint::Delivery ─▶ response::Answer
//! ```
//!
//! 1. [`event`] reads what API Gateway sent, and finds the one credential in it.
//! 2. [`identity`] verifies that credential. From here on the caller is known.
//! 3. [`grant`] finds the first rule of the stage that covers this caller on this route. Pure.
//! 4. [`mint`] has Vault make one wrapped token, and proves that it is the one asked for.
//! 5. [`response`] writes the policy, for exactly this call, with the token in its context.
//!
//! [`authorize`] is the only place that knows this order. [`outcome`] says what each step's error means to the
//! caller. [`clock`] is the only module that knows the time, and [`telemetry`] the only one that writes the line of a
//! decision.
//!
//! Nothing here opens a connection. A step that needs the network calls a trait: [`identity::KeySource`] and
//! [`mint::Minter`] are declared beside their steps, [`sts_identity::Sts`] in the crate `sts-identity`. The crate
//! `authorizer-adapters` implements them, and the steps verify what they return. `authorizer/README.md` says how to
//! add an identity kind.
//!
//! # What holds, and where
//!
//! - *Fail closed*: [`response::allow`] needs the proofs of steps 2, 3 and 4, which nothing else can make.
//! - *An outage is never a 401 or 403*: [`outcome::Refusal::code`].
//! - *Never in clear*: [`mint::deliver`] undoes an answer that is not wrapped as ordered.
//! - *A token never outlives the credential*: [`grant::resolve`] fits its TTL, [`mint::deliver`] checks again.
//! - *No secret in a log*: tokens live in types without a printing `Debug`; [`telemetry::Record`] has no place for one.
//! - *Nothing unverified is believed*: [`identity::jwt`] peeks at `iss`, `kid` and the audience to choose among what is
//!   configured, and for nothing else.
//! - *Wall clock*: every expiry is compared on [`clock::Clock`].

pub mod authorize;
mod cache;
pub mod caller_limit;
pub mod clock;
pub mod event;
pub mod grant;
pub mod identity;
pub mod mint;
pub mod names;
pub mod outcome;
pub mod response;
pub mod shown;
#[cfg(test)]
#[path = "../../tests/it/support/table.rs"]
mod table;
pub mod telemetry;
pub mod token_bucket;

pub use vault_api::error_chain;
