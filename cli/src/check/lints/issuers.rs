//! Lints of issuers: tokens that are accepted by mistake, and tokens that are refused by mistake.

use authorizer_steps::{
    grant::Rule,
    identity::jwt::{AudienceClaim, Issuer},
};
use vault_authorizer::config::{Config, quoted};

use super::{
    bindings, claims,
    finding::Finding,
    providers::{self, rules},
};

/// A bound on one of these holds for access tokens and not for ID tokens: Keycloak's and Cognito's name of the token's kind,
/// and scopes, which an ID token does not have.
const TELL_TOKENS_APART: [&str; 4] = ["typ", "token_use", "scope", "scp"];

pub(super) fn lint(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (issuer, _) in &config.issuers {
        let place = format!("issuers.{}", quoted(issuer.name.as_str()));
        findings.extend(providers::entra(issuer, &place).or_else(|| providers::issuer_form(issuer, &place)));
        findings.extend(claims::star_in([&issuer.issuer], &format!("{place}.issuer")));
        findings.extend(claims::star_in(&issuer.audiences, &format!("{place}.audiences")));
        findings.extend(claims::star_in(&issuer.types, &format!("{place}.types")));
        findings.extend(providers::cognito(issuer, config, &place));
        findings.extend(id_tokens(issuer, config, &place));
        findings.extend(default_audience(issuer, config, &place));
        findings.extend(types_without_jwt(issuer, &place));
        findings.extend(claims::name(&issuer.user_claim, &format!("{place}.user_claim")));
        findings.extend(bindings::lint(issuer, config, &place));
    }
    findings
}

/// OpenID Connect Core, section 2: an ID token may name the client in `azp`, as an access token does.
fn id_tokens(issuer: &Issuer, config: &Config, place: &str) -> Option<Finding> {
    if issuer.audience_claim != AudienceClaim::Azp || !lists_jwt(issuer) || providers::is_cognito(issuer) {
        return None;
    }
    let tells_apart = |rule: &Rule| {
        rule.bounds.claims.iter().any(|bound| {
            let name = bound.name.strip_prefix('/').unwrap_or(&bound.name);
            TELL_TOKENS_APART.contains(&name)
        })
    };
    let rules = config.stages.values().flat_map(|stage| rules(stage, issuer));
    let open: Vec<_> =
        rules.filter(|rule| !tells_apart(rule)).map(|rule| format!("`{}`", rule.name)).collect();
    if open.is_empty() {
        return None;
    }
    let risk = format!(
        "an ID token can name its client in `azp`, as an access token does, so it gets what {} give{}",
        open.join(", "),
        if open.len() == 1 { "s" } else { "" }
    );
    let instead = "`aud` with an audience that belongs to this API; or, in each of these grants, a bound that only access tokens meet, such as `bound_claims: {typ: Bearer}` with Keycloak";
    Some(Finding::warning("azp-takes-id-tokens", format!("{place}.audience_claim"), risk, instead))
}

/// Keycloak's default scope `roles` adds `account` for every user with the default roles. Its `iss` always has `/realms/`.
fn default_audience(issuer: &Issuer, config: &Config, place: &str) -> Option<Finding> {
    let has_it = |audiences: &[String]| audiences.iter().any(|audience| audience == "account");
    let is_keycloak = issuer.issuer.contains("/realms/");
    if !is_keycloak || issuer.audience_claim != AudienceClaim::Aud || !has_it(&issuer.audiences) {
        return None;
    }
    let mut callers = config.stages.values().filter(|stage| rules(stage, issuer).next().is_some());
    callers.any(|stage| stage.audiences.as_deref().is_none_or(has_it)).then(|| {
        let risk =
            "Keycloak puts `account` into nearly every access token of a realm, whichever API it is for";
        let instead = "the client id of this API, which an Audience mapper adds to the tokens for it";
        Finding::warning("default-audience", format!("{place}.audiences"), risk, instead)
    })
}

fn types_without_jwt(issuer: &Issuer, place: &str) -> Option<Finding> {
    if lists_jwt(issuer) {
        return None;
    }
    let risk = "tokens whose header has `typ` `JWT`, or none, are refused (type_refused): Keycloak sends `JWT` unless the client has \"Use at+jwt as access token header type\"; Cognito and Okta send none";
    let instead = "leave it if you have seen this `typ` in the header of an access token from this issuer; otherwise add `JWT`";
    Some(Finding::hint("types-without-jwt", format!("{place}.types"), risk, instead))
}

fn lists_jwt(issuer: &Issuer) -> bool {
    let types = issuer.types.iter().map(|typ| typ.to_ascii_lowercase());
    types.into_iter().any(|typ| matches!(typ.as_str(), "jwt" | "application/jwt"))
}
