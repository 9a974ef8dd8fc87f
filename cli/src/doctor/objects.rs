//! What Vault must hold for the configuration: whether it does.
//!
//! Receives the configuration; produces a finding, from the same comparison as `vault plan`. It needs an operator's token,
//! and where there is none, it says so.

use vault_authorizer::{causes::with_causes, config::Config, names::PolicyName};

use super::finding::Finding;
use crate::{
    connection::{AddressArguments, ConnectionError},
    failure::Failure,
    vault::{
        Quotas,
        compare::{Fate, Missing, Plan},
        drift,
    },
};

const CHECK: &str = "vault-objects";

/// One finding.
pub(super) async fn examine(
    config: &Config,
    address: &AddressArguments,
    policy: &PolicyName,
    quotas: &Quotas,
) -> Finding {
    match drift(config, address, policy.clone(), quotas.clone()).await {
        Ok(plan) => found(&plan),
        Err(Failure::VaultConnection(ConnectionError::TokenMissing)) => {
            Finding::unseen(CHECK, "there is no operator's token: set VAULT_TOKEN, or `vault login`")
        }
        Err(Failure::VaultDesired(error)) => {
            Finding::wrong(CHECK, with_causes(&error), "mend the configuration")
        }
        Err(failure) => Finding::unseen(CHECK, with_causes(&failure)),
    }
}

fn found(plan: &Plan) -> Finding {
    let differs =
        plan.entries.iter().filter(|entry| !matches!(entry.fate, Fate::Keep | Fate::Unneeded | Fate::Remove));
    let missing = plan.missing.iter().map(|missing| match missing {
        Missing::Policy { name, .. } => format!("policy {name}"),
        Missing::Mount { mount, .. } => format!("auth method {mount}"),
    });
    let wrong: Vec<String> = differs.map(|entry| entry.place.path()).chain(missing).collect();
    if wrong.is_empty() {
        return Finding::good(
            CHECK,
            format!("{} roles, policies and quotas are as they must be", plan.count(Fate::Keep)),
        );
    }
    Finding::wrong(
        CHECK,
        format!("not there, or not as they must be: {}", wrong.join(", ")),
        "`vault-authorizer vault plan` shows each difference, `vault apply` mends those of ours; what grants name besides is yours to write",
    )
}
