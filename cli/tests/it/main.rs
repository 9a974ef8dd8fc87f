//! The command as you run it: real files, real signatures, real exit codes. Its output must match exactly, because
//! people read it at night.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "test code: what is not as expected ends the test"
)]

mod check;
mod doctor;
mod explain;
mod foreign_document;
mod redaction;
mod reference;
mod revoke;
mod schema;
mod sign;
mod support;
mod trace;
mod vault;
