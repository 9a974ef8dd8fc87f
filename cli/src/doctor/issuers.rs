//! The issuers' keys, fetched as the function fetches them.
//!
//! Receives the configuration's issuers; produces a finding for each.

use std::sync::Arc;

use vault_authorizer::{
    adapters::jwks::{Jwks, JwksSource},
    clock::SystemClock,
    identity::{KeySource, jwt::Issuer},
};

use super::finding::Finding;

const CHECK: &str = "issuer-keys";

/// One finding for each issuer.
pub(super) async fn examine(issuers: Vec<(Issuer, JwksSource)>, client: reqwest::Client) -> Vec<Finding> {
    let from_file: Vec<bool> =
        issuers.iter().map(|(_, source)| matches!(source, JwksSource::File(_))).collect();
    let (issuers, keys) = Jwks::new(issuers, client, Arc::new(SystemClock));
    let mut findings = Vec::new();
    for (issuer, from_file) in issuers.iter().zip(from_file) {
        let name = &issuer.name;
        findings.push(match keys.current(name).await {
            Ok(_) if from_file => {
                Finding::unseen(CHECK, format!("`{name}`: its keys are in a file; whether they are still the issuer's shows nowhere"))
            }
            Ok(keys) => Finding::good(CHECK, format!("`{name}`: {} keys that can verify", keys.len())),
            Err(error) => Finding::wrong(
                CHECK,
                format!("`{name}`: {error}"),
                "mend `issuer` or `jwks`, the DNS or the routes; a provider behind a private CA cannot be reached",
            ),
        });
    }
    findings
}
