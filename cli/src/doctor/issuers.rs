//! The issuers' keys, fetched as the function fetches them.
//!
//! Receives the configuration's issuers; produces a finding for each.

use std::sync::Arc;

use authorizer_adapters::jwks::{Jwks, JwksSource};
use authorizer_steps::{
    clock::SystemClock,
    identity::jwt::{Algorithm, Issuer, KeySet},
};
use vault_transport::http::HttpSetupError;

use super::finding::Finding;

const CHECK: &str = "issuer-keys";

/// One finding for each issuer.
pub(super) async fn examine(issuers: Vec<(Issuer, JwksSource)>) -> Result<Vec<Finding>, HttpSetupError> {
    let from_file: Vec<bool> =
        issuers.iter().map(|(_, source)| matches!(source, JwksSource::File(_))).collect();
    let (issuers, keys) = Jwks::new(issuers, Arc::new(SystemClock))?;
    let mut findings = Vec::new();
    for (issuer, from_file) in issuers.iter().zip(from_file) {
        let name = &issuer.name;
        findings.push(match keys.fetched(name).await {
            Ok(keys) => finding(issuer, &keys, from_file),
            Err(error) => Finding::wrong(
                CHECK,
                format!("`{name}`: {error}"),
                "fix `issuer` or `jwks`, the DNS or the routes; for a provider behind a private CA set `ca_file`",
            ),
        });
    }
    Ok(findings)
}

/// What the keys can do for the configured algorithms.
fn finding(issuer: &Issuer, keys: &KeySet, from_file: bool) -> Finding {
    let name = &issuer.name;
    let found = format!("`{name}`: {}{}", counted(issuer, keys), not_used(keys));
    if keys.serving(&issuer.algorithms) == 0 {
        let served = Algorithm::ALL.into_iter().filter(|algorithm| keys.serving(&[*algorithm]) > 0);
        let served: Vec<_> = served.map(Algorithm::as_str).collect();
        let remedy =
            format!("set `algorithms` to what the issuer signs with; its keys are for {}", served.join(", "));
        return Finding::wrong(CHECK, found, remedy);
    }
    let ambiguous = keys.ambiguous_kids(&issuer.algorithms);
    if !ambiguous.is_empty() {
        let found = format!(
            "{found}; different keys have the `kid` `{}`, so none of them is used",
            ambiguous.join("`, `")
        );
        let remedy = "the provider must give each of its keys a unique `kid`";
        return Finding::wrong(CHECK, found, remedy);
    }
    if from_file {
        let reason =
            format!("{found}; they are in a file, and nothing shows whether they are still the issuer's");
        return Finding::unseen(CHECK, reason);
    }
    Finding::good(CHECK, found)
}

fn counted(issuer: &Issuer, keys: &KeySet) -> String {
    let count = |algorithm: &Algorithm| match keys.serving(&[*algorithm]) {
        0 => format!("no key for {algorithm}"),
        1 => format!("1 key for {algorithm}"),
        more => format!("{more} keys for {algorithm}"),
    };
    issuer.algorithms.iter().map(count).collect::<Vec<_>>().join(", ")
}

fn not_used(keys: &KeySet) -> String {
    let unusable: String = keys.unusable().iter().map(|key| format!("; not used: {key}")).collect();
    unusable
}
