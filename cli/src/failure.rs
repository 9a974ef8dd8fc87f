//! How a command ends that has no result: what it says, and its exit code.
//!
//! Each command has an error of its own, and implements [`Failure`] for it; `main` knows no more of them. What a command
//! finds out is no failure: a denial explained is a success with an exit code of its own.

use std::error::Error;

use vault_authorizer::causes::with_causes;

/// The command could not do its work.
pub(crate) const FAILED: u8 = 1;
/// The command line itself is wrong, as for every usage error.
pub(crate) const USAGE: u8 = 2;

/// Why a command has no result.
pub(crate) trait Failure: Error {
    /// [`USAGE`] or [`FAILED`].
    fn exit_code(&self) -> u8 {
        FAILED
    }

    /// For standard error: what went wrong, and why.
    fn told(&self) -> String
    where
        Self: Sized,
    {
        with_causes(self)
    }
}
