//! Lints of limits: can one caller use up what a grant has for everybody?
//!
//! The configuration does not say how many instances the function may have. `check` takes the number as an option,
//! and `doctor` asks AWS.

use authorizer_steps::grant::{Mode, Stages};
use vault_authorizer::config::{Config, Limits};

use super::finding::Finding;

/// One caller may have half of a grant's quota; the other half is for all others.
const PART_OF_A_QUOTA: u32 = 2;

pub(super) fn lint(config: &Config, instances: u32) -> Option<Finding> {
    let (risk, instead) = one_caller_over_a_grant(config.limits, &config.stages, instances)?;
    let risk = format!("with {instances} instances (`--concurrency`), {risk}");
    Some(Finding::warning("caller-over-grant", "limits.caller_mints_per_second", risk, instead))
}

/// Where one caller can have more than half of a grant's quota minted by so many instances: the risk, and what to do.
pub(crate) fn one_caller_over_a_grant(
    limits: Limits,
    stages: &Stages,
    instances: u32,
) -> Option<(String, String)> {
    let mints =
        stages.values().flat_map(|stage| &stage.rules).any(|rule| matches!(rule.mode, Mode::Token(_)));
    let (caller, grant) = (limits.caller_mints_per_second.get(), limits.grant_mints_per_second.get());
    let everywhere = u64::from(caller) * u64::from(instances);
    if !mints || everywhere * u64::from(PART_OF_A_QUOTA) <= u64::from(grant) {
        return None;
    }
    let left = if everywhere < u64::from(grant) { "little" } else { "nothing" };
    let risk = format!(
        "one caller can have {everywhere} tokens minted per second, {caller} by each instance, and a grant has {grant} for everybody: a loop or a stolen credential leaves {left} for the others"
    );
    let fits = match grant / PART_OF_A_QUOTA / instances {
        0 => String::new(),
        fits => format!("`caller_mints_per_second: {fits}` or less, "),
    };
    let instead = format!(
        "{fits}a higher `grant_mints_per_second` if Vault can mint that many, or less concurrency for the function"
    );
    Some((risk, instead))
}
