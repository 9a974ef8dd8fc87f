//! An explanation in words, for the person on call: first how it ended and why, then what was found on the way.
//!
//! Receives an explanation; produces its text. Text from the event is made harmless here.

use super::walk::{CallerSeen, EventSeen, Explanation, GrantSeen, Outcome, TokenSeen};
use crate::output::{BAD, CAUTION, GOOD, HEADING, field, json, plain, styled};

pub(super) fn of(explanation: &Explanation) -> String {
    let Explanation { event, seen, answer, .. } = explanation;
    let mut text = verdict(explanation);
    text += &section("event", &event_fields(event, &explanation.at));
    text += &section(
        "credential",
        &match &seen.credential {
            Some(found) => vec![field("scheme", found.scheme), field("found in", &found.place)],
            None => vec![line("none, more than one, or not looked for")],
        },
    );
    text +=
        &section("caller", &seen.caller.as_ref().map_or_else(|| vec![line("not verified")], caller_fields));
    text += &section(
        "grants of the stage, in order",
        &seen.grants.as_deref().map_or_else(|| vec![line("not checked")], grant_lines),
    );
    if let Some(token) = &seen.token {
        text += &section("requested from Vault", &token_fields(token));
    }
    let answer = json(answer);
    let lines: Vec<String> = answer.lines().map(line).collect();
    text += &section("answer to API Gateway", &lines);
    text + &explanation.next.iter().map(|next| format!("\n{}", next.line())).collect::<String>()
}

fn verdict(explanation: &Explanation) -> String {
    let (style, word) = match explanation.outcome {
        Outcome::Allowed => (GOOD, "ALLOWED"),
        Outcome::Denied => (BAD, "DENIED"),
        Outcome::Fault => (CAUTION, "FAULT"),
    };
    let decides = explanation.seen.grants.iter().flatten().find(|grant| grant.decides);
    let why = match (explanation.code, decides) {
        (Some(code), _) => code.to_owned(),
        (None, Some(grant)) => format!("by grant `{}`", grant.name),
        (None, None) => String::new(),
    };
    let mut text = format!("{} {why}\n", styled(style, word));
    if let Some(message) = &explanation.message {
        text += &line(message);
    }
    text += &line(&format!("the client sees {}", explanation.client_sees));
    for hint in &explanation.hints {
        text += &format!("  {} {}\n", styled(HEADING, "hint:"), plain(hint));
    }
    text
}

fn event_fields(event: &EventSeen, at: &str) -> Vec<String> {
    let unknown = "?";
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| unknown.to_owned());
    let call = if event.method == event.route {
        // `$connect` is both, and of an event that tells neither there is nothing to say twice.
        text(&event.route)
    } else {
        format!("{} {}", text(&event.method), text(&event.route))
    };
    vec![
        field("shape", event.shape.unwrap_or("unknown")),
        field("method ARN", event.method_arn.as_deref().unwrap_or("none usable")),
        field("call", &call),
        field("stage", &format!("{} of API {}", text(&event.stage), text(&event.api_id))),
        field("judged at", at),
    ]
}

fn caller_fields(caller: &CallerSeen) -> Vec<String> {
    let ends = match (&caller.credential_ends, caller.seconds_left) {
        (Some(ends), Some(seconds)) => format!("{ends}, in {seconds} s"),
        (Some(_), None) | (None, _) => "unknown: the grant's ttl limits the token".to_owned(),
    };
    let mut fields = vec![field("id", &caller.id), field("kind", caller.kind)];
    fields.extend(caller.issuer.as_deref().map(|issuer| field("issuer", issuer)));
    fields.push(field("binding", caller.binding));
    // An IAM proof's id is its ARN.
    let arn = caller.principal_arn.as_deref().filter(|arn| *arn != caller.id);
    fields.extend(arn.map(|arn| field("principal", arn)));
    fields.extend(caller.principal_id.as_deref().map(|id| field("unique id", id)));
    fields.push(field("ends", &ends));
    fields
}

fn grant_lines(grants: &[GrantSeen]) -> Vec<String> {
    let width = grants.iter().map(|grant| grant.name.len()).max().unwrap_or_default();
    let lines = grants.iter().map(|grant| {
        let verdict = match (grant.matches, grant.decides) {
            (false, _) => "no: ",
            (true, true) => "matches, and decides",
            (true, false) => "matches, but an earlier one decides",
        };
        let sign = if grant.decides { ">" } else { " " };
        // One below the other.
        let below = format!("\n{:1$}", "", width + "  ".len() + "  no: ".len());
        let mismatches: Vec<_> = grant.mismatches.iter().map(|mismatch| plain(mismatch)).collect();
        format!("{sign} {:width$}  {verdict}{}\n", grant.name, mismatches.join(&below))
    });
    lines.collect()
}

fn token_fields(token: &TokenSeen) -> Vec<String> {
    let mut fields = vec![
        field("role", &token.role),
        field("ttl", &format!("{}s", token.ttl_seconds)),
        field("wrap ttl", &format!("{}s", token.wrap_ttl_seconds)),
    ];
    fields.extend(token.num_uses.map(|uses| field("num_uses", &uses.to_string())));
    fields.extend(token.entity_alias.as_deref().map(|alias| field("alias", alias)));
    fields
}

fn section(heading: &str, lines: &[String]) -> String {
    format!("\n{}\n{}", styled(HEADING, heading), lines.concat())
}

fn line(text: &str) -> String {
    format!("  {}\n", plain(text))
}
