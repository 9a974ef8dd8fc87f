//! The command to run after an explanation.
//!
//! A call that is allowed goes on in Vault, which `trace` shows. A denial is of the configuration or of the caller, and
//! a fault is of the deployment.

use authorizer_steps::outcome::Code;
use serde_json::Value;

use super::{Arguments, walk::Outcome};
use crate::next::Next;

/// Longer than API Gateway's ids.
const MAX_ID_CHARS: usize = 64;

/// Nothing where the event itself is the fault: the hint says which one to give.
pub(super) fn of(outcome: Outcome, code: Option<&str>, arguments: &Arguments, event: &Value) -> Option<Next> {
    let with_config = |command| Some(Next::new([command], arguments.config.given()));
    match outcome {
        // No request was made of `--jwt`, so that no log has one.
        Outcome::Allowed if arguments.event.is_some() => Some(Next::trace(request_id(event))),
        Outcome::Allowed => with_config("doctor"),
        Outcome::Denied => with_config("check"),
        Outcome::Fault if code == Some(Code::EventUnsupported.as_str()) => None,
        Outcome::Fault => with_config("doctor"),
    }
}

/// The event's, where it looks like API Gateway's: whatever else is there may be a credential.
fn request_id(event: &Value) -> Option<&str> {
    let id = event.pointer("/requestContext/requestId")?.as_str()?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-=_+/".contains(&byte);
    (id.len() <= MAX_ID_CHARS && !id.starts_with('-') && id.bytes().all(is_known)).then_some(id)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::{Command, CommandLine};

    /// The program takes what it suggests.
    #[test]
    fn each_next_command_is_one() {
        let explain = |options: &str| {
            let words = format!("vault-authorizer explain a.yaml --task-root /var/task {options}");
            let command = CommandLine::try_parse_from(words.split(' ')).unwrap().command;
            let Command::Explain(arguments) = command else { panic!("{words}") };
            arguments
        };
        let event = explain("--event e.json --at 7 --json");
        let jwt = explain("--jwt t.jwt --route $connect --stage prod");
        let id = json!({"requestContext": {"requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}});
        let next = |outcome, code, arguments| of(outcome, code, arguments, &id).map(|next| next.must_parse());
        let logs = "--authorizer-log authorizer.log --audit-log audit.log";
        let (outage, unsupported) = (Some("jwks_unavailable"), Some("event_unsupported"));
        for (told, expected) in [
            (
                next(Outcome::Allowed, None, &event),
                Some(format!("trace --request-id c6af9ac6-7b61-11e6-9a41-93e8deadbeef {logs}")),
            ),
            (next(Outcome::Allowed, None, &jwt), Some("doctor a.yaml --task-root /var/task".to_owned())),
            (
                next(Outcome::Denied, Some("no_grant"), &event),
                Some("check a.yaml --task-root /var/task".to_owned()),
            ),
            (next(Outcome::Fault, outage, &event), Some("doctor a.yaml --task-root /var/task".to_owned())),
            (next(Outcome::Fault, unsupported, &event), None),
        ] {
            assert_eq!(told, expected.map(|command| format!("vault-authorizer {command}")));
        }
    }

    #[test]
    fn rejects_a_credential_or_an_option_as_the_request_id() {
        for id in ["eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "--html", "a b", &"x".repeat(65)] {
            assert_eq!(request_id(&json!({"requestContext": {"requestId": id}})), None, "{id}");
        }
        assert_eq!(
            request_id(&json!({"requestContext": {"requestId": "JKJaXmPLvHcESHA="}})),
            Some("JKJaXmPLvHcESHA=")
        );
        Next::trace(None).must_parse();
    }
}
