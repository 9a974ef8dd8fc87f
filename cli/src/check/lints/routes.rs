//! Lints of routes: templates that no API has, copied from the syntax of a framework or a URL.

use authorizer_steps::{event::Route, grant::Stage};

use super::finding::Finding;

pub(super) fn lint(stage: &Stage, routes: &[Route], place: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let place = format!("{place}.routes[{index}]");
        let route = route.to_string();
        let Some((method, template)) = route.split_once(" /") else { continue };
        findings.extend(stage_in_route(stage.name.as_str(), method, template, &place));
        findings.extend(foreign_parameter(method, template, &place));
    }
    findings
}

/// `https://<api>.execute-api.<region>.amazonaws.com/prod/orders` is routed as `/orders`.
fn stage_in_route(stage: &str, method: &str, template: &str, place: &str) -> Option<Finding> {
    let (first, rest) = template.split_once('/').unwrap_or((template, ""));
    if first != stage {
        return None;
    }
    // An API may well have resources of these names below a stage that is called so for its URL.
    let version = stage.strip_prefix('v').unwrap_or_default();
    let is_prefix =
        stage == "api" || (!version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()));
    let risk = format!(
        "API Gateway removes the stage from the URL before it routes, so this matches calls to /{stage}/{template} and not to /{template}"
    );
    let instead = format!("`{method} /{rest}`, unless the API has a resource `/{first}`");
    let finding = Finding::warning("stage-in-route", place, risk, instead);
    Some(finding.hint_if(is_prefix))
}

fn foreign_parameter(method: &str, template: &str, place: &str) -> Option<Finding> {
    let path = template.split('?').next().unwrap_or_default();
    let segments: Vec<String> =
        path.split('/').map(|segment| translated(segment).unwrap_or_else(|| segment.to_owned())).collect();
    let segments = segments.join("/");
    if segments == template {
        return None;
    }
    let risk = format!(
        "no template of API Gateway looks like `/{template}`: a parameter is `{{id}}` or, for the rest of the path, `{{proxy+}}`, and fills its whole segment, and there is no query. It matches no call"
    );
    let instead = format!("`{method} /{segments}`, with the names in the API's own template");
    Some(Finding::warning("foreign-parameter", place, risk, instead))
}

/// A segment as API Gateway writes it, where another framework did: `:id`, `<id>`, `<int:id>`, `[id]`, `[...path]`, `{id}.json`.
fn translated(segment: &str) -> Option<String> {
    if let Some(name) = segment.strip_prefix(':') {
        return is_name(name).then(|| format!("{{{name}}}"));
    }
    if let Some(inner) = between(segment, '<', '>') {
        let name = inner.rsplit(':').next().unwrap_or(inner);
        return Some(format!("{{{name}}}"));
    }
    if let Some(inner) = between(segment, '[', ']') {
        return Some(inner.strip_prefix("...").map_or(format!("{{{inner}}}"), |rest| format!("{{{rest}+}}")));
    }
    if between(segment, '{', '}').is_some_and(|name| is_name(name.strip_suffix('+').unwrap_or(name))) {
        return None;
    }
    let (_, rest) = segment.split_once('{')?;
    let name: String = rest.chars().take_while(|c| is_name(&c.to_string())).collect();
    Some(format!("{{{}}}", if name.is_empty() { "id" } else { &name }))
}

fn between(segment: &str, open: char, close: char) -> Option<&str> {
    segment.strip_prefix(open)?.strip_suffix(close)
}

/// Amazon API Gateway developer guide: letters, digits, `.`, `_`, `-` and, on REST APIs, `:`.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}
