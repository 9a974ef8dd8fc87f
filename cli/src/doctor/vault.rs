//! Vault, seen from this machine: whether it answers, is unsealed, and agrees on the time.
//!
//! Receives the configuration's `vault`; produces findings. It asks `sys/health`, which needs no token. It cannot
//! tell what the function itself can reach from its subnet.

use std::time::Duration;

use authorizer_adapters::vault::VaultSettings;
use authorizer_steps::{
    clock::{Clock, SystemClock},
    error_chain::with_causes,
};
use serde::Deserialize;
use vault_transport::http::{self, HttpOptions, Protocol, TransportError};

use super::finding::Finding;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A health answer has about 500 bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// STS takes a signature of the login that is 15 minutes off; a token's TTL is shorter by any difference.
const MAX_CLOCK_DIFFERENCE_SECONDS: u64 = 30;

/// `sys/health` (Vault API documentation): with these codes each state is a 200 with its fields.
const HEALTH: &str =
    "v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200";

/// What Vault and OpenBao, as all servers in Go, tell a client in plain http, in plain http.
const HTTP_AT_HTTPS: &[u8] = b"Client sent an HTTP request to an HTTPS server";

#[derive(Deserialize)]
struct Health {
    initialized: bool,
    sealed: bool,
    /// HashiCorp Vault's; OpenBao says nothing of it.
    replication_dr_mode: Option<String>,
    server_time_utc: u64,
    version: String,
}

/// Every check of Vault.
pub(super) async fn examine(settings: &VaultSettings) -> Vec<Finding> {
    let address = settings.address.as_str();
    match health(settings).await {
        Ok(health) => {
            let reachable =
                Finding::good("vault-reachable", format!("{address} answers, version {}", health.version));
            vec![reachable, sealed(&health), clock(&health)]
        }
        Err(reason) => {
            let found = format!("{address} does not answer: {reason}");
            let remedy = "start Vault, or fix `vault.address`, the DNS, the routes or `vault.ca_file`";
            let [sealed, clock] =
                ["vault-sealed", "vault-clock"].map(|check| Finding::unseen(check, "Vault does not answer"));
            vec![Finding::wrong("vault-reachable", found, remedy), sealed, clock]
        }
    }
}

async fn health(settings: &VaultSettings) -> Result<Health, String> {
    let options = HttpOptions {
        timeout: TIMEOUT,
        ca_pem: settings.ca_pem.clone(),
        client_certificate: settings.client_certificate.clone(),
        protocol: Protocol::of(settings.address.is_loopback_http()),
        ..HttpOptions::default()
    };
    let client = http::client(&options).map_err(|error| with_causes(&error))?;
    let url = format!("{}/{HEALTH}", settings.address.as_str().trim_end_matches('/'));
    let answer = client.get(url).send().await.map_err(|error| with_causes(&TransportError::from(error)))?;
    let status = answer.status().as_u16();
    let body = http::read_capped(answer, MAX_ANSWER_BYTES).await.map_err(|error| with_causes(&error))?;
    serde_json::from_slice(&body).map_err(|_| match body.starts_with(HTTP_AT_HTTPS) {
        true => "the address starts with http://, but the server there speaks TLS: write https://".to_owned(),
        false => format!("status {status}, and the body is not Vault's health response"),
    })
}

fn sealed(health: &Health) -> Finding {
    let check = "vault-sealed";
    match (health.initialized, health.sealed) {
        (false, _) => {
            Finding::wrong(check, "it was never initialized", "run `vault operator init`, then unseal it")
        }
        (true, true) => Finding::wrong(check, "it is sealed", "run `vault operator unseal` on each node"),
        (true, false) if health.replication_dr_mode.as_deref() == Some("secondary") => Finding::wrong(
            check,
            "it is a disaster recovery secondary, which serves no clients until it is promoted",
            "fix `vault.address`: it must point to the primary cluster",
        ),
        (true, false) => Finding::good(check, "it is unsealed"),
    }
}

fn clock(health: &Health) -> Finding {
    let difference = SystemClock.now().seconds().abs_diff(health.server_time_utc);
    let found = format!("{difference} s between Vault's clock and this one");
    if difference <= MAX_CLOCK_DIFFERENCE_SECONDS {
        return Finding::good("vault-clock", found);
    }
    let remedy = "synchronise both with NTP: logins and token expiry depend on them";
    Finding::wrong("vault-clock", found, remedy)
}
