//! Tests of the test bed itself: its parts are what the other tests take them for.

mod apis;
mod aws_auth;
mod issuer;
mod process;
mod runtime_api;
pub(crate) mod vault_setup;
