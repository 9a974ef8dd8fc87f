//! Logs in to Vault with the function's own code, and says whether the token could mint.
//!
//! A login can succeed and still be useless, because Vault lets a batch token, or a token with a limit of uses, mint
//! nothing. The login's own answer shows this. The token is revoked at once. If Vault refuses the login, its message
//! decides the remedy.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use authorizer_adapters::{
    credentials::FunctionCredentials,
    sts::StsClient,
    vault::{Granted, LoginSettings, Powers, VaultSettings},
};
use authorizer_steps::{
    clock::{Clock, SystemClock},
    error_chain::with_causes,
    mint::MintError,
    names::PolicyName,
};
use aws_config::BehaviorVersion;
use serde::Deserialize;
use vault_api::{VaultError, VaultErrorKind, VaultToken};
use vault_transport::{Call, Vault, VaultOptions};

use super::finding::Finding;
use crate::connection::ConnectionError;

pub(super) const CHECK: &str = "vault-login";
/// Longer than the function's own limits for STS and for Vault together: here they decide.
const LONGEST_LOGIN: Duration = Duration::from_secs(10);
const NOT_TRIED: &str = "not tried: use `--log-in`, with the function's login credentials";
const REVOKE_SELF: &str = "auth/token/revoke-self";
/// A standby that has not heard of the token after this time is broken, and not behind.
const LONGEST_LAG: Duration = Duration::from_secs(5);
const LAG_PAUSE: Duration = Duration::from_millis(250);
/// A function logs in again at two thirds of its token's life. Each login leaves a lease at Vault and makes a caller wait.
const SHORTEST_LIFE_SECONDS: u64 = 60;

/// One finding. A login is made only where that is asked for: it counts, and it needs what the function logs in with. Nor is
/// it made at an address that the document alone names: it would hand over a signed login, or the content of a file.
pub(super) async fn examine(
    mut settings: VaultSettings,
    client: reqwest::Client,
    log_in: Option<Result<VaultOptions, ConnectionError>>,
    policy: &PolicyName,
) -> Finding {
    let is_token = matches!(settings.login, LoginSettings::Token(_));
    match log_in {
        // The token is the document's own.
        _ if is_token => (),
        // Nor does the document alone say whose certificate that Vault may show.
        Some(Ok(VaultOptions { ca_pem, client_certificate, .. })) => {
            settings.ca_pem = ca_pem;
            settings.client_certificate = client_certificate;
        }
        Some(Err(error)) => return Finding::unseen(CHECK, with_causes(&error)),
        None => return Finding::unseen(CHECK, NOT_TRIED),
    }
    let sdk = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let credentials: Box<dyn aws_credential_types::provider::ProvideCredentials> =
        match sdk.credentials_provider() {
            Some(provider) => Box::new(provider),
            None => Box::new(FunctionCredentials::new(client.clone())),
        };
    let connected = settings.connect(StsClient::new(client), credentials, Arc::new(SystemClock));
    let (vault, login) = match connected {
        Ok(connected) => connected,
        Err(error) => return Finding::wrong(CHECK, with_causes(&error), "fix this machine's TLS roots"),
    };
    match login.login(&vault, SystemClock.now().plus(LONGEST_LOGIN)).await {
        Ok(granted) if is_token => given(&vault, &granted.token, policy).await,
        Ok(granted) => granted_and_ended(&vault, &granted, policy).await,
        Err(error) => refused(&error),
    }
}

/// A token of the configuration is looked at, and lives on.
async fn given(vault: &Vault, token: &VaultToken, policy: &PolicyName) -> Finding {
    const REMEDY: &str = "use another token, or a login that stores none";
    let answer = match vault.send(Call::get("auth/token/lookup-self").token(token)).await {
        Ok(answer) => answer,
        // What that comes of is another check's.
        Err(error) if error.is_outage() => return Finding::unseen(CHECK, with_causes(&error)),
        Err(error) => return Finding::wrong(CHECK, with_causes(&error), REMEDY),
    };
    let Some(about) = answer.data.and_then(|data| serde_json::from_value::<LookedUp>(data).ok()) else {
        let reason = "Vault's answer about the configured token is missing fields";
        return Finding::unseen(CHECK, reason);
    };
    let life = Some(about.ttl).filter(|seconds| *seconds > 0);
    let faults = faults(&about.powers(), life, policy);
    if faults.is_empty() {
        return Finding::good(CHECK, "Vault accepts the configured token, which is for development");
    }
    let found: Vec<String> = faults.into_iter().map(|(found, _)| found).collect();
    Finding::wrong(CHECK, format!("the configured token: {}", found.join("; ")), REMEDY)
}

/// `data` of `auth/token/lookup-self` (Vault API documentation).
#[derive(Deserialize)]
struct LookedUp {
    #[serde(rename = "type")]
    token_type: String,
    policies: Vec<String>,
    identity_policies: Option<Vec<String>>,
    num_uses: u64,
    ttl: u64,
}

impl LookedUp {
    fn powers(self) -> Powers {
        let policies = self.policies.into_iter().chain(self.identity_policies.unwrap_or_default());
        Powers {
            accessor: String::new(),
            policies: policies.collect(),
            token_type: self.token_type,
            num_uses: self.num_uses,
        }
    }
}

async fn granted_and_ended(vault: &Vault, granted: &Granted, policy: &PolicyName) -> Finding {
    let Granted { token, ttl_seconds, powers, .. } = granted;
    let mut faults = faults(powers, *ttl_seconds, policy);
    // A batch token cannot be revoked: it ends by itself.
    if !is_batch(powers)
        && let Err(error) = revoked(vault, token).await
    {
        faults.push(not_revoked(&error, powers));
    }
    let life = match ttl_seconds {
        Some(seconds) => format!("for {seconds} s"),
        None => "that never expires".to_owned(),
    };
    let granted = format!("Vault grants a token {life} with {}", policies_of(&powers.policies));
    if faults.is_empty() {
        return Finding::good(CHECK, format!("{granted}; this one has been revoked"));
    }
    let (found, remedies): (Vec<_>, Vec<_>) = faults.into_iter().unzip();
    Finding::wrong(CHECK, format!("{granted}, but {}", found.join("; ")), remedies.join("; "))
}

/// Why a token is of no use to the function, and what to do about it.
type Fault = (String, String);

/// Everything that keeps a token with these powers from minting, and a life too short to work with.
fn faults(powers: &Powers, ttl_seconds: Option<u64>, policy: &PolicyName) -> Vec<Fault> {
    let Powers { policies, num_uses, .. } = powers;
    let mut faults = Vec::new();
    let mut fault = |found: String, remedy: String| faults.push((found, remedy));
    if is_batch(powers) {
        let remedy = "set `token_type=service` on the login role, and `vault auth tune -token-type=default-service` on its mount";
        fault("it is a batch token, which cannot create other tokens".to_owned(), remedy.to_owned());
    }
    if *num_uses > 0 {
        fault(
            format!("it is limited to {num_uses} uses, and a limited token cannot create other tokens"),
            "set `token_num_uses=0` on the login role".to_owned(),
        );
    }
    if ![policy.as_str(), "root"].iter().any(|allowed| policies.contains(*allowed)) {
        fault(
            format!("it does not have the policy `{policy}`, so it may not mint"),
            format!(
                "add `{policy}` to the login role's `token_policies`, or name your policy with `--policy`"
            ),
        );
    }
    if let Some(seconds) = ttl_seconds.filter(|seconds| *seconds < SHORTEST_LIFE_SECONDS) {
        let remedy = "set `token_ttl=1h` on the login role, and no shorter `token_max_ttl`, `token_explicit_max_ttl` or `token_period`";
        fault(format!("after {seconds} s the function has to log in again"), remedy.to_owned());
    }
    faults
}

fn is_batch(powers: &Powers) -> bool {
    powers.token_type == "batch"
}

fn policies_of(policies: &BTreeSet<String>) -> String {
    let names: Vec<String> = policies.iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "no policy".to_owned(),
        1 => format!("the policy {}", names.join("")),
        _ => format!("the policies {}", names.join(", ")),
    }
}

/// Revokes the token. Behind a load balancer, the next node may not have heard of it yet.
async fn revoked(vault: &Vault, token: &VaultToken) -> Result<(), VaultError> {
    let give_up_at = SystemClock.now().plus(LONGEST_LAG);
    let mut may_be_done = false;
    loop {
        let error = match vault.send(Call::post(REVOKE_SELF).token(token)).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.kind, VaultErrorKind::TokenNotValid) && may_be_done => return Ok(()),
            Err(error) => error,
        };
        may_be_done |= error.may_have_been_done();
        if !(error.may_be_lag() || error.is_outage()) || SystemClock.now() >= give_up_at {
            return Err(error);
        }
        tokio::time::sleep(LAG_PAUSE).await;
    }
}

/// The token lives on. Vault took the login and refuses the token: its policies are one reason, its addresses another.
fn not_revoked(error: &VaultError, powers: &Powers) -> Fault {
    let (found, remedy) = if matches!(error.kind, VaultErrorKind::TokenNotValid) {
        (
            "Vault does not accept it from this address".to_owned(),
            "the login role's `token_bound_cidrs` must include the address that Vault sees, and the function's; if it has none, a standby lags behind by more than 5 s",
        )
    } else if matches!(error.kind, VaultErrorKind::Forbidden) {
        (
            "it may not revoke itself".to_owned(),
            "the authorizer's policy must allow `update` on auth/token/revoke-self: `vault apply` writes it",
        )
    } else {
        (format!("it could not be revoked: {}", with_causes(error)), "see vault-reachable and vault-sealed")
    };
    let by_hand = format!(
        "revoke the token that this login left behind: `vault token revoke -accessor {}`",
        powers.accessor
    );
    (found, format!("{remedy}; {by_hand}"))
}

fn refused(error: &MintError) -> Finding {
    let remedy = match error.vault_error() {
        Some(VaultError { kind: VaultErrorKind::Refused { message, status }, .. }) => {
            remedy(message, *status)
        }
        Some(_) => "see vault-reachable and vault-sealed",
        None if matches!(error, MintError::LoginSts { .. }) => {
            "allow access to the STS of `vault.login.sts_region`, fix `vault.login.sts_endpoint`, or try again"
        }
        None => "give this shell the function's login credentials: those of its role, or its files",
    };
    // The credentials' own words can have several lines.
    let found = with_causes(error).split_whitespace().collect::<Vec<_>>().join(" ");
    Finding::wrong(CHECK, found, remedy)
}

/// What the auth methods of Vault and OpenBao say, and what to do then. The first that matches counts.
const REMEDIES: &str = "\
does not belong to the role => the login role's `bound_iam_principal_arn` must name the role that these credentials belong to: the function's
X-Vault-AWS-IAM-Server-ID => `vault.login.server_id` must be the mount's `iam_server_id_header_value`
valid region => `vault.login.sts_region` must be the region of the STS that the mount asks: us-east-1 unless the mount sets `sts_region`
from STS => STS refuses the login: the credentials have expired, or `sts_region` is not the mount's
not allowed for role => the login role must have `auth_type=iam`
invalid audience => `web_identity_audience`, or `aud` of the JWT, must be one of the role's `bound_audiences`
invalid subject => `sub` of the JWT must be the role's `bound_subject`: `vault apply --jwt-subject`, or `--aws-principal`
validating claims => the JWT's claims must match the role's `bound_claims`
expired => the JWT has expired: the program that writes `jwt_file` must write a new one, and its clock must be right
signature => the mount's `oidc_discovery_url`, or its keys, must be those of the issuer that signs the JWT
invalid issuer => the mount's `bound_issuer` must be the `iss` of the JWT
CIDR => the login role's `secret_id_bound_cidrs` and `token_bound_cidrs` must include the address that Vault sees, and the function's
role or secret ID => `vault.login.role_id` must exist on the mount, and the secret id must belong to that role and not be expired: issue another
secret id => the secret id is used up, expired, or belongs to another role: issue another
secret_id => the secret id is used up, expired, or belongs to another role: issue another
entry for role => `vault.login.role` must name a role of the mount; `vault list auth/<mount>/role` shows them
could not be found => `vault.login.role` must name a role of the mount; `vault list auth/<mount>/role` shows them
missing role => `vault.login.role` must name a role of the mount; `vault list auth/<mount>/role` shows them";

fn remedy(message: &str, status: u16) -> &'static str {
    if status == 403 {
        return "either nothing is mounted there: fix `vault.login.mount`, or run `vault auth enable`; or the login role's `token_bound_cidrs` do not include the address that Vault sees. Vault gives the same answer in both cases";
    }
    let mut known = REMEDIES.lines().filter_map(|line| line.split_once(" => "));
    known
        .find(|(words, _)| message.contains(words))
        .map_or("see Vault's message; its server log has more", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the methods really say.
    #[test]
    fn each_refusal_of_vault_has_its_own_remedy() {
        for (message, expected) in [
            (
                "IAM Principal \"arn:aws:sts::123456789012:assumed-role/other/x\" does not belong to the role \"api-authorizer\"",
                "bound_iam_principal_arn",
            ),
            (
                "error validating X-Vault-AWS-IAM-Server-ID header: missing header",
                "iam_server_id_header_value",
            ),
            (
                "error making upstream request: received error code 403 from STS: SignatureDoesNotMatch, Credential should be scoped to a valid region",
                "sts_region",
            ),
            ("error making upstream request: received error code 403 from STS: ExpiredToken", "expired"),
            ("entry for role api-authorizer not found", "must name a role"),
            ("role \"nope\" could not be found", "must name a role"),
            (
                "error validating token: invalid audience (aud) claim: audience claim does not match",
                "bound_audiences",
            ),
            ("error validating token: invalid issuer (iss) claim", "bound_issuer"),
            ("error validating token: invalid subject (sub) claim", "bound_subject"),
            (
                "error validating signature: no known key successfully validated the token signature",
                "oidc_discovery_url",
            ),
            (
                "source address \"127.0.0.1\" unauthorized by CIDR restrictions on the role",
                "token_bound_cidrs",
            ),
            ("invalid role or secret ID", "vault.login.role_id"),
            ("invalid secret id", "secret id is used up"),
        ] {
            assert!(remedy(message, 400).contains(expected), "{message}: {}", remedy(message, 400));
        }
        for either in ["vault.login.mount", "token_bound_cidrs"] {
            assert!(remedy("permission denied", 403).contains(either));
        }
        assert!(remedy("something new", 400).contains("server log"));
    }
}
