//! Lints of the claims that are bound or named: what no token's claim can ever be.

use vault_authorizer::{
    config::quoted,
    grant::{Bounds, Pattern},
};

use super::{Finding, Weight};

/// Text, or a list of texts, by RFC 7519, RFC 8693, RFC 9068 or OpenID Connect Core.
const TEXTS: [&str; 14] = [
    "acr",
    "amr",
    "aud",
    "azp",
    "client_id",
    "email",
    "iss",
    "jti",
    "nonce",
    "scope",
    "scp",
    "sid",
    "sub",
    "typ",
];

/// What `sts:GetWebIdentityToken` says beyond the registered claims.
const AWS_CLAIM: &str = "https://sts.amazonaws.com/";

pub(super) fn bounds(bounds: &Bounds, place: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for bound in &bounds.claims {
        let place = format!("{place}.caller.bound_claims.{}", quoted(&bound.name));
        findings.extend(name(&bound.name, &place));
        findings.extend(not_text(&bound.name, &bound.any_of, &place));
    }
    findings
}

/// A name that reads like a path and is none, or a path that ends too early.
pub(super) fn name(name: &str, place: &str) -> Option<Finding> {
    let steps: Vec<String> = match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(unescaped).collect(),
        None => vec![name.to_owned()],
    };
    object(name, &steps.iter().map(String::as_str).collect::<Vec<_>>(), place).or_else(|| dotted(name, place))
}

/// Nothing equals an object: neither a text nor a number.
fn object(name: &str, steps: &[&str], place: &str) -> Option<Finding> {
    let member = match steps {
        ["realm_access"] => "/realm_access/roles".to_owned(),
        ["resource_access"] => "/resource_access/<client id>/roles".to_owned(),
        ["resource_access", client] => format!("/resource_access/{}/roles", escaped(client)),
        [AWS_CLAIM] | [AWS_CLAIM, "principal_tags"] => {
            format!("/{}/principal_tags/<tag>", escaped(AWS_CLAIM))
        }
        _ => return None,
    };
    Some(Finding::warning(
        "claim-is-object",
        place,
        format!("`{name}` is an object with members of its own, which equals no value: it never holds"),
        format!("the member that is meant: `{member}`"),
    ))
}

/// A namespaced claim (`https://example.com/team`) has a dot and is no path.
fn dotted(name: &str, place: &str) -> Option<Finding> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if !name.contains('.') || !name.split('.').all(is_word) {
        return None;
    }
    // A client's id may have dots of its own.
    let of_client = name.strip_prefix("resource_access.").and_then(|rest| rest.rsplit_once('.'));
    let pointer = match of_client {
        Some((client, member)) => format!("/resource_access/{client}/{member}"),
        None => format!("/{}", name.replace('.', "/")),
    };
    let is_keycloak = name.starts_with("realm_access.") || name.starts_with("resource_access.");
    Some(Finding {
        weight: if is_keycloak { Weight::Warning } else { Weight::Hint },
        ..Finding::warning(
            "dotted-claim",
            place,
            format!("`{name}` is the name of one claim, dots included, and not a path into nested claims"),
            format!("the JSON pointer `{pointer}`, if the claim is nested"),
        )
    })
}

/// YAML reads `1` and `true` as a number and a boolean, which no text equals.
fn not_text(name: &str, any_of: &[Pattern], place: &str) -> Option<Finding> {
    let claim = name.strip_prefix('/').unwrap_or(name);
    let value = any_of.iter().find_map(|pattern| match pattern {
        Pattern::Exactly(value) if !value.is_string() => Some(value),
        Pattern::Exactly(_) | Pattern::Glob(_) => None,
    })?;
    if !TEXTS.contains(&claim) {
        return None;
    }
    Some(Finding::warning(
        "number-for-text",
        place,
        format!("`{claim}` is text in tokens, and {value} without quotes equals no text: it never holds"),
        format!("\"{value}\", in quotes"),
    ))
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}
