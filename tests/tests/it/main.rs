//! End-to-end tests on real parts. `cargo xtask parts` installs the parts, and `cargo test -p end-to-end` runs
//! everything.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "test code: a broken bed should stop at once"
)]

mod alarms;
mod authorizer;
mod bed;
mod cdk;
mod chaos;
mod cloudformation;
mod conformance;
mod dashboard;
mod database;
mod deploy_pages;
mod deployments;
mod doctor;
mod fake_context;
mod iam_callers;
mod logins;
mod many_at_once;
mod mint_ahead;
mod mutual_tls;
mod package;
mod providers;
mod quickstart;
mod revoke;
mod settings;
mod shapes;
mod stack;
mod tenants;
mod terraform;
mod tls;
mod trace;
mod vault_clients;
mod vault_plan;
