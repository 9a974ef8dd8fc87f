//! What to try next, where the outcome alone does not say it.
//!
//! Receives an explanation and the event; produces a sentence or none. Nothing here decides.

use serde_json::Value;
use vault_authorizer::{clock::UnixTime, outcome::Code};

use super::{time::rfc3339, walk::Explanation};

/// At most one, by the code and by whether a time was given.
pub(super) fn of(explanation: &Explanation, event: &Value, time_is_given: bool) -> Vec<String> {
    let code = Code::ALL.iter().find(|code| Some(code.as_str()) == explanation.code);
    let is_one_of = |codes: &[Code]| code.is_some_and(|code| codes.contains(code));
    let hint = if is_one_of(&ENDED) && !time_is_given {
        as_of_the_event(event)
    } else if is_one_of(&[Code::KeyUnknown]) && time_is_given {
        "keys are fetched now: one that the issuer has withdrawn since then is unknown".to_owned()
    } else if is_one_of(&[Code::ProofRefused]) && time_is_given {
        "STS goes by its own clock: it takes no proof that is older than 15 minutes".to_owned()
    } else if is_one_of(&[Code::CredentialMissing, Code::CredentialMalformed, Code::SignatureInvalid]) {
        "an event copied from a log may have its credential cut out or cut short".to_owned()
    } else if is_one_of(&[Code::JwksUnavailable, Code::StsUnavailable]) {
        "this machine asked: the function may reach what this machine does not, and the other way round"
            .to_owned()
    } else if is_one_of(&[Code::EventUnsupported]) {
        "give the event as the function got it: an object with `type` and `methodArn` or `routeArn`, without the log line around it".to_owned()
    } else {
        return Vec::new();
    };
    vec![hint]
}

/// What ends by itself, and so ends for every old event.
const ENDED: [Code; 4] = [Code::TokenExpired, Code::TokenExpiring, Code::TokenTooOld, Code::ProofExpired];

/// The event tells its own time in milliseconds: REST and WebSocket APIs as `requestTimeEpoch`, HTTP APIs as `timeEpoch`.
fn as_of_the_event(event: &Value) -> String {
    let millis = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let millis = millis("/requestContext/requestTimeEpoch").or_else(|| millis("/requestContext/timeEpoch"));
    let time = millis.map(|millis| rfc3339(UnixTime::from_millis(millis)));
    let time = time.unwrap_or_else(|| "<the time of the request>".to_owned());
    format!("judged as of now; for what the function decided then, add --at {time}")
}
