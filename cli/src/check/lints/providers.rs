//! Lints of well-known issuers, recognised by their URL: entries that expect what this provider's tokens do not hold.

use authorizer_steps::{
    grant::{Callers, Pattern, Rule, Stage},
    identity::jwt::{AudienceClaim, Issuer},
};
use vault_authorizer::config::Config;

use super::finding::Finding;

/// `iss` of an Entra ID tenant: version 2, and version 1 with its slash.
const GLOBAL: (&str, &str) = ("login.microsoftonline.com", "sts.windows.net");
const CHINA: (&str, &str) = ("login.partner.microsoftonline.cn", "sts.chinacloudapi.cn");
/// The same tokens as [`GLOBAL`] in version 1.
const US_GOVERNMENT: &str = "login.microsoftonline.us";
/// Other names of the endpoints, which no `iss` has.
const ENTRA_ALIASES: [&str; 2] = ["login.windows.net", "login.microsoft.com"];
/// What begins the path of Azure AD B2C in older forms, which have tenant and flow behind it.
const B2C_PATHS: [&str; 2] = ["te", "tfp"];

/// Cognito names the app client in `client_id` of an access token and in `aud` of an ID token. An access token has `aud` only
/// with resource binding, and that is a URL (Amazon Cognito developer guide, "Resource binding").
pub(super) fn cognito(issuer: &Issuer, config: &Config, place: &str) -> Option<Finding> {
    if !is_cognito(issuer) || issuer.audience_claim == AudienceClaim::ClientId {
        return None;
    }
    let is_bound_to_resources = issuer.audiences.iter().all(|audience| audience.contains("://"));
    let wants_id_tokens = |rule: &Rule| {
        rule.bounds.claims.iter().any(|bound| {
            let name = bound.name.strip_prefix('/').unwrap_or(&bound.name);
            name == "token_use" && bound.any_of.iter().all(|value| *value == Pattern::Exactly("id".into()))
        })
    };
    let by_azp = issuer.audience_claim == AudienceClaim::Azp;
    let mut rules = config.stages.values().flat_map(|stage| rules(stage, issuer));
    if !by_azp && (is_bound_to_resources || rules.all(wants_id_tokens)) {
        return None;
    }
    let risk = if by_azp {
        "Cognito's tokens have no `azp`: every token is refused (claim_missing)"
    } else {
        "Cognito's access tokens name the app client in `client_id` and have no `aud`: every access token is refused (claim_missing), and only ID tokens pass"
    };
    let instead = "`audience_claim: client_id`; if callers should send ID tokens, `aud`, and `bound_claims: {token_use: id}` in each grant of this issuer";
    Some(Finding::warning("cognito-audience", format!("{place}.audience_claim"), risk, instead))
}

/// A stage's grants for an issuer.
pub(super) fn rules<'a>(stage: &'a Stage, issuer: &'a Issuer) -> impl Iterator<Item = &'a Rule> {
    stage.rules.iter().filter(|rule| is_for(rule, issuer))
}

/// Whether a grant is for an issuer's callers.
pub(super) fn is_for(rule: &Rule, issuer: &Issuer) -> bool {
    matches!(&rule.callers, Callers::OfIssuer(name) if *name == issuer.name)
}

pub(super) fn is_cognito(issuer: &Issuer) -> bool {
    let (host, _) = host_and_path(&issuer.issuer);
    host.starts_with("cognito-idp.")
        && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

/// `iss` is compared to the letter, so that no token ever has a URL that only resembles it.
pub(super) fn entra(issuer: &Issuer, place: &str) -> Option<Finding> {
    let (host, path) = host_and_path(&issuer.issuer);
    let (tenant, rest) = path.split_once('/').map_or((path, None), |(tenant, rest)| (tenant, Some(rest)));
    if B2C_PATHS.contains(&tenant) {
        return None;
    }
    let (version_2, version_1) = match host {
        _ if host == CHINA.0 || host == CHINA.1 => CHINA,
        US_GOVERNMENT => (US_GOVERNMENT, GLOBAL.1),
        _ if host == GLOBAL.0 || host == GLOBAL.1 || ENTRA_ALIASES.contains(&host) => GLOBAL,
        _ if host.ends_with(".b2clogin.com") => return b2c(host, tenant, rest, place),
        _ => return None,
    };
    let form_holds = host == version_2 && rest == Some("v2.0") || host == version_1 && rest == Some("");
    if is_tenant_id(tenant) && form_holds {
        return None;
    }
    let tenant = shown_tenant(tenant);
    Some(entra_issuer(
        place,
        format!(
            "`https://{version_2}/{tenant}/v2.0` without a trailing slash for version 2 tokens, `https://{version_1}/{tenant}/` with one for version 1 tokens; for several tenants, one entry each"
        ),
    ))
}

/// With the slash.
fn b2c(host: &str, tenant: &str, rest: Option<&str>, place: &str) -> Option<Finding> {
    if is_tenant_id(tenant) && rest == Some("v2.0/") {
        return None;
    }
    let tenant = shown_tenant(tenant);
    Some(entra_issuer(place, format!("`https://{host}/{tenant}/v2.0/`, with the trailing slash")))
}

fn entra_issuer(place: &str, instead: String) -> Finding {
    let risk = "no Entra ID token has this `iss`, which always contains the tenant's id in lower case, never `common` or a tenant's name, and then ends in the form of its version: every token is refused (issuer_unknown)";
    Finding::warning("entra-issuer", format!("{place}.issuer"), risk, instead)
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The same for providers whose `iss` has one form: the URL of a discovery document, a slash too many or too few, a realm's name
/// that is not encoded.
pub(super) fn issuer_form(issuer: &Issuer, place: &str) -> Option<Finding> {
    let written = issuer.issuer.as_str();
    let url = written.strip_suffix(DISCOVERY).unwrap_or(written);
    let (host, _) = host_and_path(url);
    let is_below = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(domain));
    let form = if is_below(&[".auth0.com"]) {
        format!("https://{host}/")
    } else if is_below(&[".okta.com", ".oktapreview.com", ".okta-emea.com"])
        || is_cognito(issuer)
        || host == GOOGLE
    {
        url.trim_end_matches('/').to_owned()
    } else {
        realm(url).unwrap_or_else(|| url.to_owned())
    };
    (form != written).then(|| {
        let risk = "it must match exactly, and this provider's tokens have a different `iss`: every token is refused (issuer_unknown)";
        Finding::warning("issuer-form", format!("{place}.issuer"), risk, format!("`{form}`"))
    })
}

const GOOGLE: &str = "accounts.google.com";

/// Keycloak: `https://sso.example.com/realms/my%20realm`, and nothing behind it.
fn realm(url: &str) -> Option<String> {
    let (server, rest) = url.split_once("/realms/")?;
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if !rest.is_empty() && !rest.starts_with("protocol/") {
        return None;
    }
    let encoded: String = name
        .bytes()
        .map(
            |byte| {
                if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect();
    Some(format!("{server}/realms/{encoded}"))
}

fn shown_tenant(tenant: &str) -> String {
    let tenant = tenant.to_ascii_lowercase();
    if is_tenant_id(&tenant) { tenant } else { "<tenant id>".to_owned() }
}

/// `11111111-2222-4333-8444-555555555555`
fn is_tenant_id(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    text.split('-').all(hex) && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    rest.split_once('/').unwrap_or((rest, ""))
}
