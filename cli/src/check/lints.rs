//! Finds what a valid configuration does that its author may not have meant.
//!
//! Receives the settings that the function would run with. Produces findings in the order of the document, each with
//! its place, what may go wrong, and what to write instead. Each lint has a name, so that people can talk about it.
//! It fires only if the settings alone show the problem.

pub(crate) mod bindings;
mod claims;
pub(super) mod finding;
mod grants;
mod issuers;
pub(crate) mod limits;
mod providers;
mod routes;
mod stages;
#[cfg(test)]
mod tests;
mod vaults_own;

use authorizer_adapters::{
    jwks::JwksSource,
    vault::{LoginSettings, SecretId, VaultSettings},
};
use authorizer_steps::{
    event::CredentialSource,
    identity::{aws_identity::AwsIdentitySettings, jwt::Issuer},
    response::{AnswerSettings, ResponseAs},
};
use finding::Finding;
use vault_authorizer::config::{Config, quoted};

/// A proof is meant for the request that it comes with.
const LONGEST_PROOF_SECONDS: u64 = 300;

/// Everything that the lints find, where the function may have so many instances.
pub(super) fn lint(config: &Config, instances: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(login(&config.vault));
    findings.extend(config.issuers.iter().filter_map(keys_in_file));
    findings.extend(issuers::lint(config));
    findings.extend(vaults_own::lint(config));
    findings.extend(config.aws_identity.as_ref().and_then(proof_window));
    findings.extend(config.credentials.iter().enumerate().filter_map(credential_source));
    findings.extend(simple_answers(config.answer));
    findings.extend(limits::lint(config, instances));
    findings.extend(stages::lint(config));
    findings
}

fn login(vault: &VaultSettings) -> Option<Finding> {
    match &vault.login {
        LoginSettings::Token(_) => Some(Finding::warning(
            "login-token",
            "vault.login",
            "for development only: anyone who can read the function's settings has this token, and it is never renewed; once it expires, every grant with a token fails",
            "{method: aws, role: …, server_id: …}, which stores no secret",
        )),
        LoginSettings::AppRole(settings) if matches!(settings.secret_id, SecretId::Given(_)) => {
            let risk = "anyone who can read the function's settings can log in as the authorizer, and a new secret id needs a new deployment";
            let instead = "`secret_id_file`; or {method: jwt, role: …, web_identity_audience: …}, which stores no secret";
            Some(Finding::warning("login-secret", "vault.login.secret_id", risk, instead))
        }
        LoginSettings::Aws(_) | LoginSettings::Jwt(_) | LoginSettings::AppRole(_) => None,
    }
}

fn keys_in_file((issuer, source): &(Issuer, JwksSource)) -> Option<Finding> {
    let JwksSource::File(_) = source else { return None };
    let risk = "the file is read once: after the issuer rotates its keys, its tokens are refused (key_unknown) until you deploy again, and a key that it revoked stays valid until then";
    let instead = "`discovery`, or {uri: …}";
    let place = format!("issuers.{}.jwks", quoted(issuer.name.as_str()));
    Some(Finding::warning("keys-in-file", place, risk, instead))
}

fn proof_window(settings: &AwsIdentitySettings) -> Option<Finding> {
    let seconds = settings.max_age_seconds;
    if seconds <= LONGEST_PROOF_SECONDS || settings.single_use {
        return None;
    }
    let risk = format!(
        "for {seconds} s anyone who sees a proof, for example in a log, can use it to pose as its caller"
    );
    let instead = format!(
        "{LONGEST_PROOF_SECONDS}s or less (60s is the default); if callers cannot sign that often, add `single_use: true`"
    );
    Some(Finding::warning("proof-window", "aws_identity.max_age", risk, instead))
}

fn credential_source((index, source): (usize, &CredentialSource)) -> Option<Finding> {
    match source {
        CredentialSource::Query(_) => Some(Finding::warning(
            "credential-in-query",
            format!("credentials[{index}].query"),
            "the token is part of the URL, so it ends up in access logs, the browser's history and the Referer header",
            "{header: Authorization}; for a WebSocket from a browser, {websocket_protocol: …}",
        )),
        CredentialSource::Cookie(_) => Some(Finding::warning(
            "credential-in-cookie",
            format!("credentials[{index}].cookie"),
            "a browser adds the cookie to requests that another site makes it send (CSRF)",
            "{header: Authorization}; if it must be a cookie, set it with SameSite=Strict, Secure and HttpOnly, and have each route that changes something check the Origin header or an anti-CSRF token",
        )),
        CredentialSource::Header(_)
        | CredentialSource::BareHeader(_)
        | CredentialSource::WebSocketProtocol(_) => None,
    }
}

fn simple_answers(answer: AnswerSettings) -> Option<Finding> {
    match answer.response {
        ResponseAs::Policy => None,
        ResponseAs::Simple => Some(Finding::hint(
            "simple-answers",
            "answer.response",
            "HTTP APIs get `isAuthorized`, which they understand only if their authorizer has payload format 2.0 and simple responses enabled; otherwise every call fails with a 500",
            "set `EnableSimpleResponses: true` on the authorizer, or set `policy` here and leave it off there",
        )),
    }
}
