//! The test bed: the product's neighbours as real parts. Each is a value that a test holds and drops.
//!
//! | value | stands for | is |
//! |---|---|---|
//! | [`OpenBao`] | Vault | the real server, as a child process |
//! | [`Cluster`] | Vault, highly available | three of them with one Raft log, whose network can be cut |
//! | [`LoadBalancer`] | the load balancer before Vault | a TCP proxy in this process, which can delay and reset |
//! | [`FaultProxy`] | whatever goes wrong before Vault | a proxy in this process that does what a case says |
//! | [`VaultWithAwsAuth`] | Vault with its AWS auth method | OpenBao with its plugin, or behind a stand-in for that one endpoint |
//! | [`Postgres`] | PostgreSQL | the real server, as a child process |
//! | [`OrdersDatabase`] | the sample's database | its table, and the Vault roles that make users of it |
//! | [`Issuer`] | the identity provider | an OIDC issuer in this process |
//! | [`WebIdentitySts`] | `sts:GetWebIdentityToken` | a stand-in, with the JWTs of an [`Issuer`] |
//! | [`IamCaller`] | a machine with an AWS identity | an IAM user or an assumed role of the emulator |
//! | [`alarms::CloudWatch`] | CloudWatch | its rules for filters, metrics and alarms, in this process |
//! | [`Apis`] | API Gateway | one API of each kind, in the emulator |
//! | [`Package`] | a CDK user's folder | `infra/cdk` with what its lock file pins |
//! | [`Configuration`] | the authorizer's configuration | a document that a test builds |
//! | [`Command`] | an operator's shell | the command `vault-authorizer` |
//! | [`Terraform`] | a platform team's Terraform | the machine's own, in a copy of `infra` |
//! | [`Function`] | AWS Lambda | the function's own binary, fed by a Runtime API in this process |
//!
//! A test that needs the usual parts starts them as a [`LocalBed`] or an [`AwsBed`].
//!
//! Every part listens on a free port of 127.0.0.1, so beds run side by side. A part that does not start stops the
//! test at once, with the end of its log. The output of every child process goes to a file in the bed's [`Scratch`]
//! folder, so that one test can read everything that every process said.
//!
//! ```no_run
//! # use test_bed::{Issuer, OpenBao, Scratch, TokenSpec, vault_setup};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let scratch = Scratch::new("orders");
//! let openbao = OpenBao::start_in_memory(&scratch).await;
//! vault_setup::quickstart(&openbao).await;
//! let issuer = Issuer::start();
//! let token = issuer.token(&TokenSpec::reader());
//! # }
//! ```
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
#![allow(missing_docs, reason = "a name that says all needs no sentence that says it again")]

pub mod alarms;
pub mod apis;
pub mod aws_auth;
pub mod beds;
pub mod cases;
pub mod cdk;
pub mod chaos;
pub mod cloudformation;
mod cluster;
pub mod command;
pub mod configuration;
mod deploy_pages;
mod deployed_stack;
mod emulator;
pub mod fault_proxy;
pub mod http;
pub mod iam_callers;
mod issuer;
mod load_balancer;
mod openbao;
mod orders_database;
pub mod parts;
mod postgres;
pub mod process;
pub mod raw_http;
mod runtime_api;
pub mod synthesis;
mod tcp;
mod terraform;
pub mod vault_setup;
pub mod web_identity;

pub use self::apis::Apis;
pub use self::aws_auth::{AwsAuth, AwsAuthConfig, LoginRole, VaultWithAwsAuth};
pub use self::beds::{AwsBed, LocalBed, SERVER_ID};
pub use self::cdk::Package;
pub use self::cloudformation::Code;
pub use self::cluster::{Cluster, NODES};
pub use self::command::{Command, Ran};
pub use self::configuration::{Configuration, Grant};
pub use self::deployed_stack::{DeployedStack, QuickstartParameters};
pub use self::emulator::{ACCOUNT, Aws, Emulator, REGION};
pub use self::fault_proxy::FaultProxy;
pub use self::http::Server;
pub use self::iam_callers::{IamCaller, Signer};
pub use self::issuer::{Issuer, Signing, TokenSpec};
pub use self::load_balancer::LoadBalancer;
pub use self::openbao::{AuditMark, Minted, OpenBao};
pub use self::orders_database::{OrdersDatabase, TENANTS};
pub use self::postgres::{Held, Postgres};
pub use self::process::{Child, Scratch};
pub use self::runtime_api::{ENVIRONMENT, Function, Invocation, proxied_event, request_event};
pub use self::synthesis::Made;
pub use self::terraform::Terraform;
pub use self::vault_setup::{AUTHORIZER_POLICY, AUTHORIZER_ROLE, AppRole};
pub use self::web_identity::WebIdentitySts;
