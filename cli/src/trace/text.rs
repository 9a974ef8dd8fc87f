//! A trace in words, for the person on call: first the decision, then what Vault did, then what to make of it.
//!
//! Receives a trace; produces its text. A caller chooses much of what is in the logs, so text from them is made
//! harmless here.

use super::{
    chain::{Kind, Step},
    decision::Decision,
    joined::{JoinedBy, Trace},
};
use crate::output::{BAD, CAUTION, GOOD, HEADING, field, plain, styled};

/// `2027-01-15T08:00:00.123Z`.
const TIME_WIDTH: usize = 24;

pub(super) fn of(trace: &Trace) -> String {
    let mut text = verdict(&trace.decision);
    text += &format!("\n{}\n", styled(HEADING, "Vault"));
    if trace.steps.is_empty() {
        text += "  nothing found\n";
    }
    let words: Vec<&str> = trace.steps.iter().map(word).collect();
    let width = words.iter().map(|word| word.len()).max().unwrap_or_default();
    for (step, word) in trace.steps.iter().zip(words) {
        text += &line(step, word, width);
    }
    if let Some(joined_by) = trace.joined_by {
        text += &format!("\n  joined by {}\n", means(joined_by));
    }
    for note in &trace.notes {
        text += &format!("  {} {}\n", styled(HEADING, "note:"), plain(note));
    }
    text
}

fn verdict(decision: &Decision) -> String {
    let style = match decision.text("outcome").as_str() {
        "allowed" => GOOD,
        "denied" => BAD,
        _ => CAUTION,
    };
    let mut text = format!("{}\n", styled(style, plain(&headline(decision))));
    let message = decision.text("message");
    if !message.is_empty() {
        text += &format!("  {}\n", plain(&message));
    }
    for (name, value) in facts(decision) {
        text += &field(name, &value);
    }
    text
}

/// The outcome, and its code.
pub(super) fn headline(decision: &Decision) -> String {
    format!("{} {}", decision.text("outcome").to_uppercase(), decision.text("code")).trim().to_owned()
}

/// What the decision says of itself, as far as it does.
pub(super) fn facts(decision: &Decision) -> Vec<(&'static str, String)> {
    let call = format!("{} {}", decision.text("method"), decision.text("route"));
    let stage = match decision.text("api_id") {
        api if api.is_empty() => decision.text("stage"),
        api => format!("{} of API {api}", decision.text("stage")),
    };
    let seconds = |name: &str| match decision.text(name) {
        seconds if seconds.is_empty() => seconds,
        seconds => format!("{seconds}s"),
    };
    let facts = [
        ("decided at", decision.time.as_deref().map(in_millis).unwrap_or_default()),
        ("request", decision.lambda_request_id().to_owned()),
        ("call", call.trim().to_owned()),
        ("stage", stage),
        ("caller", decision.text("caller_id")),
        ("grant", decision.text("grant")),
        ("role", decision.text("token_role")),
        ("ttl", seconds("ttl_seconds")),
        ("wrap ttl", seconds("wrap_ttl_seconds")),
        ("accessor", decision.text("wrapped_accessor")),
        (
            "minted",
            if decision.is_minted_ahead() { "ahead, before this request".to_owned() } else { String::new() },
        ),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

pub(super) fn word(step: &Step) -> &'static str {
    match (step.kind, step.error.is_some()) {
        (Kind::Mint, _) => "minted",
        (Kind::Lookup, false) => "looked up",
        (Kind::Lookup, true) => "not looked up",
        (Kind::Unwrap, false) => "unwrapped",
        (Kind::Unwrap, true) => "not unwrapped",
        (Kind::Use, false) => "used",
        (Kind::Use, true) => "refused",
        (Kind::Revoke, false) => "revoked",
        (Kind::Revoke, true) => "not revoked",
        (Kind::RevokeWrapping, false) => "wrapping revoked",
        (Kind::RevokeWrapping, true) => "wrapping not revoked",
        (Kind::Misuse, _) => "burnt",
        (Kind::Inquiry, _) => "asked about",
    }
}

fn line(step: &Step, word: &str, width: usize) -> String {
    let Step { time, operation, path, error, answered, remote_address, .. } = step;
    let style = if error.is_some() || step.kind == Kind::Misuse { BAD } else { GOOD };
    let word = styled(style, format!("{word:width$}"));
    let address = remote_address.as_deref().map(|address| format!("  from {address}")).unwrap_or_default();
    let called = plain(&format!("{operation} {path}{address}"));
    let mut line = format!("  {:TIME_WIDTH$}  {word}  {called}\n", plain(&in_millis(time)));
    let indent = TIME_WIDTH + width + 6;
    match error {
        Some(error) => line += &format!("{:indent$}{}\n", "", plain(error)),
        None if !answered => line += &format!("{:indent$}no answer in the log\n", ""),
        None => {}
    }
    line
}

/// `…:00.088835552Z` as `…:00.088Z`.
pub(super) fn in_millis(time: &str) -> String {
    let Some((seconds, fraction)) = time.split_once('.') else { return time.to_owned() };
    let digits: String = fraction.chars().take_while(char::is_ascii_digit).take(3).collect();
    let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{seconds}.{digits:0<3}{zone}")
}

pub(super) fn means(joined_by: JoinedBy) -> &'static str {
    match joined_by {
        JoinedBy::Metadata => "the request id in the token's metadata",
        JoinedBy::Accessor => "the accessor, which this audit device writes in clear",
        JoinedBy::AuditHash => "the accessor's HMAC, which Vault computed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_millisecond() {
        assert_eq!(in_millis("2026-11-24T19:19:25.94159989Z"), "2026-11-24T19:19:25.941Z");
        assert_eq!(in_millis("2026-11-24T19:19:25.9Z"), "2026-11-24T19:19:25.900Z");
        assert_eq!(in_millis("2026-11-24T19:19:25Z"), "2026-11-24T19:19:25Z");
    }
}
