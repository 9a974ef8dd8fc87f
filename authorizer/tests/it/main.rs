//! The steps together, in process: real configuration, real signatures, a clock that stands still, and a fake Vault
//! behind the [`Minter`](authorizer_steps::mint::Minter) trait, for answers that a real Vault cannot be made to give.

#![allow(
    clippy::clone_on_ref_ptr,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "test code: what is not as expected ends the test"
)]

mod ahead;
mod answers;
mod aws_iam;
mod aws_identity;
mod binding;
mod config;
mod documents;
mod grants;
mod jwt;
mod key_sets;
mod keys;
mod lambda_events;
mod mint;
mod redaction;
mod sessions;
mod shapes;
mod sts;
mod support;
