//! The only modules that touch the network. Each implements a trait of the step that calls it, returns unproven data and
//! decides nothing about a caller.

pub mod jwks;
pub mod sts;
pub mod vault;
