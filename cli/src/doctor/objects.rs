//! Checks whether Vault holds what the configuration needs.
//!
//! Receives the configuration; produces findings, from the same comparison as `vault plan`. It needs an operator's
//! token, and says so if there is none.

use authorizer_steps::{error_chain::with_causes, names::PolicyName};
use vault_authorizer::config::Config;

use super::finding::Finding;
use crate::{
    connection::{AddressArguments, ConnectionError},
    vault::{
        Quotas, SetUpError,
        compare::{Fate, Missing, Plan},
        drift,
    },
};

pub(super) const CHECK: &str = "vault-objects";

/// One finding; or two, since what `vault apply` mends and what is the user's to write have two remedies.
pub(super) async fn examine(
    config: &Config,
    address: &AddressArguments,
    policy: &PolicyName,
    quotas: &Quotas,
) -> Vec<Finding> {
    match drift(config, address, policy, quotas).await {
        Ok((plan, token_place)) => found(&plan, token_place),
        Err(SetUpError::Connection(ConnectionError::TokenMissing)) => {
            vec![Finding::unseen(CHECK, "there is no operator token: set VAULT_TOKEN, or run `vault login`")]
        }
        Err(SetUpError::Desired(error)) => {
            vec![Finding::wrong(CHECK, with_causes(&error), "fix the configuration")]
        }
        Err(error) => vec![Finding::unseen(CHECK, with_causes(&error))],
    }
}

fn found(plan: &Plan, token_place: &str) -> Vec<Finding> {
    let differs =
        plan.entries.iter().filter(|entry| !matches!(entry.fate, Fate::Keep | Fate::Unneeded | Fate::Remove));
    let mounts = plan.missing.iter().filter_map(|missing| match missing {
        Missing::Policy { .. } => None,
        Missing::Mount { mount, .. } => Some(format!("auth method {mount}")),
    });
    let ours: Vec<String> = differs.map(|entry| entry.place.path()).chain(mounts).collect();
    let yours: Vec<&str> = plan.missing_policies().collect();
    let as_seen = format!("(as the token from {token_place} sees it)");
    let ours = (!ours.is_empty()).then(|| {
        let found = format!("missing or different: {} {as_seen}", ours.join(", "));
        let remedy = "`vault-authorizer vault plan` shows each difference, and `vault apply` fixes it";
        Finding::wrong(CHECK, found, remedy)
    });
    let yours = (!yours.is_empty()).then(|| {
        let found = format!("policies that grants name are missing: {} {as_seen}", yours.join(", "));
        Finding::wrong(CHECK, found, "write them yourself; until then they allow nothing")
    });
    let wrong: Vec<Finding> = ours.into_iter().chain(yours).collect();
    if wrong.is_empty() {
        let found =
            format!("{} roles, policies and quotas are as expected {as_seen}", plan.count(Fate::Keep));
        return vec![Finding::good(CHECK, found)];
    }
    wrong
}
