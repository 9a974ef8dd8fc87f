//! An API Gateway Lambda authorizer that turns *who is calling* into *one short-lived, single-use key to Vault*.
//!
//! [`authorizer_steps`] makes the decision, in five steps. [`authorizer_adapters`] makes the network calls for the
//! steps. This crate joins both into a function. [`config`] reads the document into the settings of the steps,
//! [`log`] starts the log, [`between_answers`] runs work while no caller waits, and the program `bootstrap` runs an
//! [`Authorizer`](authorizer_steps::authorize::Authorizer) on Lambda.
//!
//! `authorizer/README.md` lists the steps in reading order, and says how to add an identity kind or a login method.

pub mod between_answers;
pub mod config;
pub mod log;
