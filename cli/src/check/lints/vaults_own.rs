//! Lints of the separation between callers' credentials and the authorizer's own login at Vault.

use authorizer_adapters::vault::{JwtSource, LoginSettings};
use authorizer_steps::identity::jwt::{Issuer, IssuerKind};
use vault_authorizer::config::{Config, quoted};

use super::{finding::Finding, stages};

pub(super) fn lint(config: &Config) -> Vec<Finding> {
    let mut findings = server_id(config);
    findings.extend(audience(config));
    findings
}

/// Vault's own id, by the login or by Vault's host, in proofs that are for the API.
fn server_id(config: &Config) -> Vec<Finding> {
    let Some(settings) = &config.aws_identity else { return Vec::new() };
    let login = match &config.vault.login {
        LoginSettings::Aws(login) => Some(login.server_id.as_str()),
        LoginSettings::Jwt(_) | LoginSettings::AppRole(_) | LoginSettings::Token(_) => None,
    };
    let is_vaults = |id: &str| {
        let named = [login, config.vault.address.url().host_str()];
        named.into_iter().flatten().any(|own| own.eq_ignore_ascii_case(id))
    };
    let takers = || config.stages.values().filter(|stage| stages::takes_proofs(stage));
    let shared = (takers().any(|stage| stage.server_id.is_none()) && is_vaults(settings.server_id.as_str()))
        .then(|| "aws_identity.server_id".to_owned());
    let own = takers().filter(|stage| stage.server_id.as_ref().is_some_and(|id| is_vaults(id.as_str())));
    let own = own.map(|stage| format!("{}.server_id", stages::place(stage)));
    let finding = |place| {
        let risk = "it names Vault, so the proofs that callers sign for this API are addressed to Vault as well: only their form, a presigned URL, stops anyone who sees one from logging in to Vault as the caller";
        let instead = "a name that belongs to the API, such as its host";
        Finding::warning("server-id-of-vault", place, risk, instead)
    };
    shared.into_iter().chain(own).map(finding).collect()
}

/// The same of JWTs that AWS issues: `web_identity_audience` is whom the authorizer's are for.
fn audience(config: &Config) -> Vec<Finding> {
    let LoginSettings::Jwt(login) = &config.vault.login else { return Vec::new() };
    let JwtSource::WebIdentity { audience, .. } = &login.jwt else { return Vec::new() };
    let of_aws =
        config.issuers.iter().map(|(issuer, _)| issuer).filter(|issuer| issuer.kind == IssuerKind::AwsIam);
    let shared = of_aws.filter(|issuer| issuer.audiences.iter().any(|own| own == audience.as_str()));
    let finding = |issuer: &Issuer| {
        let risk = format!(
            "`{}` is the audience of the authorizer's own login at Vault: a caller's JWT for this API is also addressed to Vault, and the authorizer's JWT is also addressed to this API",
            audience.as_str()
        );
        let instead = "an audience that belongs to the API";
        let place = format!("issuers.{}.audiences", quoted(issuer.name.as_str()));
        Finding::warning("audience-of-vault", place, risk, instead)
    };
    shared.map(finding).collect()
}
