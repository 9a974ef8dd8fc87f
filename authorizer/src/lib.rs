//! An API Gateway Lambda authorizer that turns *who is calling* into *one short-lived, single-use key to Vault*.
//!
//! The decision is in [`authorizer_steps`], in five steps. [`authorizer_adapters`] holds what the steps ask over the network.
//! Here is what makes a function of both: [`config`] reads the document into the settings that they define, [`log`] starts
//! the log, [`between_answers`] runs what is done while no caller waits, and the program `bootstrap` runs an
//! [`Authorizer`](authorizer_steps::authorize::Authorizer) on Lambda.
//!
//! `authorizer/README.md` lists the steps in reading order, and says how to add an identity kind or a login method.

pub mod between_answers;
pub mod config;
pub mod log;
