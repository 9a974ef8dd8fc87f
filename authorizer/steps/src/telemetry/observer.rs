//! Observers of a walk through the steps, who are told what each step found.

use super::stopwatch::Stopwatch;
use crate::{
    event::{Credential, CredentialSource, Request},
    grant::{Grant, Stage},
    identity::Identity,
};

/// The steps that are timed.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Reading the event and finding the credential.
    Event,
    /// Verifying the credential.
    Identity,
    /// Finding the grant.
    Grant,
    /// Vault.
    Mint,
}

/// Is told what each step found, also where a later one refuses: the record, or whoever explains a decision.
pub trait Observer {
    /// The stage is one of the configuration's.
    fn stage(&mut self, _stage: &Stage) {}
    /// The credential was found here. It is not verified yet.
    fn credential(&mut self, _source: &CredentialSource, _credential: &Credential) {}
    /// The caller is known.
    fn caller(&mut self, _identity: &Identity, _request: &Request, _stage: &Stage) {}
    /// The grant is known.
    fn grant(&mut self, _grant: &Grant<'_>) {}
    /// A step took this long.
    fn timed(&mut self, _step: Step, _stopwatch: Stopwatch) {}
}
