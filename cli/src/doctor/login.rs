//! The authorizer's login at Vault, made from here with the function's own code.
//!
//! Receives the configuration's `vault`; logs in, ends that login again, and produces a finding. Where Vault refuses, its
//! words are told apart: each has another cause, and Vault names none of them.

use std::{sync::Arc, time::Duration};

use aws_config::BehaviorVersion;
use vault_authorizer::{
    adapters::{
        sts::StsClient,
        vault::{Granted, LoginSettings, VaultSettings},
    },
    causes::with_causes,
    clock::{Clock, SystemClock},
    mint::MintError,
};
use vault_context::{
    VaultToken,
    vault::{Call, Vault, VaultError, VaultOptions},
};

use super::finding::Finding;
use crate::connection::ConnectionError;

const CHECK: &str = "vault-login";
/// Longer than the function's own limits for STS and for Vault together: here they decide.
const LONGEST_LOGIN: Duration = Duration::from_secs(10);

/// One finding. A login is made only where that is asked for: it counts, and it needs what the function logs in with. Nor is
/// it made at an address that the document alone names: it would hand over a signed login, or the content of a file.
pub(super) async fn examine(
    mut settings: VaultSettings,
    client: reqwest::Client,
    log_in: Option<Result<VaultOptions, ConnectionError>>,
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
        None => {
            return Finding::unseen(CHECK, "not tried: `--log-in` does, with what the function logs in with");
        }
    }
    let sdk = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let credentials: Box<dyn aws_credential_types::provider::ProvideCredentials> =
        match sdk.credentials_provider() {
            Some(provider) => Box::new(provider),
            None => Box::new(vault_authorizer::adapters::vault::EnvironmentCredentials),
        };
    let connected = settings.connect(StsClient::new(client), credentials, Arc::new(SystemClock));
    let (vault, login) = match connected {
        Ok(connected) => connected,
        Err(error) => return Finding::wrong(CHECK, with_causes(&error), "mend this machine's TLS roots"),
    };
    match login.login(&vault, SystemClock.now().plus(LONGEST_LOGIN)).await {
        Ok(granted) if is_token => given(&vault, &granted.token).await,
        Ok(granted) => granted_and_ended(&vault, granted).await,
        Err(error) => refused(&error),
    }
}

/// A token of the configuration is looked at, and lives on.
async fn given(vault: &Vault, token: &VaultToken) -> Finding {
    match vault.send(Call::get("auth/token/lookup-self").token(token)).await {
        Ok(_) => Finding::good(CHECK, "Vault knows the token of the configuration, which is for development"),
        Err(error) => {
            Finding::wrong(CHECK, with_causes(&error), "another token; or a login that stores none")
        }
    }
}

async fn granted_and_ended(vault: &Vault, granted: Granted) -> Finding {
    let life = match granted.ttl_seconds {
        Some(seconds) => format!("for {seconds} s"),
        None => "without end".to_owned(),
    };
    match vault.send(Call::post("auth/token/revoke-self").token(&granted.token)).await {
        Ok(_) => Finding::good(CHECK, format!("Vault grants a token {life}; this one is revoked again")),
        Err(error) => Finding::wrong(
            CHECK,
            format!("Vault grants a token {life}, and it may not revoke itself: {}", with_causes(&error)),
            "give the authorizer's policy `update` on auth/token/revoke-self",
        ),
    }
}

fn refused(error: &MintError) -> Finding {
    let remedy = match error.vault_error() {
        Some(VaultError::Refused { message, status, .. }) => remedy(message, *status),
        Some(_) => "see vault-reachable and vault-sealed",
        None if matches!(error, MintError::LoginSts { .. }) => {
            "open the way to the STS of `vault.login.sts_region`, or mend `vault.login.sts_endpoint`; or try again"
        }
        None => "give this shell what the function logs in with: credentials of its role, or its files",
    };
    // The credentials' own words can have several lines.
    let found = with_causes(error).split_whitespace().collect::<Vec<_>>().join(" ");
    Finding::wrong(CHECK, found, remedy)
}

/// What to do, by what the auth methods of Vault and OpenBao say.
fn remedy(message: &str, status: u16) -> &'static str {
    const REMEDIES: [(&str, &str); 12] = [
        (
            "does not belong to the role",
            "the login role's `bound_iam_principal_arn` must name the role whose credentials these are: the function's",
        ),
        (
            "X-Vault-AWS-IAM-Server-ID",
            "`vault.login.server_id` must be the mount's `iam_server_id_header_value`",
        ),
        (
            "valid region",
            "`vault.login.sts_region` must be the region of the STS that the mount asks: us-east-1 unless it has `sts_region`",
        ),
        (
            "from STS",
            "STS refuses the login: the credentials have expired, or `sts_region` is not the mount's",
        ),
        (
            "invalid audience",
            "`web_identity_audience`, or `aud` of the JWT, must be one of the role's `bound_audiences`",
        ),
        (
            "invalid subject",
            "`sub` of the JWT must be the role's `bound_subject`: `vault apply --jwt-subject`, or `--aws-principal`",
        ),
        (
            "error validating signature",
            "the mount's `oidc_discovery_url`, or its keys, must be those of whoever signs the JWT",
        ),
        ("invalid issuer", "the mount's `bound_issuer` must be the `iss` of the JWT"),
        (
            "role or secret ID",
            "`vault.login.role_id` must be one of the mount's, and the secret id one of that role's that has not ended: issue another",
        ),
        ("secret id", "the secret id is used up, expired, or of another role: issue another"),
        ("secret_id", "the secret id is used up, expired, or of another role: issue another"),
        (
            "role",
            "`vault.login.role` must name a role of the mount; `vault list auth/<mount>/role` shows them",
        ),
    ];
    if status == 403 {
        return "nothing is mounted there: mend `vault.login.mount`, or `vault auth enable`";
    }
    let known = REMEDIES.iter().find(|(words, _)| message.contains(words));
    known.map_or("Vault's words say it; its server log says more", |(_, remedy)| remedy)
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
            ("invalid role or secret ID", "vault.login.role_id"),
            ("invalid secret id", "secret id is used up"),
        ] {
            assert!(remedy(message, 400).contains(expected), "{message}: {}", remedy(message, 400));
        }
        assert!(remedy("permission denied", 403).contains("vault.login.mount"));
        assert!(remedy("something new", 400).contains("server log"));
    }
}
