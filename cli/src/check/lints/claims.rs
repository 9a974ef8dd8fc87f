//! Lints of bound or named claims: values that no token's claim can have.

use authorizer_steps::grant::{Bounds, Pattern};
use vault_authorizer::config::quoted;

use super::finding::Finding;

/// Text, or a list of texts, by RFC 7519, RFC 8693, RFC 9068 or OpenID Connect Core.
const TEXTS: &str = "acr amr aud azp client_id email iss jti nonce scope scp sid sub typ";

/// What `sts:GetWebIdentityToken` says beyond the registered claims.
const AWS_CLAIM: &str = "https://sts.amazonaws.com/";

pub(super) fn bounds(bounds: &Bounds, place: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for bound in &bounds.claims {
        let place = format!("{place}.caller.bound_claims.{}", quoted(&bound.name));
        findings.extend(name(&bound.name, &place));
        findings.extend(not_text(&bound.name, &bound.any_of, &place));
        findings.extend(several_scopes(&bound.name, &bound.any_of, &place));
        findings.extend(bound.any_of.iter().find_map(|value| not_a_glob(&bound.name, value, &place)));
    }
    let subject = bounds.subject.as_deref();
    findings.extend(subject.and_then(|subject| subject_pattern(subject, place)));
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
    let risk = format!("`{name}` is an object, which equals no value: it never matches");
    let instead = format!("the member that you mean: `{member}`");
    Some(Finding::warning("claim-is-object", place, risk, instead))
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
    let risk = format!(
        "`{name}` is the name of a single claim, including the dots, and not a path into nested claims"
    );
    let instead = format!("the JSON pointer `{pointer}`, if the claim is nested");
    let finding = Finding::warning("dotted-claim", place, risk, instead);
    Some(finding.hint_if(!is_keycloak))
}

/// YAML reads `1` and `true` as a number and a boolean, which no text equals.
fn not_text(name: &str, any_of: &[Pattern], place: &str) -> Option<Finding> {
    let claim = name.strip_prefix('/').unwrap_or(name);
    let value = any_of.iter().find_map(|pattern| match pattern {
        Pattern::Exactly(value) if !value.is_string() => Some(value),
        Pattern::Exactly(_) | Pattern::Glob(_) => None,
    })?;
    if !TEXTS.split(' ').any(|text| text == claim) {
        return None;
    }
    let risk = format!(
        "`{claim}` is a string in tokens, and {value} without quotes equals no string: it never matches"
    );
    let instead = format!("\"{value}\", in quotes");
    Some(Finding::warning("number-for-text", place, risk, instead))
}

/// `scope` and `scp` are read word by word; a JSON pointer to them is not.
fn several_scopes(name: &str, any_of: &[Pattern], place: &str) -> Option<Finding> {
    let spaced = any_of.iter().filter_map(text).find(|text| text.contains(' '));
    let scopes = spaced.filter(|_| matches!(name, "scope" | "scp"))?;
    let words: Vec<_> = scopes.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    let risk =
        format!("`{name}` is compared word by word, and `{scopes}` is not a single word: it never matches");
    let instead = format!("[{}], any of which is enough", words.join(", "));
    Some(Finding::warning("several-scopes", place, risk, instead))
}

/// Claims whose values have a star of their own at some providers, such as the scope `read:*`.
const MAY_HOLD_STARS: [&str; 3] = ["scope", "scp", "permissions"];

/// A star without `bound_claims_type: glob`, or a regular expression in either type.
fn not_a_glob(name: &str, value: &Pattern, place: &str) -> Option<Finding> {
    let text = text(value)?;
    let is_glob = matches!(value, Pattern::Glob(_));
    if is_regular_expression(text) {
        return Some(regular_expression(text, place, "with `bound_claims_type: glob`"));
    }
    if is_glob || !text.contains('*') {
        return None;
    }
    let claim = name.strip_prefix('/').unwrap_or(name);
    let risk = format!("`{text}` is compared literally: `*` is a wildcard only in globs");
    let instead =
        "`bound_claims_type: glob` next to `bound_claims`, unless the claim itself contains the star";
    let finding = Finding::warning("star-is-text", place, risk, instead);
    Some(finding.hint_if(MAY_HOLD_STARS.contains(&claim)))
}

/// `bound_claims_type` does not apply to it.
fn subject_pattern(subject: &str, place: &str) -> Option<Finding> {
    let place = format!("{place}.caller.bound_subject");
    if is_regular_expression(subject) {
        return Some(regular_expression(
            subject,
            &place,
            "as `sub` in `bound_claims`, with `bound_claims_type: glob`",
        ));
    }
    subject.contains('*').then(|| {
        let risk = format!("`{subject}` is compared literally, whatever `bound_claims_type` says");
        let instead = format!("`bound_claims: {{sub: \"{subject}\"}}` with `bound_claims_type: glob`");
        Finding::warning("star-is-text", place, risk, instead)
    })
}

/// What is never a glob: `issuer`, `audiences`, `types`.
pub(super) fn star_in<'a>(values: impl IntoIterator<Item = &'a String>, place: &str) -> Option<Finding> {
    let text = values.into_iter().find(|text| text.contains('*'))?;
    let risk = format!("`{text}` is compared literally, and no token has a star there: it never matches");
    let instead = "the values that you mean, each written out";
    Some(Finding::warning("star-is-text", place, risk, instead))
}

/// Only what is hardly ever text: `CORP\\dave`, `auth0|7` and `HOST$` are names, and `team.*` may be a glob.
fn is_regular_expression(text: &str) -> bool {
    let begins = text.starts_with('^') || text.starts_with(".*");
    begins || text.ends_with(".*$") || text.ends_with(".+$") || text.contains("\\.")
}

fn regular_expression(text: &str, place: &str, with: &str) -> Finding {
    let glob = text.trim_start_matches('^').trim_end_matches('$');
    let glob = glob.replace(".*", "*").replace(".+", "*").replace("\\.", ".");
    let instead = if glob.contains(['(', '[', '{', '|', '\\', '+', '?', '^', '$']) {
        "a list of the values that you mean, or a glob, in which only `*` is a wildcard".to_owned()
    } else if glob.contains('*') {
        format!("`{glob}` {with}")
    } else {
        format!("`{glob}`")
    };
    let risk = format!(
        "`{text}` is compared as text and not as a regular expression, so it does not match what you expect"
    );
    Finding::warning("regular-expression", place, risk, instead)
}

fn text(value: &Pattern) -> Option<&str> {
    match value {
        Pattern::Exactly(value) => value.as_str(),
        Pattern::Glob(text) => Some(text),
    }
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}
