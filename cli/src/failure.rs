//! How a command ends that has no result: its message, and its exit code.
//!
//! Each command has its own error and implements [`Failure`] for it. `main` knows no more of them. A command's
//! finding is not a failure: a denial explained is a success with its own exit code.

use std::error::Error;

use authorizer_steps::error_chain::with_causes;

/// The command could not do its work.
const FAILED: u8 = 1;
/// The command line itself is wrong, as for every usage error.
const USAGE: u8 = 2;

/// Why a command has no result.
pub(crate) trait Failure: Error {
    /// Whether the command line itself is wrong.
    fn is_usage(&self) -> bool {
        false
    }

    fn exit_code(&self) -> u8 {
        if self.is_usage() { USAGE } else { FAILED }
    }

    /// For standard error: what went wrong, and why.
    fn told(&self) -> String
    where
        Self: Sized,
    {
        with_causes(self)
    }
}
